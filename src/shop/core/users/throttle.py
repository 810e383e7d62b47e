"""Slows down who guesses."""

from asyncio import Lock, gather
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from hashlib import sha256
from weakref import WeakValueDictionary

from msgspec import Struct

from shop.core.kernel.errors import ShopError, Unavailable
from shop.core.kernel.places import place_of
from shop.core.users.model import IdentityRules, TooManyFailures
from shop.ports.cache import SteadyCache
from shop.ports.system import Clock

_REMEMBERED = timedelta(minutes=15)
#: Longer than any try is under way.
_TRYING = timedelta(minutes=1)
_KNOWN = timedelta(days=30)
#: Tries that wait for their turn at a place.
_WAITING = 64

#: Whether what somebody showed is right.
Check = Callable[[], Awaitable[bool]]


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
#: Of one account from all places that are known there: a thief may have been at many of them.
HOME = Tally("home", 50, timedelta(seconds=30))
#: Of one address, whatever the accounts: one machine tries a password on everybody.
ADDRESS = Tally("address", 100, timedelta(minutes=5))


class _Attempt(Struct, frozen=True):
    """`own` and `others` are the keys it was counted under, `claimed` of them those whose pauses
    it began; `known` is the key of the place."""

    own: str
    others: list[str]
    claimed: list[str]
    known: str

    @property
    def keys(self) -> list[str]:
        return [self.own, *self.others]


class _Turns:
    """Tries at one place, one after the other: many right ones at once are no guesses."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._many = 0

    @asynccontextmanager
    async def take(self) -> AsyncIterator[None]:
        if self._many > _WAITING:
            raise Unavailable("Too many tries at once; please try again.")
        self._many += 1
        try:
            async with self._lock:
                yield
        finally:
            self._many -= 1


class Throttle:
    """Counts failures by account and by address, so that strangers lock nobody out.

    A place is a browser that has signed in to the account before, else an address. What strangers
    do to an account, or neighbours at an address, never keeps out a place that is known there.
    """

    def __init__(self, cache: SteadyCache, clock: Clock, rules: IdentityRules) -> None:
        self._cache = cache
        self._clock = clock
        self._on = rules.throttled
        self._turns: WeakValueDictionary[str, _Turns] = WeakValueDictionary()

    async def attempt(self, account: str, address: str, check: Check, browser: str = "") -> bool:
        """What `check` says; the place is known from then on where that is yes.

        It counts as a failure until then, or as many as all replicas can look at in parallel would
        be free. Raises `TooManyFailures` while a pause lasts, between which one attempt may be
        made, or `Unavailable`.
        """
        if not self._on:
            return await check()
        place = place_of(address)
        own = _key(OWN.name, account, browser or place)
        turns = self._turns.setdefault(own, _Turns())
        async with turns.take():
            return await self._attempt(own, account, place, check, browser)

    async def _attempt(
        self, own: str, account: str, place: str, check: Check, browser: str
    ) -> bool:
        attempt = await self._begin(own, account, place, browser)
        try:
            right = await check()
        except ShopError:  # too busy: nothing was looked at
            await self._take_back(attempt)
            raise
        await (self._forgive(attempt) if right else self._remember(attempt))
        return right

    async def _begin(self, own: str, account: str, place: str, browser: str) -> _Attempt:
        known = _key("known", account, place) if place else ""
        others = await self._others(account, place, browser, known)
        attempt = _Attempt(own, [key for _, key in others], [], known)
        tallies = [(OWN, own), *others]
        counts = await gather(*(self._count(key) for _, key in tallies))
        pauses = [
            (tally.pause(count), key)
            for (tally, key), count in zip(tallies, counts, strict=True)
            if count >= tally.free
        ]
        wait = await self._claim(attempt, pauses)
        if wait:
            await self._take_back(attempt)
            raise TooManyFailures(wait)
        return attempt

    async def _count(self, key: str) -> int:
        """Failures, and tries under way with this one: asked for in this order, the one that is
        becoming the other is never missed."""
        trying = await self._cache.count(_trying(key), _TRYING)
        return trying + int(await self._cache.get(key) or b"0")

    async def _claim(self, attempt: _Attempt, pauses: list[tuple[timedelta, str]]) -> timedelta:
        """How long to wait. Nothing: the next one has to wait, at any replica."""
        now = self._clock.now()
        lasting = [await self._cache.get(_pause(key)) for _, key in pauses]
        until = max((_read(pause) for pause in lasting if pause), default=now)
        if until > now:
            return until - now
        for pause, key in pauses:
            if not await self._cache.add(_pause(key), _written(now + pause), pause):
                return pause
            attempt.claimed.append(key)
        return timedelta(0)

    async def _take_back(self, attempt: _Attempt) -> None:
        """Nor does it keep the failures remembered: where many share an address, somebody always
        comes in or has to wait."""
        await gather(
            *(self._cache.discount(_trying(key)) for key in attempt.keys),
            self._cache.drop(*(_pause(key) for key in attempt.claimed)),
        )

    async def _remember(self, attempt: _Attempt) -> None:
        await gather(*(self._cache.count(key, _REMEMBERED) for key in attempt.keys))
        await gather(*(self._cache.discount(_trying(key)) for key in attempt.keys))

    async def _forgive(self, attempt: _Attempt) -> None:
        """Forget the failures of the place; those of the others stay."""
        await self._take_back(attempt)
        await self._cache.drop(attempt.own, _pause(attempt.own))
        if attempt.known:
            await self._cache.put(attempt.known, b"1", _KNOWN)

    async def _others(
        self, account: str, place: str, browser: str, known: str
    ) -> list[tuple[Tally, str]]:
        if browser or (known and await self._cache.get(known)):
            return [(HOME, _key(HOME.name, account))]
        if not place:
            return []
        return [
            (ACCOUNT, _key(ACCOUNT.name, account)),
            (ADDRESS, _key(ADDRESS.name, place)),
        ]


def _key(*parts: str) -> str:
    return f"failed:{sha256(' '.join(parts).encode()).hexdigest()}"


def _trying(key: str) -> str:
    """Where tries under way are counted."""
    return f"{key}:trying"


def _pause(key: str) -> str:
    """Where it is written until when the next attempt has to wait."""
    return f"{key}:pause"


def _written(until: datetime) -> bytes:
    return until.isoformat().encode()


def _read(until: bytes) -> datetime:
    return datetime.fromisoformat(until.decode())
