"""Keeps a lease while there is work to do."""

from datetime import datetime, timedelta

from shop.ports.system import Clock, Lease

SPAN = timedelta(seconds=5)


class Holding:
    """Renews only when a third of the span has passed: renewing is a write."""

    def __init__(self, lease: Lease, clock: Clock, name: str, holder: str) -> None:
        self._lease = lease
        self._clock = clock
        self._name = name
        self._holder = holder
        self._renew_at: datetime | None = None

    async def keep(self) -> bool:
        """Whether the work is ours for the next seconds."""
        now = self._clock.now()
        if self._renew_at is not None and now < self._renew_at:
            return True
        held = await self._lease.hold(self._name, self._holder, SPAN)
        self._renew_at = now + SPAN / 3 if held else None
        return held

    async def drop(self) -> None:
        """Let the next one begin at once."""
        if self._renew_at is not None:
            self._renew_at = None
            await self._lease.release(self._name, self._holder)
