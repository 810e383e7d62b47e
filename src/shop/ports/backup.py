"""The whole database as a stream of bytes, out and back in."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from typing import Protocol

from msgspec import Struct


class Dumped(Struct, frozen=True):
    """What kind of database a dump is of, and at which revision of the schema.

    `position` is where the server's binary log goes on behind it, if the server tells.
    """

    kind: str
    revision: str
    position: str = ""


class DatabaseBackup(Protocol):
    @abstractmethod
    async def dump(self, write: Callable[[bytes], None]) -> Dumped:
        """Give all rows as of one moment to `write`, while others go on. Raises `Conflict`."""

    @abstractmethod
    async def fits(self, dumped: Dumped) -> None:
        """Raises `Conflict` unless such a dump can go in here and nothing else is there."""

    @abstractmethod
    async def restore(self, blocks: Iterable[bytes]) -> None:
        """Fill the empty database from what `dump` wrote."""
