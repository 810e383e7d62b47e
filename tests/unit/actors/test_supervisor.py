"""Crash, back off, restart, give up; stop in order and in time."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from shop.core.kernel.errors import Unavailable
from shop.entrypoints.actors.supervisor import Limits, Stage, State, Supervisor

FAST = Limits(crashes=3, pause=0.001, outage=0.001)
LONG = dict.fromkeys(Stage, 60.0)
SHORT_OF_EDGE = LONG | {Stage.EDGE: 0.05}


def supervised(patience: Mapping[Stage, float] = LONG) -> Supervisor:
    return Supervisor(limits=FAST, patience=patience, chance=lambda: 0.5)


async def for_ever() -> None:
    await asyncio.Event().wait()


class Does:
    """An actor of one function."""

    def __init__(self, name: str, work: Callable[[], Awaitable[None]] = for_ever) -> None:
        self.name = name
        self._work = work

    async def run(self) -> None:
        await self._work()


class Flaky:
    name = "flaky"

    def __init__(self, crashes: int, error: Exception | None = None) -> None:
        self.left = crashes
        self._error = error or ConnectionError("broker away")

    async def run(self) -> None:
        if self.left:
            self.left -= 1
            raise self._error


class Listed:
    """Writes down when it drains and when it ends."""

    def __init__(self, name: str, log: list[str]) -> None:
        self.name = name
        self._log = log

    async def run(self) -> None:
        try:
            await for_ever()
        finally:
            self._log.append(f"{self.name} ended")

    async def drain(self) -> None:
        self._log.append(f"{self.name} drains")
        await asyncio.sleep(0.001)


async def test_a_crashing_actor_is_restarted() -> None:
    supervisor = supervised()
    supervisor.add(Stage.EDGE, Flaky(2))
    await supervisor.run()
    health = supervisor.health["flaky"]
    assert (health.state, health.restarts, health.error) == (State.DONE, 2, "ConnectionError")


async def test_an_actor_that_keeps_crashing_ends_them_all_with_its_error() -> None:
    log: list[str] = []
    supervisor = supervised()
    supervisor.add(Stage.EDGE, Listed("other", log))
    supervisor.add(Stage.BACKGROUND, Flaky(99))
    with pytest.raises(ConnectionError):
        await supervisor.run()
    assert log == ["other drains", "other ended"]
    assert supervisor.health["flaky"].state is State.FAILED


async def test_an_actor_without_storage_waits_for_it_as_long_as_it_takes() -> None:
    supervisor = supervised()
    supervisor.add(Stage.BACKGROUND, Flaky(20, Unavailable("The disk is full.")))
    await supervisor.run()
    health = supervisor.health["flaky"]
    assert (health.state, health.restarts) == (State.DONE, 20)


async def test_crashes_of_long_ago_are_forgiven() -> None:
    supervisor = Supervisor(limits=Limits(crashes=3, within=0.0, pause=0.0001), patience=LONG)
    supervisor.add(Stage.EDGE, Flaky(20))
    await supervisor.run()
    assert supervisor.health["flaky"].restarts == 20


async def test_an_actor_that_dies_of_a_strange_cancellation_is_restarted() -> None:
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            inner = asyncio.ensure_future(for_ever())
            inner.cancel()
            await inner

    supervisor = supervised()
    supervisor.add(Stage.EDGE, Does("victim", work))
    await supervisor.run()
    assert runs == 2


async def test_pauses_double_up_to_the_longest() -> None:
    limits = Limits(pause=1.0, longest=5.0)
    assert [limits.delay(crash, 1.0) for crash in range(4)] == [1.0, 2.0, 4.0, 5.0]
    assert limits.delay(0, 0.0) == 0.5


async def test_stages_end_one_after_the_other() -> None:
    log: list[str] = []
    supervisor = supervised()
    supervisor.add(Stage.LAST, Listed("ops", log))
    supervisor.add(Stage.DESKS, Listed("desk", log))
    supervisor.add(Stage.EDGE, Listed("http", log))
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    supervisor.stop()
    await running
    assert log == [
        *("http drains", "http ended"),
        *("desk drains", "desk ended"),
        *("ops drains", "ops ended"),
    ]
    assert {one.state for one in supervisor.health.values()} == {State.STOPPED}


async def test_an_actor_that_will_not_end_is_left_behind() -> None:
    freed = asyncio.Event()

    async def deaf() -> None:
        while not freed.is_set():
            try:
                await freed.wait()
            except asyncio.CancelledError:
                continue

    log: list[str] = []
    supervisor = supervised(SHORT_OF_EDGE)
    supervisor.add(Stage.EDGE, Does("deaf", deaf))
    supervisor.add(Stage.DESKS, Listed("desk", log))
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.001)
    supervisor.stop()
    await running
    assert log == ["desk drains", "desk ended"]
    assert supervisor.health["deaf"].state is State.RUNNING
    freed.set()


async def test_a_drain_that_takes_too_long_is_cut() -> None:
    class Slow(Does):
        async def drain(self) -> None:
            await for_ever()

    supervisor = supervised(SHORT_OF_EDGE)
    supervisor.add(Stage.EDGE, Slow("slow"))
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.001)
    supervisor.stop()
    await running
    assert supervisor.health["slow"].state is State.STOPPED


async def test_nothing_is_restarted_while_stopping() -> None:
    stop = asyncio.Event()

    class Breaks(Does):
        async def drain(self) -> None:
            stop.set()
            await for_ever()

    async def work() -> None:
        await stop.wait()
        raise ConnectionError("broker away")

    supervisor = supervised()
    supervisor.add(Stage.EDGE, Breaks("breaks", work))
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.001)
    supervisor.stop()
    await running
    assert supervisor.health["breaks"].state is State.FAILED
    assert supervisor.health["breaks"].restarts == 0


async def test_cancelling_the_supervisor_ends_the_actors_in_order_too() -> None:
    log: list[str] = []
    supervisor = supervised()
    supervisor.add(Stage.EDGE, Listed("http", log))
    supervisor.add(Stage.DESKS, Listed("desk", log))
    running = asyncio.create_task(supervisor.run())
    await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert log == ["http drains", "http ended", "desk drains", "desk ended"]


async def test_a_stop_before_the_start_starts_nothing() -> None:
    supervisor = supervised()
    supervisor.add(Stage.EDGE, Does("http"))
    supervisor.stop()
    await supervisor.run()
    assert supervisor.health["http"].state is State.WAITING


async def test_two_actors_of_one_name_are_refused() -> None:
    supervisor = supervised()
    supervisor.add(Stage.EDGE, Does("http"))
    with pytest.raises(ValueError, match="http"):
        supervisor.add(Stage.LAST, Does("http"))
