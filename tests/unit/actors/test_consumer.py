"""What a consumer does with its share, and how it gives it up; the bus is a list in the test."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import pytest

from shop.adapters.memory.events import MemoryDeadLetters
from shop.adapters.memory.store import MemoryStore
from shop.core.inventory.model import StockAdjusted
from shop.core.kernel.errors import Unavailable
from shop.core.kernel.ids import EventId, VariantId
from shop.entrypoints.actors import consumer as rules
from shop.entrypoints.actors.consumer import Consumer, Reaction
from shop.entrypoints.actors.lanes import Arrived
from shop.ports.bus import UNREADABLE, Delivery, Feed, Feeds
from shop.ports.outbox import Envelope
from tests.kit.clock import ManualClock

A, B, C = (UUID(int=number) for number in (1, 2, 3))


class Line(Feed, Feeds):
    """One partition; it notes what was committed."""

    def __init__(self, *keys: UUID) -> None:
        self.events = [
            Envelope(EventId(uuid4()), "shop.inventory", key, "kind", b"") for key in keys
        ]
        self.fetched = 0
        self.marks: list[int] = []
        self.let_go: Callable[[], Awaitable[None]]
        self.left = asyncio.Event()

    @asynccontextmanager
    async def join(
        self,
        consumer: str,  # noqa: ARG002 - the port's names
        topics: Collection[str],  # noqa: ARG002
        let_go: Callable[[], Awaitable[None]],
    ) -> AsyncIterator[Feed]:
        self.let_go = let_go
        try:
            yield self
        finally:
            self.left.set()

    def wake(self) -> None:
        """It never sleeps for long."""

    async def fetch(
        self, limit: int, *, wait: float, paused: Collection[str] = ()
    ) -> list[Delivery]:
        found = [] if paused else self.events[self.fetched : self.fetched + limit]
        first, self.fetched = self.fetched, self.fetched + len(found)
        if not found:
            await asyncio.sleep(min(wait, 0.005))
        return [Delivery(event, "line/0", first + number) for number, event in enumerate(found)]

    async def commit(self, marks: Mapping[str, int]) -> None:
        self.marks.append(marks["line/0"])

    async def lag(self) -> int:
        return len(self.events) - (self.marks or [0])[-1]


class Hands:
    """A reaction that notes what it did; some keys wait, some fail, some find no storage."""

    def __init__(self) -> None:
        self.done: list[UUID] = []
        self.calls = 0
        self.waits: dict[UUID, asyncio.Event] = {}
        self.began = asyncio.Event()
        self.fails: set[UUID] = set()
        self.away = False

    def open(self, envelope: Envelope) -> Arrived | None:
        if envelope.kind == UNREADABLE:
            raise ValueError("No event.")
        now = ManualClock().now()
        fact = StockAdjusted(variant_id=VariantId(envelope.key), delta=1, reason="", at=now)
        return Arrived(envelope.id, fact, "")

    async def react(self, events: Sequence[Arrived]) -> None:
        self.calls += 1
        self.began.set()
        if self.away:
            raise Unavailable("No storage.")
        keys = [one.fact.subject for one in events]
        for key in keys:
            if key in self.waits:
                await self.waits[key].wait()
            if key in self.fails:
                raise ValueError("Not this one.")
        self.done += keys


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def dead() -> MemoryDeadLetters:
    return MemoryDeadLetters(MemoryStore())


def consumer_of(hands: Hands, line: Line, dead: MemoryDeadLetters) -> Consumer:
    async def at_once(_: float) -> None:
        await asyncio.sleep(0)

    reaction = Reaction("hands", frozenset({"shop.inventory"}), hands.open, hands.react)
    return Consumer(reaction, line, dead, ManualClock(), sleep=at_once)


@asynccontextmanager
async def running(consumer: Consumer) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(consumer.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.001)


async def test_many_events_share_one_unit(hands: Hands, dead: MemoryDeadLetters) -> None:
    line = Line(A, B, A, C)
    async with running(consumer_of(hands, line, dead)) as task:
        await until(lambda: len(hands.done) == 4)
        assert hands.calls == 1
        task.cancel()
        await line.left.wait()
    assert line.marks[-1] == 4


async def test_before_a_share_is_given_up_its_work_is_finished_and_committed(
    hands: Hands, dead: MemoryDeadLetters
) -> None:
    line = Line(A, B)
    hands.waits = {A: asyncio.Event()}
    async with running(consumer_of(hands, line, dead)):
        await hands.began.wait()
        giving_up = asyncio.ensure_future(line.let_go())
        await asyncio.sleep(0)
        assert not giving_up.done()
        hands.waits[A].set()
        await giving_up
        assert sorted(hands.done) == [A, B]
        assert line.marks[-1] == 2


async def test_work_that_takes_too_long_is_abandoned_and_not_committed(
    hands: Hands, dead: MemoryDeadLetters
) -> None:
    line = Line(A, B)
    hands.waits = {A: asyncio.Event()}
    async with running(consumer_of(hands, line, dead)):
        await hands.began.wait()
        await line.let_go()
        hands.waits[A].set()
        line.fetched = 0  # whoever has the share next
        await until(lambda: len(hands.done) == 2)
    assert line.marks[0] == 2  # nothing was, before it was done in the end


async def test_an_event_that_cannot_be_read_is_buried_at_once_where_it_was(
    hands: Hands, dead: MemoryDeadLetters
) -> None:
    line = Line(A, B)
    line.events.insert(1, Envelope(EventId(uuid4()), "shop.inventory", A, UNREADABLE, b"?"))
    async with running(consumer_of(hands, line, dead)):
        await until(lambda: len(line.marks) > 0 and line.marks[-1] == 3)
    assert sorted(hands.done) == [A, B]
    [letter] = await dead.all()
    assert (letter.origin, letter.attempts, letter.reason) == (
        "line/0/1",
        1,
        "ValueError: No event.",
    )


async def test_one_that_fails_is_buried_and_the_later_ones_of_its_key_go_on(
    hands: Hands, dead: MemoryDeadLetters
) -> None:
    line = Line(A, B, A)
    hands.fails = {A}
    consumer = consumer_of(hands, line, dead)
    async with running(consumer):
        await until(lambda: consumer.buried == 2)
        await until(lambda: bool(line.marks) and line.marks[-1] == 3)
    assert hands.done == [B]
    assert [letter.origin for letter in await dead.all()] == ["line/0/0", "line/0/2"]


async def test_without_storage_nothing_is_buried_and_the_actor_ends_unavailable(
    hands: Hands, dead: MemoryDeadLetters
) -> None:
    line = Line(A, B)
    hands.away = True
    consumer = consumer_of(hands, line, dead)
    with pytest.raises(Unavailable, match="No storage"):
        async with asyncio.timeout(10):
            await consumer.run()
    assert (await dead.all(), line.marks) == ([], [])
    hands.away, line.fetched = False, 0
    async with running(consumer):
        await until(lambda: len(hands.done) == 2)


async def test_a_partition_is_paused_while_too_much_of_it_is_at_hand(
    hands: Hands, dead: MemoryDeadLetters
) -> None:
    line = Line(*(UUID(int=10 + number) for number in range(rules.CROWD + 2 * rules.FETCHED)))
    hands.waits = {event.key: asyncio.Event() for event in line.events[:1]}
    hands.waits[line.events[0].key] = gate = asyncio.Event()
    async with running(consumer_of(hands, line, dead)):
        await until(lambda: line.fetched >= rules.CROWD)
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert line.fetched < rules.CROWD + rules.FETCHED
        gate.set()
        await until(lambda: len(hands.done) == len(line.events))
