import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest

from shop.adapters.memory.cache import MemoryCache
from shop.core.kernel.errors import Unavailable
from shop.core.users.model import IdentityRules, TooManyFailures
from shop.core.users.throttle import ACCOUNT, ADDRESS, HOME, OWN, Throttle
from shop.ports.cache import SteadyCache
from tests.kit.clock import ManualClock

RULES = IdentityRules(site_url="http://shop")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def throttle(clock: ManualClock) -> Throttle:
    return Throttle(MemoryCache(clock), clock, RULES)


async def _wrong() -> bool:
    return False


async def _right() -> bool:
    return True


async def _busy() -> bool:
    raise Unavailable("Not now.")


async def _wait(
    throttle: Throttle, account: str = "asha", address: str = "here", browser: str = ""
) -> int:
    """How long the next attempt has to wait; asking is none."""
    try:
        await throttle.attempt(account, address, _busy, browser)
    except TooManyFailures as error:
        return error.retry_after
    except Unavailable:
        pass
    return 0


async def _fail(
    throttle: Throttle, times: int, account: str, address: str, browser: str = ""
) -> None:
    for _ in range(times):
        assert not await throttle.attempt(account, address, _wrong, browser)


async def _come_in(throttle: Throttle, account: str, address: str, browser: str = "") -> None:
    assert await throttle.attempt(account, address, _right, browser)


class _Slow:
    """A check that takes until it is told how it ends."""

    def __init__(self) -> None:
        self.begun = 0
        self._end = asyncio.get_running_loop().create_future()

    async def __call__(self) -> bool:
        self.begun += 1
        return await asyncio.shield(self._end)

    def end(self, *, right: bool = False) -> None:
        self._end.set_result(right)


async def _as_far_as_they_get() -> None:
    """A time would be too short where the machine stands still just then; these are steps."""
    for _ in range(50):
        await asyncio.sleep(0)


async def _burst(throttles: Sequence[Throttle], places: Sequence[tuple[str, str, str]]) -> int:
    """How many of wrong attempts that are made at once are looked at."""
    slow = _Slow()
    tasks = [
        asyncio.create_task(throttles[n % len(throttles)].attempt(account, address, slow, browser))
        for n, (account, address, browser) in enumerate(places)
    ]
    await _as_far_as_they_get()
    slow.end()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert told.count(False) == slow.begun
    assert all(one is False or isinstance(one, TooManyFailures) for one in told)
    return slow.begun


async def test_the_pause_doubles_up_to_five_minutes(throttle: Throttle, clock: ManualClock) -> None:
    waits = []
    for _ in range(14):
        await _fail(throttle, 1, "asha", "here")
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
        await _fail(throttle, 1, "asha", f"machine {number}")
    assert await _wait(throttle, "asha", "one more machine") == 2
    for number in range(20):
        clock.advance(seconds=30)
        await _fail(throttle, 1, "asha", f"machine {number}")
    assert await _wait(throttle, "asha", "one more machine") == 30
    assert await _wait(throttle, "ravi", "one more machine") == 0


async def test_the_owner_comes_in_where_she_was_before_whatever_strangers_do(
    throttle: Throttle,
) -> None:
    await _come_in(throttle, "asha", "home")
    for number in range(ACCOUNT.free):
        await _fail(throttle, 1, "asha", f"machine {number}")
    assert await _wait(throttle, "asha", "a café") > 0
    assert await _wait(throttle, "asha", "home") == 0
    assert await _wait(throttle, "asha", "a café", browser="her telephone") == 0


async def test_a_password_tried_on_everybody_slows_its_address_down(
    throttle: Throttle,
) -> None:
    await _come_in(throttle, "colleague", "office")
    for number in range(ADDRESS.free):
        await _fail(throttle, 1, f"account {number}", "office")
    assert await _wait(throttle, "asha", "office") == 2
    assert await _wait(throttle, "asha", "home") == 0
    assert await _wait(throttle, "colleague", "office") == 0
    assert await _wait(throttle, "asha", "office", browser="her laptop") == 0


async def test_what_a_known_browser_does_wrong_counts_for_it_alone(throttle: Throttle) -> None:
    for _ in range(OWN.free):
        await _fail(throttle, 1, "asha", "home", "stolen laptop")
    assert await _wait(throttle, "asha", "home", "stolen laptop") > 0
    assert await _wait(throttle, "asha", "home") == 0


