"""Who keeps the loop busy leaves room for others."""

import asyncio

import pytest

from shop.entrypoints.http.turns import Turns


class Work:
    """Requests that take so long of the loop's time, by its clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, each: float) -> None:
        self.turns = Turns()
        self.begun: list[int] = []
        self.each = each
        self._now = 0.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self._now)

    async def one(self, number: int) -> None:
        await self.turns.take()
        self.begun.append(number)
        self._now += self.each

    def crowd(self, *numbers: int) -> list[asyncio.Task[None]]:
        return [asyncio.create_task(self.one(number)) for number in numbers]

    async def steps(self, most: int) -> list[int]:
        """How many began in each of the loop's next turns, until that many have."""
        steps, seen = [], len(self.begun)
        while len(self.begun) < most:
            await asyncio.sleep(0)
            steps.append(len(self.begun) - seen)
            seen = len(self.begun)
        return steps


async def test_of_a_crowd_that_takes_long_a_few_begin_at_a_time_in_their_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = Work(monkeypatch, 0.002)
    crowd = work.crowd(*range(200))
    steps = await work.steps(200)
    assert max(steps) <= 8
    assert max(steps[2:]) <= 5  # ten milliseconds each
    assert work.begun == list(range(200))
    await asyncio.gather(*crowd)


async def test_who_is_quickly_done_need_not_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch, 0.00002)
    for _ in range(20):
        await asyncio.gather(*work.crowd(*range(8)))
    await asyncio.sleep(0)
    crowd = work.crowd(*range(200))
    assert max(await work.steps(20 * 8 + 200)) == 64
    await asyncio.gather(*crowd)


async def test_after_many_that_were_quick_those_that_are_not_are_noticed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    work = Work(monkeypatch, 0.00002)
    for _ in range(20):
        await asyncio.gather(*work.crowd(*range(8)))
    await asyncio.sleep(0)
    work.each = 0.002
    crowd = work.crowd(*range(200))
    steps = await work.steps(20 * 8 + 200)
    assert sum(step > 5 for step in steps) <= 2
    await asyncio.gather(*crowd)


async def test_a_late_comer_does_not_overtake_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch, 0.01)
    crowd = work.crowd(*range(30))
    await asyncio.sleep(0)
    crowd += work.crowd(99)
    await asyncio.gather(*crowd)
    assert work.begun == [*range(30), 99]


async def test_who_gives_up_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(monkeypatch, 0.01)
    crowd = work.crowd(*range(40))
    await asyncio.sleep(0)
    for given_up in crowd[8:39]:
        given_up.cancel()
    await asyncio.gather(*crowd, return_exceptions=True)
    assert work.begun == [*range(8), 39]
