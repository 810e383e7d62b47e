"""Again and again, at once while there is something to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shop.core.kernel.errors import StaleWrite
from shop.entrypoints.actors.scheduler import Every


class Work:
    def __init__(self, *results: int) -> None:
        self.runs = 0
        self._results = list(results)

    async def __call__(self) -> int:
        self.runs += 1
        return self._results.pop(0) if self._results else 0


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@asynccontextmanager
async def running(actor: Every) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(actor.run())
    await settled()
    yield task
    task.cancel()
    await asyncio.wait({task})


async def test_work_is_repeated_while_there_is_some() -> None:
    work = Work(500, 500, 3)
    async with running(Every("relay", 3600, work)):
        assert work.runs == 4


async def test_what_is_less_than_a_full_round_is_not_repeated() -> None:
    work = Work(8, 8, 7)
    async with running(Every("mailer", 3600, work, full=8)):
        assert work.runs == 3


async def test_a_lost_race_ends_the_round_and_not_the_actor() -> None:
    class Late(Work):
        async def __call__(self) -> int:
            await super().__call__()
            raise StaleWrite("Somebody else was faster.")

    work = Late()
    actor = Every("expiry", 3600, work)
    async with running(actor) as task:
        actor.wake()
        await settled()
        assert (work.runs, task.done()) == (2, False)


async def test_a_nudge_cuts_the_pause() -> None:
    work = Work()
    actor = Every("relay", 3600, work)
    async with running(actor):
        assert work.runs == 1
        actor.wake()
        await settled()
        assert work.runs == 2


async def test_a_nudge_during_the_work_means_once_more() -> None:
    runs, gate = 0, asyncio.Event()

    async def work() -> None:
        nonlocal runs
        runs += 1
        await gate.wait()

    actor = Every("relay", 3600, work)
    async with running(actor):
        actor.wake()
        gate.set()
        await settled()
        assert runs == 2


async def test_the_pause_ends_by_itself() -> None:
    work = Work()
    again = asyncio.Event()

    async def twice() -> int:
        await work()
        if work.runs == 2:
            again.set()
        return 0

    async with running(Every("reaper", 0.001, twice)):
        await again.wait()


async def test_an_error_of_the_work_crashes_the_actor() -> None:
    async def work() -> None:
        raise ConnectionError("broker away")

    with pytest.raises(ConnectionError):
        await Every("relay", 1, work).run()


async def test_draining_lets_the_work_at_hand_end() -> None:
    ended, gate = False, asyncio.Event()

    async def work() -> int:
        nonlocal ended
        await gate.wait()
        ended = True
        return 1

    actor = Every("relay", 3600, work)
    async with running(actor) as task:
        drain = asyncio.create_task(actor.drain())
        await settled()
        assert not drain.done()
        gate.set()
        await drain
        await task
    assert ended


async def test_draining_a_resting_actor_ends_it_at_once() -> None:
    actor = Every("relay", 3600, Work())
    async with running(actor) as task:
        await actor.drain()
        await task