async def test_after_a_pause_one_may_try_and_the_others_wait_for_the_outcome(
    replicas: list[Throttle], clock: ManualClock
) -> None:
    here, there = replicas[:2]
    await _fail(here, OWN.free, "asha", "here")
    clock.advance(seconds=2)
    slow = _Slow()
    trying = asyncio.create_task(here.attempt("asha", "here", slow))
    await _as_far_as_they_get()
    waiting = asyncio.create_task(here.attempt("asha", "here", _right))
    await _as_far_as_they_get()
    assert slow.begun == 1
    assert not waiting.done()
    assert await _wait(there) == 4
    slow.end(right=True)
    assert await trying
    assert await waiting
    assert await _wait(there) == 0


async def test_many_right_ones_at_once_are_no_guesses(throttle: Throttle) -> None:
    async def right() -> bool:
        await asyncio.sleep(0)
        return True

    await _fail(throttle, OWN.free - 1, "asha", "here")
    tries = (throttle.attempt("asha", "here", right) for _ in range(4 * OWN.free))
    assert all(await asyncio.gather(*tries))


async def test_of_very_many_at_once_the_last_are_sent_away(throttle: Throttle) -> None:
    slow = _Slow()
    tries = [asyncio.create_task(throttle.attempt("asha", "here", slow)) for _ in range(80)]
    await _as_far_as_they_get()
    assert 0 < sum(one.done() for one in tries) < 40
    assert await throttle.attempt("ravi", "here", _right)
    slow.end(right=True)
    told = await asyncio.gather(*tries, return_exceptions=True)
    assert all(one is True or isinstance(one, Unavailable) for one in told)


async def test_success_forgives(throttle: Throttle) -> None:
    await _fail(throttle, OWN.free - 1, "asha", "here")
    await _come_in(throttle, "asha", "here")
    await _fail(throttle, 1, "asha", "here")
    assert await _wait(throttle) == 0


async def test_time_forgives(throttle: Throttle, clock: ManualClock) -> None:
    await _fail(throttle, OWN.free, "asha", "here")
    clock.advance(timedelta(minutes=16).total_seconds())
    await _fail(throttle, 1, "asha", "here")
    assert await _wait(throttle) == 0


async def test_only_failures_keep_others_remembered(throttle: Throttle, clock: ManualClock) -> None:
    """At an address that many share, somebody comes in at every moment, or has to wait."""
    for number in range(ADDRESS.free - 1):
        await _fail(throttle, 1, f"account {number}", "office")
    for number in range(8):
        clock.advance(timedelta(minutes=2).total_seconds())
        await _come_in(throttle, f"colleague {number}", "office")
        assert await _wait(throttle, f"newcomer {number}", "office") == 0
    await _fail(throttle, 1, "asha", "office")
    assert await _wait(throttle, "ravi", "office") == 0


async def test_a_thiefs_own_account_does_not_wash_off_what_he_did_to_others(
    throttle: Throttle,
) -> None:
    for number in range(ADDRESS.free):
        await _fail(throttle, 1, f"account {number}", "his address")
        if number < ADDRESS.free - 1:
            await _come_in(throttle, "his own account", "his address", f"his browser {number}")
            await _come_in(throttle, f"his own account {number}", "his address")
    assert await _wait(throttle, "asha", "his address") > 0


async def test_a_pause_says_how_long_it_is(throttle: Throttle, clock: ManualClock) -> None:
    await _fail(throttle, OWN.free, "asha", "here")
    clock.advance(seconds=0.5)
    with pytest.raises(TooManyFailures) as caught:
        await throttle.attempt("asha", "here", _right)
    assert caught.value.facts == {"retry_after": 2}
    assert caught.value.detail == "Too many attempts. Please try again in 2 s."
    assert TooManyFailures(timedelta(seconds=61)).detail.endswith("in 2 minutes.")


async def test_what_has_no_address_counts_by_account_alone(throttle: Throttle) -> None:
    for number in range(ADDRESS.free):
        await _fail(throttle, 1, f"answer {number}", "")
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

    async def discount(self, key: str) -> None:
        await asyncio.sleep(0)
        await self._kept.discount(key)

    async def announce(
        self, keys: Sequence[str], value: bytes, ttl: timedelta, *, stale: timedelta
    ) -> None:
        await self._kept.announce(keys, value, ttl, stale=stale)

    async def drop(self, *keys: str) -> None:
        await self._kept.drop(*keys)


