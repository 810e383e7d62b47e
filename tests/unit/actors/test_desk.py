"""Together where many wait, each with an answer of its own."""

import asyncio
import gc
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import pytest

from shop.core.kernel.errors import Conflict, NotFound, ShopError, StaleWrite, Unavailable
from shop.entrypoints.actors.desk import Desk, Many

T = TypeVar("T")


class Gauge:
    def __init__(self) -> None:
        self.batches: list[int] = []
        self.codes: list[str] = []

    def refused(self, code: str) -> None:
        self.codes.append(code)

    def served(self, size: int, waited: float, took: float) -> None:
        assert waited >= 0
        assert took >= 0
        self.batches.append(size)


@asynccontextmanager
async def running(many: Many[int, int], **options: Any) -> AsyncIterator[Desk[int, int]]:
    desk = Desk("test", many, chance=lambda: 0.0, **options)
    task = asyncio.create_task(desk.run())
    await asyncio.sleep(0)
    yield desk
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def echo(commands: Sequence[int]) -> list[int | ShopError]:
    await asyncio.sleep(0)
    return list(commands)


async def test_all_who_wait_share_a_batch() -> None:
    gauge = Gauge()
    async with running(echo, gauge=gauge) as desk:
        answers = await asyncio.gather(*(desk.ask(n) for n in range(100)))
    assert answers == list(range(100))
    assert gauge.batches == [100]


async def test_what_is_decided_against_is_told_by_its_error() -> None:
    async def never_odd(commands: Sequence[int]) -> list[int | ShopError]:
        return [NotFound("Odd.") if one % 2 else one for one in commands]

    gauge = Gauge()
    async with running(never_odd, gauge=gauge) as desk:
        await asyncio.gather(*(desk.ask(n) for n in range(4)), return_exceptions=True)
    assert gauge.codes == [NotFound.code] * 2


async def test_a_batch_has_a_bound() -> None:
    gauge = Gauge()
    async with running(echo, gauge=gauge, batch=40) as desk:
        await asyncio.gather(*(desk.ask(n) for n in range(100)))
    assert gauge.batches == [40, 40, 20]


async def test_a_refusal_fails_nobody_else() -> None:
    async def many(commands: Sequence[int]) -> list[int | ShopError]:
        return [Conflict("odd") if c % 2 else c for c in commands]

    async with running(many) as desk:
        answers = await asyncio.gather(*(desk.ask(n) for n in range(10)), return_exceptions=True)
    assert [a for a in answers if isinstance(a, int)] == [0, 2, 4, 6, 8]
    assert sum(isinstance(a, Conflict) for a in answers) == 5


async def test_a_command_that_spoils_its_batch_stands_alone() -> None:
    done: list[int] = []

    async def many(commands: Sequence[int]) -> list[int | ShopError]:
        if 7 in commands:
            raise ZeroDivisionError
        done.extend(commands)
        return list(commands)

    async with running(many) as desk:
        answers = await asyncio.gather(*(desk.ask(n) for n in range(10)), return_exceptions=True)
    assert [n for n, a in enumerate(answers) if isinstance(a, ZeroDivisionError)] == [7]
    assert sorted(done) == [0, 1, 2, 3, 4, 5, 6, 8, 9]


async def test_a_lost_race_is_run_again_whole() -> None:
    runs: list[int] = []

    async def many(commands: Sequence[int]) -> list[int | ShopError]:
        runs.append(len(commands))
        if len(runs) < 5:
            raise StaleWrite("lost")
        return list(commands)

    async with running(many) as desk:
        assert await asyncio.gather(*(desk.ask(n) for n in range(10))) == list(range(10))
    assert runs == [10] * 5


async def test_a_race_that_is_always_lost_is_given_up() -> None:
    runs = 0

    async def many(_: Sequence[int]) -> list[int | ShopError]:
        nonlocal runs
        runs += 1
        raise StaleWrite("lost")

    async with running(many) as desk:
        with pytest.raises(StaleWrite):
            await desk.ask(1)
    assert runs == 5


async def test_what_is_down_is_asked_once_a_batch() -> None:
    runs = 0

    async def many(_: Sequence[int]) -> list[int | ShopError]:
        nonlocal runs
        runs += 1
        raise Unavailable("down")

    async with running(many) as desk:
        answers = await asyncio.gather(*(desk.ask(n) for n in range(100)), return_exceptions=True)
    assert all(isinstance(a, Unavailable) for a in answers)
    assert runs == 1


async def test_answers_that_fit_no_command_are_nobodys_and_nothing_is_repeated() -> None:
    runs = 0

    async def many(commands: Sequence[int]) -> list[int | ShopError]:
        nonlocal runs
        runs += 1
        return list(commands[1:])

    async with running(many) as desk:
        answers = await asyncio.gather(*(desk.ask(n) for n in range(4)), return_exceptions=True)
    assert all(isinstance(a, RuntimeError) for a in answers)
    assert runs == 1


