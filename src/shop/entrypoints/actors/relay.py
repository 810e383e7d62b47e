"""Moves committed events to the bus, in order."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from shop.entrypoints.actors.holding import Holding
from shop.ports.bus import EventBus
from shop.ports.outbox import Outbox
from shop.ports.system import Clock, Lease

BATCH = 500
#: Seconds between two looks while commits rush in, and while none is heard of: other processes
#: write as well.
GAP = 0.2
IDLE = 0.2
#: Seconds between two counts of what waits.
SAMPLE = 5.0
#: A replica that does not hold the lease asks for it this often, in seconds.
PATIENCE = 1.0


class OutboxRelay:
    """An actor: one at a time among all processes, which it sees to with the lease `relay-0`.

    It dies between publishing and forgetting at worst: then the bus gets the same events again.
    When the lease is lost while the bus is slow, publishing ends at once.
    """

    name = "relay"

    def __init__(
        self,
        outbox: Outbox,
        bus: EventBus,
        lease: Lease,
        clock: Clock,
        holder: str,
        *,
        then: Sequence[Callable[[], None]] = (),
    ) -> None:
        """`then` is called after events were published: consumers of this process wake up."""
        self._outbox = outbox
        self._bus = bus
        self._holding = Holding(lease, clock, "relay-0", holder)
        self._clock = clock
        self._then = then
        self._loop: asyncio.AbstractEventLoop | None = None
        self._bell = asyncio.Event()
        self._rung = False
        self._draining = False
        self._ended = asyncio.Event()
        self._counted = float("-inf")
        self.waiting = 0
        self.oldest_seconds = 0.0
        self.published: Counter[str] = Counter()

    def nudge(self) -> None:
        """Something was committed. From any thread, and cheap when said often."""
        if not self._rung and self._loop is not None:
            self._rung = True
            self._loop.call_soon_threadsafe(self._bell.set)

    async def drain(self) -> None:
        """Publish what waits, so that a clean stop leaves as little as possible."""
        self._draining = True
        self._bell.set()
        await self._ended.wait()

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._draining = False
        self._ended.clear()
        try:
            while True:
                self._rung = False
                self._bell.clear()
                held = await self._holding.keep()
                try:
                    moved = await self.relay() if held else 0
                finally:
                    await self._count()
                if moved == BATCH:
                    await asyncio.sleep(0)
                elif self._draining:
                    return
                else:
                    await self._rest(held=held)
        finally:
            self._loop = None
            self._ended.set()
            await self._holding.drop()

    async def relay(self) -> int:
        """Move one batch; returns how many events it had."""
        batch = await self._outbox.oldest(BATCH)
        if not batch:
            self.oldest_seconds = 0.0
            return 0
        self.oldest_seconds = (self._clock.now() - batch[0].at).total_seconds()
        await self._holding.during(self._bus.publish(batch))
        await self._outbox.done(batch)
        self.published.update([envelope.kind for envelope in batch])
        for tell in self._then:
            tell()
        return len(batch)

    async def _rest(self, *, held: bool) -> None:
        """However many commits there are, one look each gap serves them all."""
        await asyncio.sleep(GAP)
        try:
            async with asyncio.timeout(IDLE if held else PATIENCE):
                await (self._bell.wait() if held else self._stopping())
        except TimeoutError:
            return

    async def _stopping(self) -> None:
        """Others' commits concern the holder alone."""
        while not self._draining:
            self._bell.clear()
            await self._bell.wait()

    async def _count(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._counted + SAMPLE:
            self._counted = now
            self.waiting = await self._outbox.waiting()
