"""Asking many at once, and not too many."""

from asyncio import Semaphore, create_task, gather
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
Answer = TypeVar("Answer")

#: Half of what the payment gateway is asked at a time, so that nobody who waits for a page has to
#: wait for a batch as well.
AT_ONCE = 4


async def ask_each(ask: Callable[[T], Awaitable[Answer]], things: Iterable[T]) -> list[Answer]:
    """The answers in the order of the things; at most `AT_ONCE` are being waited for.

    There is one unit of work, which no two may use at a time: `ask` leaves it alone, or sees to
    that. An error ends no other asking: the first one is raised once all have ended.
    """
    places = Semaphore(AT_ONCE)

    async def in_turn(thing: T) -> Answer:
        async with places:
            return await ask(thing)

    tasks = [create_task(in_turn(thing)) for thing in things]
    await gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]
