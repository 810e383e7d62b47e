"""The event bus."""

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from shop.core.kernel.ids import EventId
from shop.ports.outbox import Envelope

#: The `kind` of an envelope around something that is no event of ours; its body is as it came.
UNREADABLE = ""


class EventBus(Protocol):
    @abstractmethod
    async def publish(self, batch: Sequence[Envelope]) -> None:
        """Return once the bus has accepted all of them, those of one key in order.

        An event published twice (a relay died in between) arrives once or twice: consumers
        use their `Inbox`. When it raises or is cancelled, nothing is sent again behind our back:
        only what was on the wire already may still arrive.
        """


class Delivery(Struct, frozen=True):
    """An event, and where it was: offsets count within a partition, and keep its order."""

    event: Envelope
    partition: str
    offset: int


class Feed(Protocol):
    """One consumer's share of the bus, at least once, in the order of each key."""

    @abstractmethod
    async def fetch(
        self, limit: int, *, wait: float, paused: Collection[str] = ()
    ) -> list[Delivery]:
        """What comes next but for the paused partitions; nothing after `wait` seconds.

        It goes on behind what was fetched before, whether that was committed or not.
        """

    @abstractmethod
    async def commit(self, marks: Mapping[str, int]) -> None:
        """All below these offsets is dealt with: whoever has the partition next begins there."""

    @abstractmethod
    async def lag(self) -> int:
        """How many events of this share are not committed."""


class Feeds(Protocol):
    """Ways for consumers to take part."""

    @abstractmethod
    def join(
        self, consumer: str, topics: Collection[str], let_go: Callable[[], Awaitable[None]]
    ) -> AbstractAsyncContextManager[Feed]:
        """Share the events of the topics with all others of that name, while the block lasts.

        `let_go` is awaited before the share goes to somebody else: finish or abandon what is at
        hand, commit, and forget the rest, as it will be fetched again by whoever has it then.
        """

    @abstractmethod
    def wake(self) -> None:
        """This process has published something."""


class Subscriptions(Protocol):
    """Reads the log that is the embedded bus: at least once, in the order of each key."""

    @abstractmethod
    async def fetch(
        self, consumer: str, limit: int, after: Envelope | None = None
    ) -> list[Envelope]:
        """The next events after the last one acknowledged, or after that one."""

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
    """`origin` is where on the bus the event was, if the bus has such places."""

    consumer: str
    event: Envelope
    reason: str
    attempts: int
    at: datetime
    origin: str = ""


class DeadLetters(Protocol):
    """Events a consumer gave up on; kept until somebody replays or drops them."""

    @abstractmethod
    async def add(self, letter: DeadLetter) -> None: ...

    @abstractmethod
    async def all(self, limit: int = 100) -> list[DeadLetter]:
        """Oldest first."""

    @abstractmethod
    async def remove(self, consumer: str, event: EventId) -> None: ...


class Topics(Protocol):
    """The topics that this version needs on the bus."""

    @abstractmethod
    async def migrate(self) -> list[str]:
        """Make what is missing; says in lines what was done, and what differs from the settings.

        Raises `Conflict` for what an operator has to change first.
        """
