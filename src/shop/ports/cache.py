"""Things that may be forgotten at any moment."""

from abc import abstractmethod
from datetime import timedelta
from typing import Protocol

from msgspec import Struct


class Cache(Protocol):
    @abstractmethod
    async def get(self, key: str) -> bytes | None: ...

    @abstractmethod
    async def put(self, key: str, value: bytes, ttl: timedelta) -> None: ...

    @abstractmethod
    async def drop(self, *keys: str) -> None: ...


class Verdict(Struct, frozen=True):
    """`wait` is 0 when allowed, else the seconds to wait; `left` is what may still be done now."""

    wait: float
    left: int
    reset: float


class RateLimiter(Protocol):
    @abstractmethod
    def hit(self, key: str, limit: int, seconds: float) -> Verdict:
        """Count one call against `limit` a `seconds`, evenly spread (GCRA)."""
