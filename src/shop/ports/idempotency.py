"""The memory of what was already done for a caller's key."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from msgspec import Struct

from shop.core.kernel.errors import Conflict, Invalid
from shop.core.kernel.ids import OrderId


class KeyReused(Invalid):
    code = "idempotency-key-reused"


class KeyInProgress(Conflict):
    code = "idempotency-in-progress"


class IdempotencyKey(Struct, frozen=True):
    """A key belongs to its caller: `user:<id>`, or `cart:<hash of the cart token>`."""

    key: str
    caller: str


class Remembered(Struct, frozen=True, kw_only=True):
    """`answer` is the body given to the caller; None until it is known."""

    key: IdempotencyKey
    digest: bytes  # SHA-256 of method, path and raw body
    order_id: OrderId | None
    answer: bytes | None
    status: int = 201
    at: datetime


class Idempotency(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def find(self, keys: Iterable[IdempotencyKey]) -> dict[IdempotencyKey, Remembered]: ...

    @abstractmethod
    async def add(self, rows: Sequence[Remembered]) -> None:
        """Raises `StaleWrite` if one of the keys was stored meanwhile."""

    @abstractmethod
    async def answer(self, key: IdempotencyKey, answer: bytes) -> None:
        """Keep the answer of a row that had none."""

    @abstractmethod
    async def forget(self, before: datetime) -> int:
        """Drop what is older; returns how many."""


#: Whoever lost an answer asks again soon; the database knows the key for longer.
AT_HAND = timedelta(minutes=10)


class AnswerCache(Protocol):
    """Committed answers, common to all replicas; they may be forgotten at any moment.

    No call raises, and none takes longer than a moment.
    """

    @abstractmethod
    async def find(self, keys: Iterable[IdempotencyKey]) -> dict[IdempotencyKey, Remembered]: ...

    @abstractmethod
    async def keep(self, rows: Sequence[Remembered]) -> None:
        """To be told of rows with an answer, once they are committed; the first one stays."""
