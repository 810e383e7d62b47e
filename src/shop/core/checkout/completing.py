"""The second half of a checkout whose gateway had to be asked for the link."""

import asyncio

from shop.core.checkout.links import LinkKeeper
from shop.core.checkout.replies import Placed
from shop.core.kernel.ids import OrderId, PaymentId
from shop.ports.checkout import Answers
from shop.ports.idempotency import Idempotency, IdempotencyKey
from shop.ports.orders import Orders
from shop.ports.payments import GatewayUnavailable, Payments
from shop.ports.uow import UnitOfWork

#: Seconds a buyer waits for the gateway; later the order's `payment_link` follows.
PATIENCE = 3.0


class Completion:
    """The order is durable already: whatever happens here, it is found again by its key."""

    def __init__(
        self,
        uow: UnitOfWork,
        orders: Orders,
        payments: Payments,
        keeper: LinkKeeper,
        idempotency: Idempotency,
        answers: Answers,
    ) -> None:
        self._uow = uow
        self._orders = orders
        self._payments = payments
        self._keeper = keeper
        self._idempotency = idempotency
        self._answers = answers

    async def finish(self, placed: Placed, key: IdempotencyKey) -> bytes:
        """Ask for the link, for a while, and keep the answer under its key."""
        if placed.body is not None:
            return placed.body
        if placed.payment_id is not None:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._make(placed.order_id, placed.payment_id)
            except (TimeoutError, GatewayUnavailable):
                pass  # `PaymentLinks.create_missing` goes on trying
        async with self._uow.begin():
            order = await self._orders.get(placed.order_id)
            payments = await self._payments.of_orders([order.id])
            body = self._answers.placed(order, payments.get(order.id, []))
            await self._idempotency.answer(key, body)
        return body

    async def _make(self, order_id: OrderId, payment_id: PaymentId) -> None:
        async with self._uow.begin():
            order = await self._orders.get(order_id)
            payment = await self._payments.get(payment_id)
        await self._keeper.make(order, payment)
