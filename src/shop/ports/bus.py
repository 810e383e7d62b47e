"""The event bus."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from shop.core.kernel.ids import EventId
from shop.ports.outbox import Envelope


class EventBus(Protocol):
    @abstractmethod
    async def publish(self, batch: Sequence[Envelope]) -> None:
        """Return once the bus has accepted all of them, those of one key in order.

        An event published twice (a relay died in between) arrives once or twice: consumers
        use their `Inbox`.
        """


class Subscriptions(Protocol):
    """What each consumer has still to see: at least once, in the order of each key."""

    @abstractmethod
    async def fetch(self, consumer: str, limit: int) -> list[Envelope]:
        """The next events after the last one acknowledged."""

    @abstractmethod
    async def ack(self, consumer: str, last: Envelope) -> None:
        """Everything up to and including `last` is dealt with."""

    @abstractmethod
    async def lag(self, consumer: str) -> int:
        """How many events the consumer has not acknowledged."""

    @abstractmethod
    async def forget(self, before: datetime) -> int:
        """Drop events older than that which every consumer has seen; a bounded number at a time."""


class DeadLetter(Struct, frozen=True, kw_only=True):
    consumer: str
    event: Envelope
    reason: str
    attempts: int
    at: datetime


class DeadLetters(Protocol):
    """Events a consumer gave up on; kept until somebody replays or drops them."""

    @abstractmethod
    async def add(self, letter: DeadLetter) -> None: ...

    @abstractmethod
    async def all(self, limit: int = 100) -> list[DeadLetter]:
        """Oldest first."""

    @abstractmethod
    async def remove(self, consumer: str, event: EventId) -> None: ...
