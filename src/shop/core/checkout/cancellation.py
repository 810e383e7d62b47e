"""Ends an order before it is shipped, by its customer or by staff."""

from contextlib import suppress

from shop.core.checkout.books import Books
from shop.core.checkout.links import LinkKeeper
from shop.core.checkout.once import Attempt
from shop.core.checkout.refunds import refund_what_is_left
from shop.core.checkout.steps import Answer, Answered, OrderSteps
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.ids import OrderId
from shop.core.orders.model import OrderStatus
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import PaymentStatus
from shop.ports.orders import OrderReads
from shop.ports.payments import GatewayUnavailable, PaymentReads


class Cancellation:
    def __init__(
        self, steps: OrderSteps, keeper: LinkKeeper, orders: OrderReads, payments: PaymentReads
    ) -> None:
        self._steps = steps
        self._keeper = keeper
        self._orders = orders
        self._payments = payments

    async def by_customer(
        self, visitor: Visitor, order_id: OrderId, answer: Answer, attempt: Attempt | None = None
    ) -> Answered:
        """Returns the answer, and whether it is a repeat's. Raises `OrderState` once shipped."""
        visitor.to_own(await self._orders.get(order_id))
        return await self._cancel(order_id, ("customer", ""), answer, attempt)

    async def by_staff(
        self,
        caller: Caller,
        order_id: OrderId,
        reason: str,
        answer: Answer,
        attempt: Attempt | None = None,
    ) -> Answered:
        caller.require(Permission.ORDERS_WRITE)
        why = "shop", reason
        return await self._cancel(order_id, why, answer, attempt, (caller, "order.cancel"))

    async def _cancel(
        self,
        order_id: OrderId,
        why: tuple[str, str],
        answer: Answer,
        attempt: Attempt | None,
        staff: tuple[Caller, str] | None = None,
    ) -> Answered:
        order = await self._orders.get(order_id)
        if order.status is OrderStatus.PENDING_PAYMENT:
            # Without an answer the link is closed later; money that arrives before goes back.
            with suppress(GatewayUnavailable):
                await self._keeper.close(await self._payments.of_order(order_id))

        def change(books: Books) -> None:
            before = books.order(order_id)
            books.put(*before.cancel(*why, books.now))
            books.give_back(before)
            for payment in books.of(order_id):
                if payment.status in {PaymentStatus.CREATED, PaymentStatus.FAILED}:
                    books.put_payment(payment.close(PaymentStatus.CANCELLED))
            refund_what_is_left(books, order_id, "The order was cancelled")

        return await self._steps.take(order_id, change, answer, attempt, staff=staff)