async def test_a_full_desk_refuses_at_once() -> None:
    desk = Desk("test", echo, capacity=2)
    asks = [asyncio.create_task(desk.ask(n)) for n in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await desk.ask(3)
    assert desk.depth == 2
    for ask in asks:
        ask.cancel()


async def test_a_caller_whose_time_is_up_is_told_and_the_others_wait_on() -> None:
    go = asyncio.Event()

    async def many(commands: Sequence[int]) -> list[int | ShopError]:
        await go.wait()
        return list(commands)

    async with running(many) as desk:
        patient = asyncio.create_task(desk.ask(1, timeout=60))
        await asyncio.sleep(0)
        hurried = [asyncio.create_task(desk.ask(n, timeout=t)) for n, t in ((2, 0.02), (3, 0.001))]
        for ask in hurried:
            with pytest.raises(Unavailable):
                await ask
        go.set()
        assert await patient == 1


async def test_a_caller_who_gave_up_in_the_queue_is_not_served() -> None:
    served: list[int] = []

    async def many(commands: Sequence[int]) -> list[int | ShopError]:
        served.extend(commands)
        return list(commands)

    async with running(many) as desk:
        asks = [asyncio.create_task(desk.ask(n)) for n in range(3)]
        await asyncio.sleep(0)
        asks[1].cancel()
        await asyncio.wait(asks)
    assert served == [0, 2]


async def test_a_cancelled_desk_finishes_its_batch_and_refuses_the_queue() -> None:
    go, began = asyncio.Event(), asyncio.Event()

    async def many(commands: Sequence[int]) -> list[int | ShopError]:
        began.set()
        await go.wait()
        return list(commands)

    desk = Desk("test", many, batch=1)
    task = asyncio.create_task(desk.run())
    first = asyncio.create_task(desk.ask(1))
    await began.wait()
    second = asyncio.create_task(desk.ask(2))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0)
    go.set()
    async with asyncio.timeout(5):
        assert await first == 1
        with pytest.raises(Unavailable):
            await second
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_second_hand_serves_while_the_first_is_busy() -> None:
    gates = [asyncio.Event() for _ in range(3)]
    begun: list[Sequence[int]] = []

    async def many(commands: Sequence[int]) -> list[int | ShopError]:
        begun.append(commands)
        await gates[len(begun) - 1].wait()
        return list(commands)

    async with running(many, hands=2) as desk:
        calls = []
        for n in range(4):  # the third and the fourth wait together for a free hand
            calls.append(asyncio.create_task(desk.ask(n)))
            await asyncio.sleep(0.001)
        assert begun == [[0], [1]]
        gates[1].set()
        assert await calls[1] == 1
        await asyncio.sleep(0.001)
        assert begun == [[0], [1], [2, 3]]
        assert not calls[0].done()
        for gate in gates:
            gate.set()
        assert await asyncio.gather(*calls) == [0, 1, 2, 3]


async def test_a_cancelled_desk_finishes_what_both_hands_have_begun() -> None:
    gate = asyncio.Event()

    async def many(commands: Sequence[int]) -> list[int | ShopError]:
        await gate.wait()
        return list(commands)

    desk = Desk("test", many, hands=2)
    task = asyncio.create_task(desk.run())
    calls = []
    for n in range(3):
        await asyncio.sleep(0.001)
        calls.append(asyncio.create_task(desk.ask(n)))
    await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.sleep(0.001)
    assert not task.done()
    gate.set()
    with suppress(asyncio.CancelledError):
        await task
    first, second, third = await asyncio.gather(*calls, return_exceptions=True)
    assert (first, second) == (0, 1)
    assert isinstance(third, Unavailable)


async def test_a_drained_desk_serves_all_and_refuses_the_late() -> None:
    desk = Desk("test", echo, batch=2)
    task = asyncio.create_task(desk.run())
    asks = [asyncio.create_task(desk.ask(n)) for n in range(5)]
    await asyncio.sleep(0)
    drain = asyncio.create_task(desk.drain())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await desk.ask(9)
    await drain
    await task
    assert await asyncio.gather(*asks) == list(range(5))


async def test_a_desk_that_was_told_to_end_before_its_first_step_ends() -> None:
    desk = Desk("test", echo)
    running = asyncio.create_task(desk.run())
    async with asyncio.timeout(1):
        await desk.drain()
        await running


async def test_an_idle_desk_drains_at_once() -> None:
    desk = Desk("test", echo)
    task = asyncio.create_task(desk.run())
    await asyncio.sleep(0)
    await desk.drain()
    await task


async def test_a_desk_works_again_after_a_restart() -> None:
    desk = Desk("test", echo)
    for _ in range(2):
        task = asyncio.create_task(desk.run())
        await asyncio.sleep(0)
        assert await desk.ask(1) == 1
        task.cancel()
        await asyncio.wait({task})


async def test_a_refusal_leaves_no_cycle_behind() -> None:
    async def many(commands: Sequence[int]) -> list[int | ShopError]:
        return [Conflict("no") for _ in commands]

    async def refused(desk: Desk[int, int]) -> None:
        with suppress(Conflict):
            await desk.ask(1)

    async with running(many) as desk:
        await refused(desk)
        gc.collect()
        gc.disable()
        try:
            for _ in range(50):
                await refused(desk)
            assert gc.collect() == 0
        finally:
            gc.enable()
