"""Slows down who guesses."""

from datetime import datetime, timedelta
from hashlib import sha256
from math import ceil

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
        counted = [
            (tally.pause(count), _pause(key))
            for tally, key in await self._tallies(account, address, browser)
            if (count := int(await self._cache.get(key) or b"0")) >= tally.free
        ]
        pauses = [await self._cache.get(key) for _, key in counted]
        until = max((_read(pause) for pause in pauses if pause), default=now)
        if until > now:
            raise _refusal(until - now)
        for pause, key in counted:  # nobody else meanwhile, at any replica: the hash takes a while
            if not await self._cache.add(key, _written(now + pause), pause):
                raise _refusal(pause)

    async def failed(self, account: str, address: str, browser: str = "") -> None:
        if not self._on:
            return
        now = self._clock.now()
        for tally, key in await self._tallies(account, address, browser):
            pause = tally.pause(await self._cache.count(key, _REMEMBERED))
            if pause:
                await self._cache.put(_pause(key), _written(now + pause), pause)

    async def cleared(self, account: str, address: str, browser: str = "") -> None:
        """Forget the failures of the place, and know it from now on."""
        if not self._on:
            return
        own = _key(OWN.name, account, browser or address)
        await self._cache.drop(own, _pause(own))
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


def _refusal(wait: timedelta) -> TooManyFailures:
    seconds = ceil(wait.total_seconds())
    return TooManyFailures(f"Too many attempts; please wait {seconds} s.", retry_after=seconds)


def _key(*parts: str) -> str:
    return f"failed:{sha256(' '.join(parts).encode()).hexdigest()}"


def _pause(key: str) -> str:
    """Where it is written until when the next attempt has to wait."""
    return f"{key}:pause"


def _written(until: datetime) -> bytes:
    return until.isoformat().encode()


def _read(until: bytes) -> datetime:
    return datetime.fromisoformat(until.decode())
