"""What every SQL database offers to the unit of work and to queries."""

import asyncio
import random
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from shop.adapters.sql.conn import Conn
from shop.core.kernel.errors import StaleWrite

T = TypeVar("T")


class Database(Protocol):
    @abstractmethod
    def unit(self) -> AbstractAsyncContextManager[Conn]:
        """A transaction that writes: COMMIT at the end, ROLLBACK when the block raises."""

    @abstractmethod
    async def read(self, work: Callable[[Conn], Coroutine[Any, Any, T]]) -> T:
        """Run a query on a short read-only transaction. `work` waits for nothing but `Conn`."""

    @abstractmethod
    async def run(self, work: Coroutine[Any, Any, T], *, lazy: bool = False) -> T:
        """Run a coroutine that opens one unit, where that is cheapest.

        A `lazy` unit is atomic and seen by all at once, yet a loss of power may undo it together
        with all that came after: for what is found and done again, such as events on their way.
        """

    @abstractmethod
    def on_commit(self, tell: Callable[[], None]) -> None:
        """Call `tell` after each unit (from any thread), so that the relay need not poll."""

    @abstractmethod
    def busy(self) -> dict[str, float]:
        """Connections at work now, by what they are for."""

    @abstractmethod
    async def close(self) -> None: ...


Work = Callable[[Conn], Awaitable[T]]

_TRIES = 5


async def insistently(
    database: Database, work: Callable[[], Coroutine[Any, Any, T]], *, lazy: bool = False
) -> T:
    """Run a unit of the adapter's own, again after a deadlock or a lost race."""
    for attempt in range(1, _TRIES):
        try:
            return await database.run(work(), lazy=lazy)
        except StaleWrite:
            await asyncio.sleep(0.01 * attempt * random.uniform(0.1, 1.0))  # noqa: S311 - jitter
    return await database.run(work(), lazy=lazy)
