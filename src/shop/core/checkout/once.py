"""One command for each idempotency key, for what does not go through the checkout desk."""

from datetime import datetime

from msgspec import Struct

from shop.core.kernel.ids import OrderId
from shop.ports.idempotency import (
    Idempotency,
    IdempotencyKey,
    KeyInProgress,
    KeyReused,
    Remembered,
)


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
        if attempt is None:
            return None
        found = (await self._idempotency.find([attempt.key])).get(attempt.key)
        if found is None:
            return None
        if found.digest != attempt.digest:
            raise KeyReused("This idempotency key was used for another request.")
        if found.answer is None:
            raise KeyInProgress("The first request is still running.")
        return found.answer

    async def keep(
        self, attempt: Attempt | None, order_id: OrderId, answer: bytes, status: int, at: datetime
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
