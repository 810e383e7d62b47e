"""One transaction over every repository of the same request or message."""

from abc import abstractmethod
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeVar

from shop.core.kernel.acts import Act
from shop.core.kernel.events import Event

T = TypeVar("T")


class UnitOfWork(Protocol):
    @abstractmethod
    def begin(self) -> AbstractAsyncContextManager[None]:
        """Commit when the block ends, roll back when it raises. Blocks do not nest.

        Raises `StaleWrite` for a lost race and `Unavailable` for a database that is busy or down.
        """

    @abstractmethod
    def emit(self, fact: Event, *, correlation: str | None = None) -> None:
        """Publish the fact if, and only if, the block commits.

        A batch says whose call caused the fact; elsewhere the call being served is meant.
        """

    @abstractmethod
    def log(self, act: Act) -> None:
        """Write to the admin log if, and only if, the block commits.

        `Caller.did` and `by_operator` make the act.
        """


class Units(Protocol):
    @abstractmethod
    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one whole unit where the storage does it best (SQLite: in its writer thread).

        Nothing in `work` may wait for anything but the storage.
        """
