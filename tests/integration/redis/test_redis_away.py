"""Redis shared, gone, hanging, flushed: slower perhaps, never wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from shop.adapters.memory.cache import MemoryCache, MemoryRateLimiter
from shop.adapters.redis.cache import RedisCache, RedisRateLimiter, SteadyRedisCache
from shop.adapters.redis.checkup import RedisCheckup
from shop.adapters.redis.line import REST, Line
from shop.adapters.system.clock import SystemClock
from shop.ports.checkup import Unwell
from tests.kit.process import free_port
from tests.kit.servers import Process, flush_redis

MINUTE = timedelta(minutes=1)
MOMENT = timedelta(milliseconds=1)
NOWHERE = "redis://127.0.0.1:1/0"


@asynccontextmanager
async def line_to(url: str) -> AsyncIterator[Line]:
    line = Line(url, chance=lambda: 0.0)
    yield line
    await line.close()


async def test_replicas_remember_together(redis_url: str) -> None:
    async with line_to(redis_url) as one, line_to(redis_url) as other:
        await RedisCache(one).put("a", b"1", MINUTE)
        assert await RedisCache(other).get("a") == b"1"
        await RedisCache(other).drop("a")
        assert await RedisCache(one).get("a") is None


async def test_replicas_count_together(redis_url: str) -> None:
    async with line_to(redis_url) as one, line_to(redis_url) as other:
        limiters = [RedisRateLimiter(at, MemoryRateLimiter(SystemClock())) for at in (one, other)]
        hits = [limiters[n % 2].hit("a", 5, 3600) for n in range(20)]
        assert sum(verdict.wait == 0 for verdict in await asyncio.gather(*hits)) == 5


async def test_what_was_flushed_is_unknown_and_the_script_is_sent_again(redis_url: str) -> None:
    async with line_to(redis_url) as line:
        cache = RedisCache(line)
        limiter = RedisRateLimiter(line, MemoryRateLimiter(SystemClock()))
        await cache.put("a", b"1", MINUTE)
        await limiter.hit("a", 1, 3600)
        flush_redis(redis_url)
        await line.client.script_flush()
        assert await cache.get("a") is None
        assert (await limiter.hit("a", 1, 3600)).wait == 0
        assert (await limiter.hit("a", 1, 3600)).wait > 0
        assert not line.down


async def test_what_replicas_count_together_none_of_them_misses(redis_url: str) -> None:
    async with line_to(redis_url) as one, line_to(redis_url) as other:
        caches = [SteadyRedisCache(at, MemoryCache(SystemClock())) for at in (one, other)]
        counted = await asyncio.gather(*(caches[n % 2].count("a", MINUTE) for n in range(20)))
        assert sorted(counted) == list(range(1, 21))
        added = await asyncio.gather(*(caches[n % 2].add("b", b"1", MINUTE) for n in range(20)))
        assert added.count(True) == 1


async def test_without_a_server_nothing_is_known_and_nothing_breaks() -> None:
    async with line_to(NOWHERE) as line:
        cache = RedisCache(line)
        await cache.put("a", b"1", MINUTE)
        await cache.add("a", b"1", MINUTE)
        await cache.drop("a")
        assert await cache.get("a") is None
        assert line.down


async def test_an_announcement_nobody_hears_waits_until_the_older_value_is_gone() -> None:
    async with line_to(NOWHERE) as line:
        began = asyncio.get_running_loop().time()
        stale = timedelta(milliseconds=80)
        await RedisCache(line).announce(["a"], b"ended", MINUTE, stale=stale)
        assert asyncio.get_running_loop().time() - began >= 0.08


async def test_each_process_counts_by_itself_while_the_server_is_away() -> None:
    async with line_to(NOWHERE) as line:
        limiter = RedisRateLimiter(line, MemoryRateLimiter(SystemClock()))
        hits = await asyncio.gather(*(limiter.hit("a", 3, 3600) for _ in range(10)))
        assert sum(one.wait == 0 for one in hits) == 3


async def test_the_steady_cache_knows_its_own_while_the_server_is_away() -> None:
    async with line_to(NOWHERE) as line:
        steady = SteadyRedisCache(line, MemoryCache(SystemClock()))
        await steady.put("a", b"1", MINUTE)
        assert not await steady.add("a", b"2", MINUTE)
        assert await steady.get("a") == b"1"
        assert await steady.add("b", b"2", MINUTE)
        assert [await steady.count("c", MINUTE) for _ in range(2)] == [1, 2]
        await steady.announce(["a"], b"3", MINUTE, stale=MOMENT)
        assert await steady.get("a") == b"3"
        await steady.drop("a")
        assert await steady.get("a") is None


async def test_a_server_that_hangs_costs_one_timeout_and_is_then_spared() -> None:
    loop = asyncio.get_running_loop()
    asked = 0

    class Silent(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: ARG002
            nonlocal asked
            asked += 1

    silent = await loop.create_server(Silent, "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    now = 0.0
    line = Line(f"redis://127.0.0.1:{port}/0", clock=lambda: now, chance=lambda: 0.0)
    cache = RedisCache(line)
    assert await cache.get("a") is None
    assert line.down
    before = asked
    for _ in range(50):
        assert await cache.get("a") is None
    assert asked == before > 0  # a connection whose answer was late is not used again
    now += 2 * REST
    assert await cache.get("a") is None
    assert asked > before
    silent.close()
    await line.close()


async def test_a_server_that_comes_back_is_used_again(own_redis: tuple[str, Process]) -> None:
    url, server = own_redis
    async with line_to(url) as line:
        cache = RedisCache(line)
        await cache.put("a", b"1", MINUTE)
        assert await cache.get("a") == b"1"
        server.kill()
        assert await cache.get("a") is None
        server.start()
        async with asyncio.timeout(20):
            while await cache.get("b") is None:
                await cache.put("b", b"2", MINUTE)
                await asyncio.sleep(0.05)
        assert not line.down
        assert await cache.get("a") is None


async def test_the_doctor_says_what_is_wrong(own_redis: tuple[str, Process]) -> None:
    url, _ = own_redis
    assert (await RedisCheckup(url).examine()).startswith("Redis ")
    with pytest.raises(Unwell, match="password"):
        await RedisCheckup(url.replace("sesame", "says%20me")).examine()
    with pytest.raises(Unwell, match="reached"):
        await RedisCheckup(f"redis://127.0.0.1:{free_port()}/0").examine()
