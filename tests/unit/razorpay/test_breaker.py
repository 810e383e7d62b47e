"""When a gateway is spared, and when it is tried again."""

from datetime import timedelta

from shop.adapters.razorpay.breaker import Breaker
from tests.kit.clock import ManualClock

CLOSED, HALF_OPEN, OPEN = 0.0, 0.5, 1.0


def a_breaker(clock: ManualClock, chance: float = 1.0) -> Breaker:
    return Breaker(
        clock,
        failures=3,
        pause=timedelta(seconds=2),
        longest=timedelta(seconds=10),
        chance=lambda: chance,
    )


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        assert breaker.admits()
        breaker.failed()


def test_it_opens_after_some_failures_in_a_row() -> None:
    breaker = a_breaker(ManualClock())
    for _ in range(3):
        fail(breaker, 2)
        assert breaker.admits()
        breaker.answered()
    assert breaker.spared() == CLOSED
    fail(breaker, 3)
    assert breaker.spared() == OPEN
    assert not breaker.admits()


def test_after_the_pause_one_call_tries_and_an_answer_closes_it() -> None:
    clock = ManualClock()
    breaker = a_breaker(clock)
    fail(breaker, 3)
    clock.advance(2)
    assert breaker.spared() == HALF_OPEN
    assert breaker.admits()
    assert not breaker.admits()
    breaker.answered()
    assert breaker.spared() == CLOSED
    fail(breaker, 2)
    assert breaker.spared() == CLOSED


def test_the_pause_doubles_up_to_the_longest_while_tries_fail() -> None:
    clock = ManualClock()
    breaker = a_breaker(clock)
    fail(breaker, 3)
    for pause in (2, 4, 8, 10, 10):
        clock.advance(pause - 0.1)
        assert breaker.spared() == OPEN
        clock.advance(0.1)
        fail(breaker)


def test_chance_cuts_the_pause_by_up_to_half() -> None:
    clock = ManualClock()
    breaker = a_breaker(clock, chance=0.0)
    fail(breaker, 3)
    clock.advance(1)
    assert breaker.spared() == HALF_OPEN


def test_a_try_that_ends_without_a_word_lets_another_try() -> None:
    clock = ManualClock()
    breaker = a_breaker(clock)
    fail(breaker, 3)
    clock.advance(2)
    assert breaker.admits()
    breaker.given_up()
    assert breaker.spared() == HALF_OPEN
    assert breaker.admits()


def test_calls_that_fail_late_while_it_is_open_change_nothing() -> None:
    clock = ManualClock()
    breaker = a_breaker(clock)
    assert breaker.admits()
    fail(breaker, 3)
    breaker.failed()
    clock.advance(2)
    assert breaker.spared() == HALF_OPEN
