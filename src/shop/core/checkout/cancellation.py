"""Ends an order before it is shipped, by its customer or by staff."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from shop.core.checkout.books import Bookkeeping
from shop.core.checkout.links import LinkKeeper
from shop.core.checkout.once import Attempt, Once
from shop.core.checkout.refunds import refund_what_is_left
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.ids import OrderId
from shop.core.orders.model import Order, OrderStatus
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import Payment, PaymentStatus, Refund
from shop.ports.orders import OrderReads
from shop.ports.payments import GatewayUnavailable, PaymentReads
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork

Answer = Callable[[Order, Sequence[Payment], Sequence[Refund]], bytes]


class Cancellation:
    def __init__(
        self,
        uow: UnitOfWork,
        books: Bookkeeping,
        keeper: LinkKeeper,
        once: Once,
        orders: OrderReads,
        payments: PaymentReads,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._books = books
        self._keeper = keeper
        self._once = once
        self._orders = orders
        self._payments = payments
        self._clock = clock

    async def by_customer(
        self, visitor: Visitor, order_id: OrderId, answer: Answer, attempt: Attempt | None = None
    ) -> tuple[bytes, bool]:
        """Returns the answer, and whether it is a repeat's. Raises `OrderState` once shipped."""
        visitor.to_own(await self._orders.get(order_id))
        return await self._cancel(order_id, "Cancelled by the customer", answer, attempt)

    async def by_staff(
        self,
        caller: Caller,
        order_id: OrderId,
        reason: str,
        answer: Answer,
        attempt: Attempt | None = None,
    ) -> tuple[bytes, bool]:
        caller.require(Permission.ORDERS_WRITE)
        return await self._cancel(order_id, reason or "Cancelled by the shop", answer, attempt)

    async def _cancel(
        self, order_id: OrderId, reason: str, answer: Answer, attempt: Attempt | None
    ) -> tuple[bytes, bool]:
        order = await self._orders.get(order_id)
        if order.status is OrderStatus.PENDING_PAYMENT:
            # Without an answer the link is closed later; money that arrives before goes back.
            with suppress(GatewayUnavailable):
                await self._keeper.close(await self._payments.of_order(order_id))
        earlier = (await self._payments.refunds_of([order_id])).get(order_id, [])
        async with self._uow.begin():
            known = await self._once.answered(attempt)
            if known is not None:
                return known, True
            books = await self._books.open([order_id], self._clock.now())
            before = books.order(order_id)
            order, fact = before.cancel(reason, books.now)
            books.put(order, fact)
            books.give_back(before)
            for payment in books.of(order_id):
                if payment.status in {PaymentStatus.CREATED, PaymentStatus.FAILED}:
                    books.put_payment(payment.close(PaymentStatus.CANCELLED))
            refund_what_is_left(books, order_id, "The order was cancelled")
            await self._books.write(books)
            refunds = [*earlier, *books.new_refunds.values()]
            body = answer(books.orders[order_id], books.of(order_id), refunds)
            await self._once.keep(attempt, order_id, body, 200, books.now)
        return body, False
