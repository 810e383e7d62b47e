"""What holds of every cache and every rate limiter."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import timedelta
from typing import Any, Protocol

import pytest

from shop.adapters.memory.cache import MemoryCache, MemoryRateLimiter
from shop.adapters.redis.cache import RedisCache, RedisRateLimiter, SteadyRedisCache
from shop.adapters.redis.line import Line
from shop.adapters.system.clock import SystemClock
from shop.ports.cache import Cache, RateLimiter

MINUTE = timedelta(minutes=1)
SOON = timedelta(milliseconds=60)


class Replica(Protocol):
    cache: Cache
    limiter: RateLimiter


class OneProcess:
    def __init__(self) -> None:
        self.cache: Cache = MemoryCache(SystemClock())
        self.limiter: RateLimiter = MemoryRateLimiter(SystemClock())


class OnRedis:
    def __init__(self, url: str, *, steady: bool = False) -> None:
        self.line = Line(url)
        clock = SystemClock()
        self.cache: Cache = (
            SteadyRedisCache(self.line, MemoryCache(clock)) if steady else RedisCache(self.line)
        )
        self.limiter: RateLimiter = RedisRateLimiter(self.line, MemoryRateLimiter(clock))


async def _until(met: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    for _ in range(1000):
        if await met():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("It has not happened.")


async def _gone(cache: Cache, *keys: str) -> bool:
    return not any([await cache.get(key) for key in keys])


async def _free(limiter: RateLimiter) -> bool:
    return (await limiter.hit("a", 5, 0.5)).wait == 0


@pytest.fixture(params=["memory", "redis", "steady"])
async def replica(request: pytest.FixtureRequest) -> AsyncIterator[Replica]:
    if request.param == "memory":
        yield OneProcess()
        return
    made = OnRedis(request.getfixturevalue("redis_url"), steady=request.param == "steady")
    yield made
    await made.line.close()


async def test_what_was_put_is_there_and_what_was_not_is_none(replica: Replica) -> None:
    await replica.cache.put("a", b"\x00\xff", MINUTE)
    assert await replica.cache.get("a") == b"\x00\xff"
    assert await replica.cache.get("b") is None


async def test_the_newer_value_counts(replica: Replica) -> None:
    await replica.cache.put("a", b"1", MINUTE)
    await replica.cache.put("a", b"2", MINUTE)
    assert await replica.cache.get("a") == b"2"


async def test_nothing_is_added_over_what_is_there(replica: Replica) -> None:
    assert await replica.cache.add("a", b"1", MINUTE)
    assert not await replica.cache.add("a", b"2", MINUTE)
    assert await replica.cache.get("a") == b"1"


async def test_values_run_out(replica: Replica) -> None:
    await replica.cache.put("a", b"1", SOON)
    await replica.cache.add("b", b"1", SOON)
    await _until(lambda: _gone(replica.cache, "a", "b"))
    await replica.cache.add("a", b"2", MINUTE)
    assert await replica.cache.get("a") == b"2"


async def test_an_announcement_replaces_all_at_once(replica: Replica) -> None:
    await replica.cache.put("a", b"1", MINUTE)
    await replica.cache.announce(["a", "b"], b"2", MINUTE, stale=MINUTE)
    assert await replica.cache.get("a") == await replica.cache.get("b") == b"2"
    await replica.cache.announce([], b"3", MINUTE, stale=MINUTE)


async def test_dropped_keys_are_gone(replica: Replica) -> None:
    await replica.cache.put("a", b"1", MINUTE)
    await replica.cache.drop("a", "unknown")
    await replica.cache.drop()
    assert await replica.cache.get("a") is None


async def test_each_of_many_who_ask_at_once_gets_their_own(replica: Replica) -> None:
    await asyncio.gather(*(replica.cache.put(str(n), b"%d" % n, MINUTE) for n in range(100)))
    found = await asyncio.gather(*(replica.cache.get(str(n)) for n in range(101)))
    assert found == [*(b"%d" % n for n in range(100)), None]


async def test_somebody_who_gives_up_takes_no_other_along(replica: Replica) -> None:
    await replica.cache.put("a", b"1", MINUTE)
    asked = [asyncio.create_task(replica.cache.get("a")) for _ in range(3)]
    await asyncio.sleep(0)
    asked[1].cancel()
    assert [await asked[0], await asked[2]] == [b"1", b"1"]


@pytest.mark.parametrize("replica", ["memory", "steady"], indirect=True)
async def test_who_counts_at_once_gets_numbers_of_their_own(replica: Replica) -> None:
    cache = replica.cache
    assert isinstance(cache, MemoryCache | SteadyRedisCache)
    counted = await asyncio.gather(*(cache.count("a", MINUTE) for _ in range(20)))
    assert sorted(counted) == list(range(1, 21))
    assert await cache.get("a") == b"20"
    assert await cache.count("b", SOON) == 1
    await _until(lambda: _gone(cache, "b"))
    assert await cache.count("b", MINUTE) == 1


@pytest.mark.parametrize("replica", ["memory", "steady"], indirect=True)
async def test_a_count_goes_down_to_nothing_and_is_kept_no_longer_for_it(replica: Replica) -> None:
    cache = replica.cache
    assert isinstance(cache, MemoryCache | SteadyRedisCache)
    for _ in range(3):
        await cache.count("a", MINUTE)
    await asyncio.gather(*(cache.discount("a") for _ in range(2)))
    assert await cache.get("a") == b"1"
    for _ in range(2):
        await cache.discount("a")
    assert await cache.count("a", MINUTE) == 1
    await cache.discount("b")
    assert await cache.get("b") is None
    await cache.count("b", SOON)
    await cache.discount("b")
    await _until(lambda: _gone(cache, "b"))


async def test_a_full_window_may_come_at_once(replica: Replica) -> None:
    verdicts = [await replica.limiter.hit("a", 5, 3600) for _ in range(6)]
    assert [one.left for one in verdicts] == [4, 3, 2, 1, 0, 0]
    assert [one.wait > 0 for one in verdicts] == [False] * 5 + [True]
    assert 700 < verdicts[5].wait <= 720  # the first of five comes back after a fifth of the hour
    assert 3590 < verdicts[5].reset <= 3600


async def test_a_refused_call_costs_nothing(replica: Replica) -> None:
    for _ in range(20):
        last = await replica.limiter.hit("a", 1, 3600)
    assert last.wait <= 3600


async def test_then_calls_come_back_evenly(replica: Replica) -> None:
    for _ in range(5):
        await replica.limiter.hit("a", 5, 0.5)
    await _until(lambda: _free(replica.limiter))


async def test_callers_have_windows_of_their_own(replica: Replica) -> None:
    await replica.limiter.hit("a", 1, 3600)
    assert (await replica.limiter.hit("a", 1, 3600)).wait > 0
    assert (await replica.limiter.hit("b", 1, 3600)).wait == 0


async def test_calls_at_one_moment_are_all_counted(replica: Replica) -> None:
    verdicts = await asyncio.gather(*(replica.limiter.hit("a", 7, 3600) for _ in range(50)))
    assert sum(one.wait == 0 for one in verdicts) == 7


async def test_odd_windows_allow_exactly_their_number(replica: Replica) -> None:
    for limit in (3, 7, 300, 601):
        hits = [replica.limiter.hit(f"of {limit}", limit, 36_000) for _ in range(limit + 5)]
        assert sum(one.wait == 0 for one in await asyncio.gather(*hits)) == limit
