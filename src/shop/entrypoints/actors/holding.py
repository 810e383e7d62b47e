"""Keeps a lease while there is work to do."""

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from shop.core.kernel.errors import Unavailable
from shop.ports.system import Clock, Lease

SPAN = timedelta(seconds=5)
#: Renewing is a write, so it is done when a third of the span has passed.
_RENEWAL = SPAN / 3

T = TypeVar("T")


class Holding:
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
        self._renew_at = now + _RENEWAL if held else None
        return held

    async def during(self, work: Coroutine[Any, Any, T]) -> T:
        """Do work that may take longer than the lease lasts; it ends when the lease is lost."""
        task = asyncio.create_task(work)
        try:
            while True:
                await asyncio.wait({task}, timeout=_RENEWAL.total_seconds())
                if task.done():
                    return task.result()
                if not await self.keep():
                    raise Unavailable(f"The lease {self._name} was lost.")
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})

    async def drop(self) -> None:
        """Let the next one begin at once."""
        if self._renew_at is not None:
            self._renew_at = None
            await self._lease.release(self._name, self._holder)
