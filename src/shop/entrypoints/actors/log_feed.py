"""The embedded bus as consumers see it: one log, read by one process at a time."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager

from shop.entrypoints.actors.holding import Holding
from shop.ports.bus import Delivery, Feed, Feeds, Subscriptions
from shop.ports.outbox import Envelope
from shop.ports.system import Clock, Lease

#: The only partition there is.
_LOG = ""

LetGo = Callable[[], Awaitable[None]]


class LogFeeds(Feeds):
    """Among all processes one has the feed of a consumer: the holder of a lease of its name."""

    def __init__(
        self, subscriptions: Subscriptions, lease: Lease, clock: Clock, holder: str
    ) -> None:
        self._subscriptions = subscriptions
        self._lease = lease
        self._clock = clock
        self._holder = holder
        self._bells: set[asyncio.Event] = set()

    @asynccontextmanager
    async def join(
        self,
        consumer: str,
        topics: Collection[str],  # noqa: ARG002 - the log holds all of them
        let_go: LetGo,
    ) -> AsyncIterator[Feed]:
        holding = Holding(self._lease, self._clock, f"consumer-{consumer}", self._holder)
        bell = asyncio.Event()
        self._bells.add(bell)
        try:
            yield _LogFeed(self._subscriptions, consumer, holding, bell, let_go)
        finally:
            self._bells.discard(bell)
            await holding.drop()

    def wake(self) -> None:
        for bell in self._bells:
            bell.set()


class _LogFeed(Feed):
    """Offsets are its own count of what it has fetched."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        consumer: str,
        holding: Holding,
        bell: asyncio.Event,
        let_go: LetGo,
    ) -> None:
        self._subscriptions = subscriptions
        self._consumer = consumer
        self._holding = holding
        self._bell = bell
        self._let_go = let_go
        self._held = False
        self._next = 0
        self._last: Envelope | None = None
        self._uncommitted: deque[Envelope] = deque()

    async def fetch(
        self, limit: int, *, wait: float, paused: Collection[str] = ()
    ) -> list[Delivery]:
        self._bell.clear()
        events = [] if _LOG in paused or not await self._ours() else await self._read(limit)
        if not events and wait:
            try:
                async with asyncio.timeout(wait):
                    await self._bell.wait()
            except TimeoutError:
                return []
        deliveries = [
            Delivery(event, _LOG, number) for number, event in enumerate(events, self._next)
        ]
        self._next += len(events)
        self._uncommitted += events
        return deliveries

    async def commit(self, marks: Mapping[str, int]) -> None:
        first = self._next - len(self._uncommitted)
        done = marks[_LOG] - first
        if done > 0:
            await self._subscriptions.ack(self._consumer, self._uncommitted[done - 1])
            for _ in range(done):
                self._uncommitted.popleft()

    async def lag(self) -> int:
        return await self._subscriptions.lag(self._consumer)

    async def _read(self, limit: int) -> list[Envelope]:
        events = await self._subscriptions.fetch(self._consumer, limit, self._last)
        if events:
            self._last = events[-1]
        return events

    async def _ours(self) -> bool:
        held = await self._holding.keep()
        if self._held and not held:
            await self._let_go()
            self._last = None
            self._uncommitted.clear()
        self._held = held
        return held
