"""One message at a time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shop.core.kernel.errors import Conflict, Unavailable
from shop.entrypoints.actors.mailbox import Mailbox


class Doubler:
    def __init__(self) -> None:
        self.seen: list[int] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, number: int) -> int:
        await self.gate.wait()
        self.seen.append(number)
        if number < 0:
            raise Conflict("negative")
        return 2 * number


@asynccontextmanager
async def serving(mailbox: Mailbox[int, int], handle: Doubler) -> AsyncIterator[None]:
    task = asyncio.create_task(mailbox.serve(handle))
    await asyncio.sleep(0)
    yield
    task.cancel()
    await asyncio.wait({task})


async def test_told_messages_are_handled_in_order() -> None:
    mailbox, handle = Mailbox[int, int](), Doubler()
    async with serving(mailbox, handle):
        for number in range(3):
            await mailbox.tell(number)
        await mailbox.idle()
    assert handle.seen == [0, 1, 2]


async def test_an_asker_gets_the_answer_or_the_error() -> None:
    mailbox, handle = Mailbox[int, int](), Doubler()
    async with serving(mailbox, handle):
        assert await mailbox.ask(4) == 8
        with pytest.raises(Conflict):
            await mailbox.ask(-1)
        assert await mailbox.ask(5) == 10


async def test_who_tells_waits_while_the_mailbox_is_full() -> None:
    mailbox, handle = Mailbox[int, int](1), Doubler()
    await mailbox.tell(1)
    second = asyncio.create_task(mailbox.tell(2))
    await asyncio.sleep(0)
    assert not second.done()
    assert mailbox.depth == 1
    with pytest.raises(Unavailable):
        await mailbox.ask(3)
    async with serving(mailbox, handle):
        await second
        await mailbox.idle()
    assert handle.seen == [1, 2]


async def test_an_asker_does_not_wait_for_ever() -> None:
    mailbox, handle = Mailbox[int, int](), Doubler()
    handle.gate.clear()
    async with serving(mailbox, handle):
        with pytest.raises(Unavailable):
            await mailbox.ask(1, timeout=0.001)


async def test_nobody_waits_for_an_actor_that_stopped_and_told_messages_stay() -> None:
    mailbox, handle = Mailbox[int, int](), Doubler()
    handle.gate.clear()
    async with serving(mailbox, handle):
        asks = [asyncio.create_task(mailbox.ask(n)) for n in (1, 2)]
        await asyncio.sleep(0)
        await mailbox.tell(3)
        await asyncio.sleep(0)
    for ask in asks:
        with pytest.raises(Unavailable):
            await ask
    with pytest.raises(Unavailable):
        await mailbox.ask(4)
    handle.gate.set()
    async with serving(mailbox, handle):
        await mailbox.idle()
    assert handle.seen == [3]


async def test_the_error_of_a_told_message_crashes_the_actor() -> None:
    mailbox, handle = Mailbox[int, int](), Doubler()
    await mailbox.tell(-1)
    with pytest.raises(Conflict):
        await mailbox.serve(handle)
