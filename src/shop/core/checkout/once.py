"""One command for each idempotency key, for what does not go through the checkout desk."""

from datetime import datetime, timedelta

from msgspec import Struct

from shop.core.kernel.ids import OrderId
from shop.ports.idempotency import (
    Idempotency,
    IdempotencyKey,
    KeyInProgress,
    KeyReused,
    Remembered,
)

#: A request that has not answered after this long is taken to be dead.
LEASE = timedelta(seconds=15)


class Attempt(Struct, frozen=True, kw_only=True):
    """`digest` is the SHA-256 of method, path and raw body."""

    key: IdempotencyKey
    digest: bytes


class Once:
    """Call only inside the open unit of work that does the command."""

    def __init__(self, idempotency: Idempotency) -> None:
        self._idempotency = idempotency

    async def answered(self, attempt: Attempt | None) -> bytes | None:
        """What the key was answered with before. Raises `KeyReused` for another request."""
        found = await self._find(attempt)
        if found is None:
            return None
        if found.answer is None:
            raise KeyInProgress("The first request is still running.")
        return found.answer

    async def abandoned(self, attempt: Attempt | None, now: datetime) -> bool:
        """Whether the key's first request did its work, and died before it knew its answer."""
        found = await self._find(attempt)
        return found is not None and found.answer is None and found.at + LEASE <= now

    async def _find(self, attempt: Attempt | None) -> Remembered | None:
        if attempt is None:
            return None
        found = (await self._idempotency.find([attempt.key])).get(attempt.key)
        if found is not None and found.digest != attempt.digest:
            raise KeyReused("This idempotency key was used for another request.")
        return found

    async def finish(self, attempt: Attempt | None, answer: bytes) -> None:
        """Keep the answer of a row that `keep` wrote without one."""
        if attempt is not None:
            await self._idempotency.answer(attempt.key, answer)

    async def keep(
        self,
        attempt: Attempt | None,
        order_id: OrderId,
        answer: bytes | None,
        status: int,
        at: datetime,
    ) -> None:
        if attempt is not None:
            row = Remembered(
                key=attempt.key,
                digest=attempt.digest,
                order_id=order_id,
                answer=answer,
                status=status,
                at=at,
            )
            await self._idempotency.add([row])
