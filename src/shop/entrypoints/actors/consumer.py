"""Hands the events of the bus to one reaction: of one key in order, of many at once."""

import asyncio
import random
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

import structlog
from msgspec import Struct

from shop.core.kernel.context import correlation
from shop.core.kernel.errors import Unavailable
from shop.entrypoints.actors.lanes import Arrived, Lanes, Work, by_key
from shop.ports.bus import DeadLetter, DeadLetters, Feed, Feeds
from shop.ports.outbox import Envelope
from shop.ports.system import Clock

log = structlog.get_logger()

#: Events fetched at once, at hand of the whole bus, and of one partition before it is paused.
FETCHED = 500
MOST = 5000
CROWD = 1000
#: Events handled in one unit, and how many such units at a time; keys in trouble have their own.
TOGETHER = 100
WORKERS = 3
ALONE = 8
TRIES = 5
#: Seconds: the first pause between tries (it doubles), the longest, and between two looks.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
IDLE = 0.2
SAMPLE = 5.0
#: The same while a partition is paused, which may end at any moment.
BREATH = 0.02
#: Seconds between two commits of marks, as what is lost of them is only done again.
COMMIT = 0.5
#: Seconds that many events may take together, and one alone.
SHARED_TIME = 2.0
OWN_TIME = 30.0
#: Seconds to go on with what is at hand before a share is given up, and then to finish.
GRACE = 0.4
#: Keys that held up others lately are not handled with them.
_SLOW = 1000


class Reaction(Struct, frozen=True):
    """`react` writes the inbox row of each event in the unit of its effect, or neither.

    `open` takes an event out of its envelope; None when it concerns the reaction not at all.
    """

    name: str
    topics: frozenset[str]
    open: Callable[[Envelope], Arrived | None]
    react: Callable[[Sequence[Arrived]], Awaitable[None]]


