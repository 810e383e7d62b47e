"""What every SQL database offers to the unit of work and to queries."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from shop.adapters.sql.conn import Conn

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
    async def close(self) -> None: ...


Work = Callable[[Conn], Awaitable[T]]
