"""Idempotency keys, in memory."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from shop.adapters.memory.store import MemoryUnitOfWork
from shop.core.kernel.errors import StaleWrite
from shop.ports.idempotency import (
    AT_HAND,
    AnswerCache,
    Idempotency,
    IdempotencyKey,
    Remembered,
)
from shop.ports.system import Clock


class MemoryIdempotency(Idempotency):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def find(self, keys: Iterable[IdempotencyKey]) -> dict[IdempotencyKey, Remembered]:
        have = self._uow.table("idempotency")
        return {key: have[key] for key in keys if key in have}

    async def add(self, rows: Sequence[Remembered]) -> None:
        have = self._uow.table("idempotency")
        for row in rows:
            if row.key in have:
                raise StaleWrite("Somebody else used this idempotency key first.")
            have[row.key] = row

    async def answer(self, key: IdempotencyKey, answer: bytes) -> None:
        have = self._uow.table("idempotency")
        if key in have and have[key].answer is None:
            have[key] = replace(have[key], answer=answer)

    async def forget(self, before: datetime) -> int:
        have = self._uow.table("idempotency")
        old = [key for key, row in have.items() if row.at < before]
        for key in old:
            del have[key]
        return len(old)


class MemoryAnswerCache(AnswerCache):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[IdempotencyKey, tuple[Remembered, datetime]] = {}

    async def find(self, keys: Iterable[IdempotencyKey]) -> dict[IdempotencyKey, Remembered]:
        now = self._clock.now()
        self._kept = {key: kept for key, kept in self._kept.items() if kept[1] > now}
        return {key: self._kept[key][0] for key in keys if key in self._kept}

    async def keep(self, rows: Sequence[Remembered]) -> None:
        for row in rows:
            self._kept.setdefault(row.key, (row, self._clock.now() + AT_HAND))
