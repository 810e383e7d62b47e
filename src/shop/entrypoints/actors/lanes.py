"""The events a consumer has at hand: by key in order, and how far each partition is done."""

from collections import deque
from collections.abc import Iterable, Sequence
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.events import Event
from shop.core.kernel.ids import EventId
from shop.ports.bus import Delivery
from shop.ports.tracing import NO_TRACE, TraceContext


class Arrived(Struct, frozen=True):
    """An event that has come in, with correlation id and trace of the call that caused it."""

    id: EventId
    fact: Event
    correlation: str
    trace: TraceContext = NO_TRACE


class _Partition:
    """Its mark is the first offset that is not done: all below are."""

    __slots__ = ("committed", "done", "mark", "open")

    def __init__(self) -> None:
        self.open: deque[int] = deque()
        self.done: set[int] = set()
        self.mark: int | None = None
        self.committed: int | None = None

    def finish(self, offset: int) -> None:
        self.done.add(offset)
        while self.open and self.open[0] in self.done:
            first = self.open.popleft()
            self.done.remove(first)
            self.mark = first + 1


class Work(Struct, frozen=True, eq=False):
    """`event` is None for one that cannot be read; then `error` says why."""

    delivery: Delivery
    partition: _Partition
    event: Arrived | None
    error: Exception | None = None

    @property
    def key(self) -> UUID:
        return self.delivery.event.key


class Lanes:
    """A lane is what waits for one key. Only one who has taken from it works on that key."""

    def __init__(self) -> None:
        self._partitions: dict[str, _Partition] = {}
        self._waiting: dict[UUID, deque[Work]] = {}
        self._ready: dict[UUID, None] = {}
        self._taken: set[UUID] = set()
        self.depth = 0

    def add(self, delivery: Delivery, event: Arrived | None, error: Exception | None) -> None:
        """Put it behind what waits for its key."""
        partition = self._open(delivery)
        key = delivery.event.key
        self._waiting.setdefault(key, deque()).append(Work(delivery, partition, event, error))
        self.depth += 1
        if key not in self._taken:
            self._ready[key] = None

    def skip(self, delivery: Delivery) -> None:
        """It concerns nobody here, and is done as it comes."""
        self._open(delivery).finish(delivery.offset)

    def take(self, most: int) -> list[Work]:
        """What may be worked on now, of those keys first that waited longest."""
        work: list[Work] = []
        while self._ready and len(work) < most:
            key = next(iter(self._ready))
            del self._ready[key]
            lane = self._waiting[key]
            while lane and len(work) < most:
                work.append(lane.popleft())
            if not lane:
                del self._waiting[key]
            self._taken.add(key)
        return work

    def finish(self, work: Iterable[Work]) -> None:
        for one in work:
            one.partition.finish(one.delivery.offset)
            self.depth -= 1

    def free(self, keys: Iterable[UUID]) -> None:
        """All that was taken of these keys is finished: the next of them may be taken."""
        for key in keys:
            self._taken.discard(key)
            if key in self._waiting:
                self._ready[key] = None

    def crowded(self, most: int) -> list[str]:
        """Partitions of which that many events are at hand."""
        return [name for name, one in self._partitions.items() if len(one.open) >= most]

    def marks(self) -> dict[str, int]:
        """The marks that have moved since they were last committed."""
        return {
            name: one.mark
            for name, one in self._partitions.items()
            if one.mark is not None and one.mark != one.committed
        }

    def committed(self, marks: dict[str, int]) -> None:
        for name, mark in marks.items():
            if name in self._partitions:
                self._partitions[name].committed = mark

    def clear(self) -> None:
        """Forget everything. Nobody may be at work any more."""
        self._partitions.clear()
        self._waiting.clear()
        self._ready.clear()
        self._taken.clear()
        self.depth = 0

    def _open(self, delivery: Delivery) -> _Partition:
        partition = self._partitions.get(delivery.partition)
        if partition is None:
            partition = self._partitions[delivery.partition] = _Partition()
        partition.open.append(delivery.offset)
        return partition


def by_key(work: Sequence[Work]) -> dict[UUID, list[Work]]:
    found: dict[UUID, list[Work]] = {}
    for one in work:
        found.setdefault(one.key, []).append(one)
    return found
