"""Work that only one may do at a time, in one process."""

from datetime import timedelta

from shop.adapters.memory.store import MemoryStore
from shop.ports.system import Clock, Lease


class MemoryLease(Lease):
    def __init__(self, store: MemoryStore, clock: Clock) -> None:
        self._leases = store.table("leases")
        self._clock = clock

    async def hold(self, name: str, holder: str, span: timedelta) -> bool:
        now = self._clock.now()
        who, until = self._leases.get(name, (holder, now))
        if who != holder and until > now:
            return False
        self._leases[name] = holder, now + span
        return True

    async def release(self, name: str, holder: str) -> None:
        if self._leases.get(name, ("", None))[0] == holder:
            del self._leases[name]
