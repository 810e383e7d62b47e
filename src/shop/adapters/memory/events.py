"""Events on their way, in memory."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import islice

from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.core.kernel.ids import EventId
from shop.ports.bus import DeadLetter, DeadLetters, EventBus, Subscriptions, Topics
from shop.ports.outbox import Envelope, Inbox, Outbox


class MemoryOutbox(Outbox):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def oldest(self, limit: int) -> list[Envelope]:
        return list(islice(self._store.table("outbox").values(), limit))

    async def done(self, sent: Sequence[Envelope]) -> None:
        async with self._store.lock:
            waiting = self._store.table("outbox")
            for event in sent:
                waiting.pop(event.id, None)

    async def waiting(self) -> int:
        return len(self._store.table("outbox"))


class MemoryInbox(Inbox):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def take(self, consumer: str, events: Iterable[EventId]) -> set[EventId]:
        seen = self._uow.table("inbox")
        fresh = {event for event in events if (consumer, event) not in seen}
        seen.update({(consumer, event): True for event in fresh})
        return fresh


class MemoryEventLog(EventBus, Subscriptions):
    """Numbers count from 1; a consumer's cursor is the number it has acknowledged."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def publish(self, batch: Sequence[Envelope]) -> None:
        log, places = self._store.table("event_log"), self._store.table("event_places")
        for event in batch:
            if event.id not in places:
                places[event.id] = len(places) + 1
                log[places[event.id]] = event

    async def fetch(
        self, consumer: str, limit: int, after: Envelope | None = None
    ) -> list[Envelope]:
        log, places = self._store.table("event_log"), self._store.table("event_places")
        first = (self._cursor(consumer) if after is None else places[after.id]) + 1
        return [log[n] for n in range(first, first + limit) if n in log]

    async def ack(self, consumer: str, last: Envelope) -> None:
        place = self._store.table("event_places").get(last.id, 0)
        if place > self._cursor(consumer):
            self._store.table("cursors")[consumer] = place

    async def lag(self, consumer: str) -> int:
        return len(self._store.table("event_places")) - self._cursor(consumer)

    async def forget(self, before: datetime) -> int:
        log, cursors = self._store.table("event_log"), self._store.table("cursors")
        seen = min(cursors.values(), default=0)
        old = [place for place, event in log.items() if place <= seen and event.at < before]
        for place in old:
            del log[place]
        return len(old)

    def _cursor(self, consumer: str) -> int:
        cursor: int = self._store.table("cursors").get(consumer, 0)
        return cursor


class NoTopics(Topics):
    """An embedded bus is one log, and needs none."""

    async def migrate(self) -> list[str]:
        return []


class MemoryDeadLetters(DeadLetters):
    def __init__(self, store: MemoryStore) -> None:
        self._letters: dict[tuple[str, EventId], DeadLetter] = store.table("dead_letters")

    async def add(self, letter: DeadLetter) -> None:
        self._letters.setdefault((letter.consumer, letter.event.id), letter)

    async def all(self, limit: int = 100) -> list[DeadLetter]:
        oldest = sorted(self._letters.values(), key=lambda letter: letter.at)
        return oldest[:limit]

    async def remove(self, consumer: str, event: EventId) -> None:
        self._letters.pop((consumer, event), None)
