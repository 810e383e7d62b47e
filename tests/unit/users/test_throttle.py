from datetime import timedelta

import pytest

from shop.adapters.memory.cache import MemoryCache
from shop.core.users.model import IdentityRules, TooManyFailures
from shop.core.users.throttle import FREE, Throttle
from tests.kit.clock import ManualClock

RULES = IdentityRules(site_url="http://shop")


async def _wait(throttle: Throttle, account: str = "asha", address: str = "here") -> int:
    try:
        await throttle.check(account, address)
    except TooManyFailures as error:
        return error.retry_after
    return 0


async def test_the_pause_doubles_up_to_five_minutes() -> None:
    clock = ManualClock()
    throttle = Throttle(MemoryCache(clock), clock, RULES)
    waits = []
    for _ in range(14):
        await throttle.failed("asha", "here")
        waits.append(await _wait(throttle))
        clock.advance(seconds=waits[-1])
    assert waits == [0] * (FREE - 1) + [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


async def test_strangers_lock_nobody_out() -> None:
    clock = ManualClock()
    throttle = Throttle(MemoryCache(clock), clock, RULES)
    for _ in range(FREE):
        await throttle.failed("asha", "elsewhere")
    assert await _wait(throttle, "asha", "elsewhere") > 0
    assert await _wait(throttle, "asha", "here") == 0
    assert await _wait(throttle, "ravi", "elsewhere") == 0


async def test_success_and_time_forgive() -> None:
    clock = ManualClock()
    throttle = Throttle(MemoryCache(clock), clock, RULES)
    for forgive in (throttle.cleared, None):
        for _ in range(FREE):
            await throttle.failed("asha", "here")
        if forgive:
            await forgive("asha", "here")
        else:
            clock.advance(timedelta(minutes=16).total_seconds())
        await throttle.failed("asha", "here")
        assert await _wait(throttle) == 0


async def test_a_pause_says_how_long_it_is() -> None:
    clock = ManualClock()
    throttle = Throttle(MemoryCache(clock), clock, RULES)
    for _ in range(FREE):
        await throttle.failed("asha", "here")
    clock.advance(seconds=0.5)
    with pytest.raises(TooManyFailures) as caught:
        await throttle.check("asha", "here")
    assert caught.value.facts == {"retry_after": 2}