@pytest.fixture
def replicas(clock: ManualClock) -> list[Throttle]:
    cache = Shared(clock)
    return [Throttle(cache, clock, RULES) for _ in range(8)]


async def test_of_a_burst_no_more_are_looked_at_than_one_after_the_other(
    replicas: list[Throttle],
) -> None:
    assert await _burst(replicas, [("asha", "here", "")] * 200) == OWN.free
    assert await _burst(replicas, [("asha", "here", "")] * 200) == 0


async def test_nor_of_one_that_many_machines_make_together(replicas: list[Throttle]) -> None:
    machines = [("asha", f"machine {n}", "") for n in range(3 * ACCOUNT.free)]
    assert await _burst(replicas, machines) == ACCOUNT.free


async def test_nor_of_one_that_one_machine_makes_at_everybody(replicas: list[Throttle]) -> None:
    everybody = [(f"account {n}", "his address", "") for n in range(2 * ADDRESS.free)]
    assert await _burst(replicas, everybody) == ADDRESS.free


async def test_a_thief_with_many_old_marks_has_few_guesses(replicas: list[Throttle]) -> None:
    marks = [("asha", "his address", f"mark {n}") for n in range(3 * HOME.free)]
    assert await _burst(replicas, marks) == HOME.free
    assert await _wait(replicas[0], "asha", "his address", browser="one more mark") > 0
    assert await _wait(replicas[0], "asha", "a café") == 0
    assert await _wait(replicas[0], "ravi", "his address", browser="his mark") == 0


async def test_between_pauses_one_attempt_is_made_at_all_replicas_together(
    replicas: list[Throttle], clock: ManualClock
) -> None:
    await _fail(replicas[0], OWN.free, "asha", "here")
    clock.advance(seconds=2)
    assert await _burst(replicas, [("asha", "here", "")] * 8) == 1


async def test_who_is_refused_makes_no_pause_longer(
    replicas: list[Throttle], clock: ManualClock
) -> None:
    await _fail(replicas[0], OWN.free, "asha", "here")
    for _ in range(20):
        with pytest.raises(TooManyFailures):
            await replicas[0].attempt("asha", "here", _wrong)
    clock.advance(seconds=2)
    await _fail(replicas[0], 1, "asha", "here")
    assert await _wait(replicas[0]) == 4


async def test_what_nobody_had_the_time_to_look_at_is_no_failure(
    throttle: Throttle, clock: ManualClock
) -> None:
    for _ in range(3 * OWN.free):
        with pytest.raises(Unavailable):
            await throttle.attempt("asha", "here", _busy)
    await _fail(throttle, OWN.free, "asha", "here")
    clock.advance(seconds=2)
    with pytest.raises(Unavailable):
        await throttle.attempt("asha", "here", _busy)
    await _come_in(throttle, "asha", "here")


async def test_what_ended_with_its_process_is_forgotten_after_a_moment(
    throttle: Throttle, clock: ManualClock
) -> None:
    async def killed() -> bool:
        raise asyncio.CancelledError

    for _ in range(OWN.free):
        with pytest.raises(asyncio.CancelledError):
            await throttle.attempt("asha", "here", killed)
    assert await _wait(throttle) == 2
    clock.advance(timedelta(minutes=1).total_seconds())
    await _fail(throttle, OWN.free - 1, "asha", "here")
    assert await _wait(throttle) == 0


async def test_everybody_behind_one_address_may_come_in_at_once(throttle: Throttle) -> None:
    for _ in range(3):
        for number in range(ADDRESS.free - 1):
            await _come_in(throttle, f"colleague {number}", "office")
    slow = _Slow()
    people = [
        asyncio.create_task(throttle.attempt(f"pupil {n}", "school", slow))
        for n in range(ADDRESS.free)
    ]
    await _as_far_as_they_get()
    slow.end(right=True)
    assert all(await asyncio.gather(*people))
    assert await _wait(throttle, "one more pupil", "school") == 0


async def test_an_ipv6_network_is_one_place(throttle: Throttle) -> None:
    for number in range(OWN.free):
        await _fail(throttle, 1, "asha", f"2001:db8:1:2::{number}")
    assert await _wait(throttle, "asha", "2001:db8:1:2:ffff::") > 0
    assert await _wait(throttle, "asha", "2001:db8:1:3::") == 0
    await _fail(throttle, OWN.free, "ravi", "::ffff:192.0.2.7")
    assert await _wait(throttle, "ravi", "192.0.2.7") > 0
