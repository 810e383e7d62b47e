"""Slows down who guesses."""

from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil

import msgspec
from msgspec import Struct

from shop.core.users.model import IdentityRules, TooManyFailures
from shop.ports.cache import SteadyCache
from shop.ports.system import Clock

_REMEMBERED = timedelta(minutes=15)
_KNOWN = timedelta(days=30)


class Tally(Struct, frozen=True):
    """Failures in a row: the first `free` cost nothing, each further one doubles the pause."""

    name: str
    free: int
    longest: timedelta

    def pause(self, count: int) -> timedelta:
        if count < self.free:
            return timedelta(0)
        return min(timedelta(seconds=2 ** min(count - self.free + 1, 16)), self.longest)


#: Of one account from one place; people mistype.
OWN = Tally("own", 5, timedelta(minutes=5))
#: Of one account from all places that never signed in to it: many machines guess for one thief.
#: The pause stays short, since its owner may be among them, with a new telephone.
ACCOUNT = Tally("account", 50, timedelta(seconds=30))
#: Of one address, whatever the accounts: one machine tries a password on everybody.
ADDRESS = Tally("address", 100, timedelta(minutes=5))


class _Failures(Struct):
    count: int
    until: datetime


class Throttle:
    """Counts failures by account and by address, so that strangers lock nobody out.

    A place is a browser that has signed in to the account before, else an address. What strangers
    do to an account, or neighbours at an address, never keeps out a place that is known there.
    """

    def __init__(self, cache: SteadyCache, clock: Clock, rules: IdentityRules) -> None:
        self._cache = cache
        self._clock = clock
        self._on = rules.throttled

    async def check(self, account: str, address: str, browser: str = "") -> None:
        """Raises `TooManyFailures` while a pause lasts. Between pauses one attempt may be made."""
        if not self._on:
            return
        now = self._clock.now()
        present = [
            (tally, key, failures)
            for tally, key in await self._tallies(account, address, browser)
            if (failures := await self._failures(key)) is not None
        ]
        wait = max((failures.until - now for _, _, failures in present), default=timedelta(0))
        if wait > timedelta(0):
            seconds = ceil(wait.total_seconds())
            raise TooManyFailures(
                f"Too many attempts; please wait {seconds} s.", retry_after=seconds
            )
        for tally, key, failures in present:
            if failures.count >= tally.free:  # nobody else meanwhile: the hash takes a while
                await self._put(key, failures.count, now + tally.pause(failures.count))

    async def failed(self, account: str, address: str, browser: str = "") -> None:
        if not self._on:
            return
        now = self._clock.now()
        for tally, key in await self._tallies(account, address, browser):
            before = await self._failures(key)
            count = 1 if before is None else before.count + 1
            await self._put(key, count, now + tally.pause(count))

    async def cleared(self, account: str, address: str, browser: str = "") -> None:
        """Forget the failures of the place, and know it from now on."""
        if not self._on:
            return
        await self._cache.drop(_key(OWN.name, account, browser or address))
        if address:
            await self._cache.put(_key("known", account, address), b"1", _KNOWN)

    async def _tallies(self, account: str, address: str, browser: str) -> list[tuple[Tally, str]]:
        own = OWN, _key(OWN.name, account, browser or address)
        if browser or not address or await self._cache.get(_key("known", account, address)):
            return [own]
        return [
            own,
            (ACCOUNT, _key(ACCOUNT.name, account)),
            (ADDRESS, _key(ADDRESS.name, address)),
        ]

    async def _failures(self, key: str) -> _Failures | None:
        kept = await self._cache.get(key)
        return None if kept is None else msgspec.json.decode(kept, type=_Failures)

    async def _put(self, key: str, count: int, until: datetime) -> None:
        kept = msgspec.json.encode(_Failures(count, until))
        await self._cache.put(key, kept, _REMEMBERED)


def _key(*parts: str) -> str:
    return f"failures:{sha256(' '.join(parts).encode()).hexdigest()}"
