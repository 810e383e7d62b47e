"""Things that may be forgotten at any moment."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from msgspec import Struct


class Cache(Protocol):
    """Common to all replicas where it is a server's. A server that is away or slow has nothing and
    keeps nothing: no call raises, and none takes longer than a moment."""

    @abstractmethod
    async def get(self, key: str) -> bytes | None: ...

    @abstractmethod
    async def put(self, key: str, value: bytes, ttl: timedelta) -> None: ...

    @abstractmethod
    async def add(self, key: str, value: bytes, ttl: timedelta) -> bool:
        """Put, unless there is a value; of many who add at once, one is told that it did."""

    @abstractmethod
    async def announce(
        self, keys: Sequence[str], value: bytes, ttl: timedelta, *, stale: timedelta
    ) -> None:
        """Put under each of the keys, and return when nobody can read an older value any more.

        `stale` is how long an older value lives at most: so long it takes when the cache cannot
        be told.
        """

    @abstractmethod
    async def drop(self, *keys: str) -> None: ...


class SteadyCache(Cache, Protocol):
    """For what must go on without the server, each process for itself: counting who guesses."""

    @abstractmethod
    async def count(self, key: str, ttl: timedelta) -> int:
        """One more under the key, kept for so long from now on; how many there are now.

        `get` gives the number in ASCII digits.
        """

    @abstractmethod
    async def discount(self, key: str) -> None:
        """One less under the key, if there is any. How long it is kept stays the same."""


class Verdict(Struct, frozen=True):
    """`wait` is 0 when allowed, else the seconds to wait; `left` is what may still be done now."""

    wait: float
    left: int
    reset: float


class RateLimiter(Protocol):
    @abstractmethod
    async def hit(self, key: str, limit: int, seconds: float) -> Verdict:
        """Count one call against `limit` a `seconds`, evenly spread (GCRA)."""
