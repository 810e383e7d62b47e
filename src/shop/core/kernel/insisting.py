"""What lost a race is done again."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from shop.core.kernel.errors import StaleWrite

T = TypeVar("T")

_TRIES = 3


async def insist(unit: Callable[[], Awaitable[T]]) -> T:
    """Run a whole unit of work, a few times where somebody else was faster: it looks anew.

    Without a pause: whoever was faster holds what the next try waits for. Raises `StaleWrite`.
    """
    for _ in range(_TRIES - 1):
        with suppress(StaleWrite):
            return await unit()
    return await unit()
