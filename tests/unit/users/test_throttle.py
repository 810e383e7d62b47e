import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from shop.adapters.memory.cache import MemoryCache
from shop.core.users.model import IdentityRules, TooManyFailures
from shop.core.users.throttle import ACCOUNT, ADDRESS, OWN, Throttle
from shop.ports.cache import SteadyCache
from tests.kit.clock import ManualClock

RULES = IdentityRules(site_url="http://shop")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def throttle(clock: ManualClock) -> Throttle:
    return Throttle(MemoryCache(clock), clock, RULES)


async def _wait(
    throttle: Throttle, account: str = "asha", address: str = "here", browser: str = ""
) -> int:
    try:
        await throttle.check(account, address, browser)
    except TooManyFailures as error:
        return error.retry_after
    return 0


async def _fail(throttle: Throttle, times: int, account: str, address: str) -> None:
    for _ in range(times):
        await throttle.failed(account, address)


async def test_the_pause_doubles_up_to_five_minutes(throttle: Throttle, clock: ManualClock) -> None:
    waits = []
    for _ in range(14):
        await throttle.failed("asha", "here")
        waits.append(await _wait(throttle))
        clock.advance(seconds=waits[-1])
    assert waits == [0] * (OWN.free - 1) + [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


async def test_a_stranger_locks_nobody_out(throttle: Throttle) -> None:
    await _fail(throttle, OWN.free, "asha", "elsewhere")
    assert await _wait(throttle, "asha", "elsewhere") > 0
    assert await _wait(throttle, "asha", "here") == 0
    assert await _wait(throttle, "ravi", "elsewhere") == 0


async def test_many_machines_that_guess_for_one_thief_slow_each_other_down(
    throttle: Throttle, clock: ManualClock
) -> None:
    for number in range(ACCOUNT.free):
        assert await _wait(throttle, "asha", f"machine {number}") == 0
        await throttle.failed("asha", f"machine {number}")
    assert await _wait(throttle, "asha", "one more machine") == 2
    for number in range(20):
        clock.advance(seconds=30)
        await throttle.failed("asha", f"machine {number}")
    assert await _wait(throttle, "asha", "one more machine") == 30
    assert await _wait(throttle, "ravi", "one more machine") == 0


async def test_the_owner_comes_in_where_she_was_before_whatever_strangers_do(
    throttle: Throttle,
) -> None:
    await throttle.cleared("asha", "home")
    for number in range(ACCOUNT.free):
        await throttle.failed("asha", f"machine {number}")
    assert await _wait(throttle, "asha", "a café") > 0
    assert await _wait(throttle, "asha", "home") == 0
    assert await _wait(throttle, "asha", "a café", browser="her telephone") == 0


async def test_a_password_tried_on_everybody_slows_its_address_down(
    throttle: Throttle,
) -> None:
    await throttle.cleared("colleague", "office")
    for number in range(ADDRESS.free):
        await throttle.failed(f"account {number}", "office")
    assert await _wait(throttle, "asha", "office") == 2
    assert await _wait(throttle, "asha", "home") == 0
    assert await _wait(throttle, "colleague", "office") == 0
    assert await _wait(throttle, "asha", "office", browser="her laptop") == 0


async def test_what_a_known_browser_does_wrong_counts_for_it_alone(throttle: Throttle) -> None:
    for _ in range(OWN.free):
        await throttle.failed("asha", "home", "stolen laptop")
    assert await _wait(throttle, "asha", "home", "stolen laptop") > 0
    assert await _wait(throttle, "asha", "home") == 0


async def test_after_a_pause_one_may_try_and_the_others_wait_for_the_outcome(
    throttle: Throttle, clock: ManualClock
) -> None:
    await _fail(throttle, OWN.free, "asha", "here")
    clock.advance(seconds=2)
    assert await _wait(throttle) == 0
    assert await _wait(throttle) == 2
    await throttle.cleared("asha", "here")
    assert await _wait(throttle) == 0


async def test_success_forgives(throttle: Throttle) -> None:
    await _fail(throttle, OWN.free - 1, "asha", "here")
    await throttle.cleared("asha", "here")
    await throttle.failed("asha", "here")
    assert await _wait(throttle) == 0


async def test_time_forgives(throttle: Throttle, clock: ManualClock) -> None:
    await _fail(throttle, OWN.free, "asha", "here")
    clock.advance(timedelta(minutes=16).total_seconds())
    await throttle.failed("asha", "here")
    assert await _wait(throttle) == 0


async def test_a_thiefs_own_account_does_not_wash_off_what_he_did_to_others(
    throttle: Throttle,
) -> None:
    for number in range(ADDRESS.free):
        await throttle.failed(f"account {number}", "his address")
        await throttle.cleared("his own account", "his address")
    assert await _wait(throttle, "asha", "his address") > 0


async def test_a_pause_says_how_long_it_is(throttle: Throttle, clock: ManualClock) -> None:
    await _fail(throttle, OWN.free, "asha", "here")
    clock.advance(seconds=0.5)
    with pytest.raises(TooManyFailures) as caught:
        await throttle.check("asha", "here")
    assert caught.value.facts == {"retry_after": 2}


async def test_what_has_no_address_counts_by_account_alone(throttle: Throttle) -> None:
    for number in range(ADDRESS.free):
        await throttle.failed(f"answer {number}", "")
    assert await _wait(throttle, "answer x", "") == 0


class Shared(SteadyCache):
    """Common to replicas, whose calls come in between one another."""

    def __init__(self, clock: ManualClock) -> None:
        self._kept = MemoryCache(clock)

    async def get(self, key: str) -> bytes | None:
        await asyncio.sleep(0)
        return await self._kept.get(key)

    async def put(self, key: str, value: bytes, ttl: timedelta) -> None:
        await asyncio.sleep(0)
        await self._kept.put(key, value, ttl)

    async def add(self, key: str, value: bytes, ttl: timedelta) -> bool:
        await asyncio.sleep(0)
        return await self._kept.add(key, value, ttl)

    async def count(self, key: str, ttl: timedelta) -> int:
        await asyncio.sleep(0)
        return await self._kept.count(key, ttl)

    async def announce(
        self, keys: Sequence[str], value: bytes, ttl: timedelta, *, stale: timedelta
    ) -> None:
        await self._kept.announce(keys, value, ttl, stale=stale)

    async def drop(self, *keys: str) -> None:
        await self._kept.drop(*keys)


async def test_failures_of_one_instant_at_several_replicas_are_all_counted(
    clock: ManualClock,
) -> None:
    cache = Shared(clock)
    replicas = [Throttle(cache, clock, RULES) for _ in range(8)]
    await asyncio.gather(*(replica.failed("asha", "here") for replica in replicas))
    assert await _wait(replicas[0]) == 2 ** (len(replicas) - OWN.free + 1)


async def test_between_pauses_one_attempt_is_made_at_all_replicas_together(
    clock: ManualClock,
) -> None:
    cache = Shared(clock)
    replicas = [Throttle(cache, clock, RULES) for _ in range(8)]
    await _fail(replicas[0], OWN.free, "asha", "here")
    clock.advance(seconds=2)
    waits = await asyncio.gather(*(_wait(replica) for replica in replicas))
    assert sorted(waits) == [0] + [2] * 7
