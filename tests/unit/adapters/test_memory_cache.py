from datetime import timedelta

import pytest

from shop.adapters.memory.cache import MemoryCache, MemoryRateLimiter
from tests.kit.clock import ManualClock

MINUTE = timedelta(minutes=1)


async def test_a_value_lasts_as_long_as_was_said() -> None:
    clock = ManualClock()
    cache = MemoryCache(clock)
    await cache.put("a", b"1", MINUTE)
    clock.advance(seconds=59)
    assert await cache.get("a") == b"1"
    clock.advance(seconds=1)
    assert await cache.get("a") is None


async def test_the_key_used_least_recently_is_forgotten_first() -> None:
    cache = MemoryCache(ManualClock(), most=2)
    await cache.put("a", b"1", MINUTE)
    await cache.put("b", b"2", MINUTE)
    await cache.get("a")
    await cache.put("c", b"3", MINUTE)
    assert [await cache.get(key) for key in "abc"] == [b"1", None, b"3"]


async def test_dropped_keys_are_gone() -> None:
    cache = MemoryCache(ManualClock())
    await cache.put("a", b"1", MINUTE)
    await cache.drop("a", "unknown")
    assert await cache.get("a") is None


async def test_a_full_window_may_come_at_once_and_then_evenly() -> None:
    clock = ManualClock()
    limiter = MemoryRateLimiter(clock)
    first = [await limiter.hit("a", 5, 10) for _ in range(5)]
    assert [v.left for v in first] == [4, 3, 2, 1, 0]
    assert all(v.wait == 0 for v in first)
    refused = await limiter.hit("a", 5, 10)
    assert refused.wait == pytest.approx(2)
    assert refused.left == 0
    clock.advance(seconds=2)
    assert (await limiter.hit("a", 5, 10)).wait == 0
    assert (await limiter.hit("a", 5, 10)).wait > 0


async def test_a_refused_call_costs_nothing() -> None:
    clock = ManualClock()
    limiter = MemoryRateLimiter(clock)
    for _ in range(50):
        await limiter.hit("a", 5, 10)
    clock.advance(seconds=10)
    assert (await limiter.hit("a", 5, 10)).left == 4


async def test_a_clock_that_is_put_back_keeps_nobody_out() -> None:
    clock = ManualClock()
    limiter = MemoryRateLimiter(clock)
    await limiter.hit("a", 5, 10)
    clock.advance(seconds=-300)
    allowed = [(await limiter.hit("a", 5, 10)).wait == 0 for _ in range(7)]
    assert allowed == [True] * 5 + [False] * 2


async def test_callers_do_not_share_a_window() -> None:
    limiter = MemoryRateLimiter(ManualClock())
    await limiter.hit("a", 1, 10)
    assert (await limiter.hit("a", 1, 10)).wait > 0
    assert (await limiter.hit("b", 1, 10)).wait == 0


async def test_odd_windows_allow_exactly_their_number() -> None:
    for limit in (3, 7, 300, 600, 601):
        limiter = MemoryRateLimiter(ManualClock())
        allowed = sum([(await limiter.hit("a", limit, 60)).wait == 0 for _ in range(limit + 5)])
        assert allowed == limit


async def test_the_number_of_keys_is_bounded() -> None:
    limiter = MemoryRateLimiter(ManualClock(), most=2)
    for key in "abc":
        await limiter.hit(key, 1, 10)
    assert (await limiter.hit("a", 1, 10)).wait == 0
    assert (await limiter.hit("c", 1, 10)).wait > 0
