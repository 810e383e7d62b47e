"""Forgets what serves nobody any more."""

from datetime import timedelta

from shop.ports.cart import Carts
from shop.ports.idempotency import Idempotency
from shop.ports.payments import WebhookLog
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork

#: How long a cart nobody touches is kept, and how long a key is remembered.
CARTS_KEPT = timedelta(days=60)
KEYS_KEPT = timedelta(hours=24)
#: Gateways repeat a webhook for a day or so; what comes later is judged by what it says.
WEBHOOKS_KEPT = timedelta(days=30)
_BATCH = 500


class CheckoutTidying:
    def __init__(
        self,
        uow: UnitOfWork,
        carts: Carts,
        idempotency: Idempotency,
        webhooks: WebhookLog,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._carts = carts
        self._idempotency = idempotency
        self._webhooks = webhooks
        self._clock = clock

    async def tidy(self) -> int:
        """Drop old carts and ids of webhooks, a bounded number at a time, and keys that have run
        out; returns how many of the former."""
        now = self._clock.now()
        async with self._uow.begin():
            carts = await self._carts.forget(now - CARTS_KEPT, _BATCH)
            webhooks = await self._webhooks.forget(now - WEBHOOKS_KEPT, _BATCH)
            await self._idempotency.forget(now - KEYS_KEPT)
        return carts + webhooks
