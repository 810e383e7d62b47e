"""Hands the events of the bus to one reaction, in order."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

import structlog
from msgspec import Struct

from shop.core.kernel.context import correlation
from shop.core.kernel.errors import Unavailable
from shop.core.kernel.events import Event
from shop.core.kernel.ids import EventId
from shop.entrypoints.actors.holding import Holding
from shop.ports.bus import DeadLetter, DeadLetters, Subscriptions
from shop.ports.outbox import Envelope
from shop.ports.system import Clock, Lease

log = structlog.get_logger()

#: Events looked at, and events handled in one unit.
FETCHED = 200
TOGETHER = 50
TRIES = 5
#: Seconds: the first pause between tries (it doubles), the longest, and between two looks.
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
IDLE = 0.2
SAMPLE = 5.0


class Arrived(Struct, frozen=True):
    """An event that has come in, with the correlation id of the call that caused it."""

    id: EventId
    fact: Event
    correlation: str


class Reaction(Struct, frozen=True):
    """`react` writes the inbox row of each event in the unit of its effect, or neither.

    `open` takes an event out of its envelope; None when it concerns the reaction not at all.
    """

    name: str
    open: Callable[[Envelope], Arrived | None]
    react: Callable[[Sequence[Arrived]], Awaitable[None]]


class Consumer:
    """An actor: one at a time among all processes, by a lease that bears its name.

    Events are handled together, for then they share one commit. When that fails they are handled
    one by one; one that fails again and again becomes a dead letter, and the others go on.
    """

    def __init__(
        self,
        reaction: Reaction,
        subscriptions: Subscriptions,
        dead: DeadLetters,
        lease: Lease,
        clock: Clock,
        holder: str,
        *,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = f"consumer-{reaction.name}"
        self._reaction = reaction
        self._subscriptions = subscriptions
        self._dead = dead
        self._holding = Holding(lease, clock, self.name, holder)
        self._clock = clock
        self._chance = chance
        self._sleep = sleep
        self._woken = asyncio.Event()
        self._draining = False
        self._ended = asyncio.Event()
        self._counted = float("-inf")
        self.lag = 0
        self.buried = 0

    def wake(self) -> None:
        """There is something new on the bus."""
        self._woken.set()

    async def drain(self) -> None:
        """Finish the batch at hand."""
        self._draining = True
        self._woken.set()
        await self._ended.wait()

    async def run(self) -> None:
        self._draining = False
        self._ended.clear()
        try:
            while not self._draining:
                self._woken.clear()
                await self._count()
                if not await self._holding.keep() or not await self.consume():
                    await self._rest()
        finally:
            self._ended.set()
            await self._holding.drop()

    async def consume(self) -> int:
        """Deal with one batch; returns how many events it had."""
        batch = await self._subscriptions.fetch(self._reaction.name, FETCHED)
        if not batch:
            return 0
        for start in range(0, len(batch), TOGETHER):
            if start and (self._draining or not await self._holding.keep()):
                break
            part = batch[start : start + TOGETHER]
            await self._handle(part)
            last = part[-1]
        await self._subscriptions.ack(self._reaction.name, last)
        return len(batch)

    async def _handle(self, envelopes: Sequence[Envelope]) -> None:
        opened = [(one, await self._opened(one)) for one in envelopes]
        arrived = [(envelope, event) for envelope, event in opened if event is not None]
        if not arrived:
            return
        if len(arrived) > 1:
            try:
                await self._reaction.react([event for _, event in arrived])
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 - the guilty one is found below
                log.info("batch_split", consumer=self.name, error=type(error).__name__)
            else:
                return
        for envelope, event in arrived:
            await self._insist(envelope, event)

    async def _opened(self, envelope: Envelope) -> Arrived | None:
        try:
            return self._reaction.open(envelope)
        except ValueError as error:  # no later try will read it better
            await self._bury(envelope, error, 1)
            return None

    async def _insist(self, envelope: Envelope, event: Arrived) -> None:
        """Try a few times. Later events of the same key wait meanwhile, so their order holds."""
        for attempt in range(1, TRIES + 1):
            token = correlation.set(event.correlation)
            try:
                await self._reaction.react([event])
            except Unavailable:
                raise  # no fault of the event: it waits until there is storage again
            except Exception as error:  # noqa: BLE001 - one bad event must not stop the others
                if attempt == TRIES:
                    await self._bury(envelope, error, attempt)
                    return
                longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
                await self._sleep(longest * (0.5 + self._chance() / 2))
            else:
                return
            finally:
                correlation.reset(token)

    async def _bury(self, envelope: Envelope, error: Exception, attempts: int) -> None:
        letter = DeadLetter(
            consumer=self._reaction.name,
            event=envelope,
            reason=f"{type(error).__name__}: {error}",
            attempts=attempts,
            at=self._clock.now(),
        )
        await self._dead.add(letter)
        self.buried += 1
        log.error(
            "dead_letter",
            consumer=self.name,
            event_id=str(envelope.id),
            kind=envelope.kind,
            exc_info=error,
        )

    async def _rest(self) -> None:
        if self._draining:
            return
        pause = IDLE * (0.9 + 0.2 * self._chance())
        try:
            async with asyncio.timeout(pause):
                await self._woken.wait()
        except TimeoutError:
            return

    async def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._counted + SAMPLE:
            self._counted = now
            self.lag = await self._subscriptions.lag(self._reaction.name)
