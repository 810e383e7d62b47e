"""The cache and the rate limits of one process."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta

from shop.ports.cache import RateLimiter, SteadyCache, Verdict
from shop.ports.system import Clock


class MemoryCache(SteadyCache):
    """Forgets the key used least recently when `most` are kept. Nothing here ever waits."""

    def __init__(self, clock: Clock, most: int = 100_000) -> None:
        self._clock = clock
        self._most = most
        self._kept: OrderedDict[str, tuple[bytes, datetime]] = OrderedDict()

    async def get(self, key: str) -> bytes | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        value, until = kept
        if self._clock.now() >= until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return value

    async def put(self, key: str, value: bytes, ttl: timedelta) -> None:
        self._kept[key] = value, self._clock.now() + ttl
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    async def add(self, key: str, value: bytes, ttl: timedelta) -> bool:
        if await self.get(key) is not None:
            return False
        await self.put(key, value, ttl)
        return True

    async def count(self, key: str, ttl: timedelta) -> int:
        many = int(await self.get(key) or b"0") + 1
        await self.put(key, b"%d" % many, ttl)
        return many

    async def discount(self, key: str) -> None:
        many = int(await self.get(key) or b"0")
        if many > 0:
            self._kept[key] = b"%d" % (many - 1), self._kept[key][1]

    async def announce(
        self, keys: Sequence[str], value: bytes, ttl: timedelta, *, stale: timedelta
    ) -> None:
        del stale  # there is no other reader than this process
        for key in keys:
            await self.put(key, value, ttl)

    async def drop(self, *keys: str) -> None:
        for key in keys:
            self._kept.pop(key, None)


class MemoryRateLimiter(RateLimiter):
    """The generic cell rate algorithm: for each key only the time at which it is all free again."""

    def __init__(self, clock: Clock, most: int = 100_000) -> None:
        self._clock = clock
        self._start = clock.now()  # small numbers of seconds are exact ones
        self._most = most
        self._free: OrderedDict[str, float] = OrderedDict()

    async def hit(self, key: str, limit: int, seconds: float) -> Verdict:
        now = (self._clock.now() - self._start).total_seconds()
        each = seconds / limit
        busy = max(self._free.get(key, now), now) - now
        if busy > seconds + each:  # more than is ever let in: the clock was put back
            busy = 0.0
        # Of a full window there is still room for one; the rest is the float's own inaccuracy.
        wait = busy + each - seconds
        if wait > each * 1e-3:
            return Verdict(wait, 0, busy)
        busy += each
        self._free[key] = now + busy
        self._free.move_to_end(key)
        if len(self._free) > self._most:
            self._free.popitem(last=False)
        return Verdict(0.0, int((seconds - busy) / each + 1e-3), busy)
