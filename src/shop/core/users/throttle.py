"""Slows down who guesses."""

from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil

import msgspec
from msgspec import Struct

from shop.core.users.model import IdentityRules, TooManyFailures
from shop.ports.cache import Cache
from shop.ports.system import Clock

#: As many may fail in a row before there is a pause; people mistype.
FREE = 5
LONGEST = timedelta(minutes=5)
_REMEMBERED = timedelta(minutes=15)


class _Failures(Struct):
    count: int
    until: datetime


class Throttle:
    """Counts failures of one account from one address, so that strangers lock nobody out."""

    def __init__(self, cache: Cache, clock: Clock, rules: IdentityRules) -> None:
        self._cache = cache
        self._clock = clock
        self._on = rules.throttled

    async def check(self, account: str, address: str) -> None:
        """Raises `TooManyFailures` while the pause after the last failure lasts."""
        failures = await self._failures(_key(account, address)) if self._on else None
        if failures is None or (now := self._clock.now()) >= failures.until:
            return
        wait = ceil((failures.until - now).total_seconds())
        raise TooManyFailures(f"Too many attempts; please wait {wait} s.", retry_after=wait)

    async def failed(self, account: str, address: str) -> None:
        """Each failure after the first few doubles the pause."""
        if not self._on:
            return
        key = _key(account, address)
        before = await self._failures(key)
        count = 1 if before is None else before.count + 1
        pause = timedelta(0)
        if count >= FREE:
            pause = min(timedelta(seconds=2 ** min(count - FREE + 1, 16)), LONGEST)
        now = _Failures(count, self._clock.now() + pause)
        await self._cache.put(key, msgspec.json.encode(now), _REMEMBERED)

    async def cleared(self, account: str, address: str) -> None:
        if self._on:
            await self._cache.drop(_key(account, address))

    async def _failures(self, key: str) -> _Failures | None:
        kept = await self._cache.get(key)
        return None if kept is None else msgspec.json.decode(kept, type=_Failures)


def _key(account: str, address: str) -> str:
    return f"failures:{sha256(f'{account} {address}'.encode()).hexdigest()}"