class Consumer:
    """An actor: it shares its events with its namesakes in other processes, as the bus deals.

    Events of different keys are handled together, for then they share one commit. When that fails
    or takes long, each key goes on alone, and no other key waits for it; an event that fails again
    and again becomes a dead letter. Of each partition only that is committed below which all is
    done, so whoever has it next misses nothing, and the inbox sees what was done already.
    """

    def __init__(
        self,
        reaction: Reaction,
        feeds: Feeds,
        dead: DeadLetters,
        clock: Clock,
        *,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = f"consumer-{reaction.name}"
        self._reaction = reaction
        self._feeds = feeds
        self._dead = dead
        self._clock = clock
        self._chance = chance
        self._sleep = sleep
        self._lanes = Lanes()
        self._feed: Feed | None = None
        self._workers: set[asyncio.Task[None]] = set()
        self._alone: set[asyncio.Task[None]] = set()
        self._places = asyncio.Semaphore(ALONE)
        self._slow: OrderedDict[UUID, None] = OrderedDict()
        self._error: BaseException | None = None
        self._moved = asyncio.Event()
        self._yielding = False
        self._draining = False
        self._ended = asyncio.Event()
        self._commit_at = float("-inf")
        self._counted = float("-inf")
        self.lag = 0
        self.buried = 0

    async def drain(self) -> None:
        """Finish what is at hand."""
        self._draining = True
        self._feeds.wake()
        await self._ended.wait()

    async def run(self) -> None:
        self._draining = False
        self._ended.clear()
        try:
            async with self._joined() as feed:
                while not self._draining:
                    await self._turn(feed, wait=IDLE * (0.9 + 0.2 * self._chance()))
                    await self._commit()
                    await self._count(feed)
        finally:
            self._ended.set()

    async def consume(self) -> int:
        """Deal with what there is, and say how many events that was."""
        async with self._joined() as feed:
            seen = 0
            while fetched := await self._turn(feed, wait=0):
                seen += fetched
                while self._lanes.depth:
                    await self._progress()
            return seen

    @asynccontextmanager
    async def _joined(self) -> AsyncIterator[Feed]:
        share = self._feeds.join(self._reaction.name, self._reaction.topics, self._let_go)
        async with share as feed:
            self._feed, self._error = feed, None
            try:
                yield feed
            finally:
                await self._let_go()
                self._feed = None

    async def _turn(self, feed: Feed, *, wait: float) -> int:
        """Fetch what there is room for, and set somebody to work on it."""
        if self._error is not None:
            raise self._error
        room = MOST - self._lanes.depth
        if room <= 0:
            await self._progress()
            return 0
        if paused := self._lanes.crowded(CROWD):
            wait = min(wait, BREATH)
        fetched = await feed.fetch(min(room, FETCHED), wait=wait, paused=paused)
        for one in fetched:
            try:
                event = self._reaction.open(one.event)
            except ValueError as error:  # no later try will read it better
                self._lanes.add(one, None, error)
            else:
                if event is None:
                    self._lanes.skip(one)
                else:
                    self._lanes.add(one, event, None)
        self._set_to_work()
        return len(fetched)

    async def _progress(self) -> None:
        """Wait until somebody has finished something. Raises what stopped them."""
        if self._error is None and (self._workers or self._alone):
            self._moved.clear()
            await self._moved.wait()
        if self._error is not None:
            raise self._error

    def _set_to_work(self) -> None:
        while (
            not self._yielding
            and self._error is None
            and len(self._workers) < WORKERS
            and (work := self._lanes.take(TOGETHER))
        ):
            self._begin(self._workers, self._together(work))

    def _begin(self, crew: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        crew.add(task)
        task.add_done_callback(crew.discard)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = self._error or error
        self._set_to_work()
        self._moved.set()

    async def _together(self, work: list[Work]) -> None:
        lanes = by_key(work)
        shared = []
        for key, lane in lanes.items():
            if key in self._slow or any(one.event is None for one in lane):
                self._begin(self._alone, self._lane(key, lane))
            else:
                shared += lane
        if not shared:
            return
        try:
            async with asyncio.timeout(SHARED_TIME):
                await self._react(shared)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - the guilty one is found below
            log.info("batch_split", consumer=self.name, error=type(error).__name__)
            slow = isinstance(error, TimeoutError)
            for key, lane in by_key(shared).items():
                if slow:
                    self._slow[key] = None
                self._begin(self._alone, self._lane(key, lane))
            while len(self._slow) > _SLOW:
                self._slow.popitem(last=False)
        else:
            self._lanes.finish(shared)
            self._lanes.free(by_key(shared))

    async def _lane(self, key: UUID, work: Sequence[Work]) -> None:
        """One key's events, each alone; the later ones wait, so their order holds."""
        for one in work:
            await self._insist(one)
            self._lanes.finish([one])
        self._lanes.free([key])

    async def _insist(self, work: Work) -> None:
        if work.error is not None:
            await self._bury(work, work.error, 1)
            return
        loop = asyncio.get_running_loop()
        for attempt in range(1, TRIES + 1):
            try:
                async with self._places, asyncio.timeout(OWN_TIME):
                    began = loop.time()
                    await self._react([work])
            except Unavailable:
                raise  # no fault of the event: it waits until there is storage again
            except Exception as error:  # noqa: BLE001 - one bad event must not stop the others
                if attempt == TRIES:
                    await self._bury(work, error, attempt)
                    return
                longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
                await self._sleep(longest * (0.5 + self._chance() / 2))
            else:
                if loop.time() - began < SHARED_TIME:
                    self._slow.pop(work.key, None)
                return

    async def _react(self, work: Sequence[Work]) -> None:
        # One that was relayed twice may be in it twice; the first keeps its place.
        events = list({one.event.id: one.event for one in work if one.event is not None}.values())
        token = correlation.set(events[0].correlation if len(events) == 1 else "")
        try:
            await self._reaction.react(events)
        finally:
            correlation.reset(token)

    async def _bury(self, work: Work, error: Exception, attempts: int) -> None:
        delivery, event = work.delivery, work.delivery.event
        letter = DeadLetter(
            consumer=self._reaction.name,
            event=event,
            reason=f"{type(error).__name__}: {error}",
            attempts=attempts,
            at=self._clock.now(),
            origin=f"{delivery.partition}/{delivery.offset}" if delivery.partition else "",
        )
        await self._dead.add(letter)
        self.buried += 1
        log.error(
            "dead_letter",
            consumer=self.name,
            event_id=str(event.id),
            kind=event.kind,
            exc_info=error,
        )

    async def _let_go(self) -> None:
        """Finish what is at hand, abandon what takes too long, and forget the rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                while self._lanes.depth and self._error is None:
                    self._moved.clear()
                    await self._moved.wait()
        self._yielding = True
        try:
            if crew := self._workers | self._alone:
                await asyncio.wait(crew, timeout=GRACE)
            if crew := self._workers | self._alone:
                for task in crew:
                    task.cancel()
                await asyncio.wait(crew)
            try:
                await self._commit(now=True)
            except Unavailable as error:
                log.warning("marks_not_committed", consumer=self.name, why=error.detail)
        finally:
            self._lanes.clear()
            self._yielding = False

    async def _commit(self, *, now: bool = False) -> None:
        time = asyncio.get_running_loop().time()
        if self._feed is None or not (now or time >= self._commit_at):
            return
        self._commit_at = time + COMMIT
        if marks := self._lanes.marks():
            await self._feed.commit(marks)
            self._lanes.committed(marks)

    async def _count(self, feed: Feed) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._counted + SAMPLE:
            self._counted = now
            self.lag = await feed.lag()
