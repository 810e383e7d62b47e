"""Committed events on their way to the bus, and those that have arrived."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec
from msgspec import Struct

from shop.core.kernel.acts import Act, Entry
from shop.core.kernel.events import Event
from shop.core.kernel.ids import EventId


class _Timed(Struct):
    time: datetime


_when = msgspec.json.Decoder(_Timed).decode


class Envelope(Struct, frozen=True):
    """An event on the wire: `body` is a CloudEvents 1.0 JSON document, `key` its aggregate's id."""

    id: EventId
    topic: str
    key: UUID
    kind: str
    body: bytes

    @property
    def at(self) -> datetime:
        """When it happened."""
        return _when(self.body).time


class Sealer(Protocol):
    """Puts a fact into its envelope."""

    @abstractmethod
    def seal(self, fact: Event, caused_by: str) -> Envelope: ...

    @abstractmethod
    def enter(self, act: Act) -> Entry:
        """Make an act a line of the admin log, with the request being served."""


class Outbox(Protocol):
    """Read by one relay at a time, which sees to that with a `Lease`."""

    @abstractmethod
    async def oldest(self, limit: int) -> list[Envelope]:
        """The events that wait longest, in the order they were committed for each key."""

    @abstractmethod
    async def done(self, sent: Sequence[Envelope]) -> None:
        """Forget events the bus has accepted."""

    @abstractmethod
    async def waiting(self) -> int:
        """How many events wait."""


class Inbox(Protocol):
    """Which events a consumer has dealt with. Call only inside an open unit of work."""

    @abstractmethod
    async def take(self, consumer: str, events: Iterable[EventId]) -> set[EventId]:
        """Mark the events as dealt with; returns those that were not already.

        Raises `StaleWrite` when somebody else takes one of them just now.
        """
