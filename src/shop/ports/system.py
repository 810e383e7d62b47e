"""Time, chance and single work."""

from abc import abstractmethod
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID


class Clock(Protocol):
    @abstractmethod
    def now(self) -> datetime:
        """The current time, always in UTC."""


class Ids(Protocol):
    @abstractmethod
    def new(self) -> UUID:
        """A UUIDv7: unique, and sorted by creation time."""

    @abstractmethod
    def secret(self, size: int = 32) -> bytes:
        """Random bytes nobody can guess; ids are no secrets."""


class Lease(Protocol):
    @abstractmethod
    async def hold(self, name: str, holder: str, span: timedelta) -> bool:
        """Take or renew the lease; False while somebody else holds it."""

    @abstractmethod
    async def release(self, name: str, holder: str) -> None:
        """Let go of a lease that is held, so that the next need not wait for its end."""


class Secrets(Protocol):
    """Keys of the shop itself, made at first use and shared by all processes of one database."""

    @abstractmethod
    async def get(self, name: str, size: int = 32) -> bytes:
        """The secret of that name; random bytes, made by the first who asks."""


class Schema(Protocol):
    """The form the database must have for this version."""

    @abstractmethod
    async def migrate(self) -> bool:
        """Bring it there; True if anything was to be done. Raises `Conflict` for a newer one."""

    @abstractmethod
    async def problem(self) -> str | None:
        """What is wrong with it, in one line; None when it fits."""
