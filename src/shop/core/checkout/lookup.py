"""Who may look at which order, payment and refund."""

from collections.abc import Callable
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.access import Caller, Permission, Scope
from shop.core.kernel.ids import OrderId, PaymentId, RefundId
from shop.core.kernel.page import Page
from shop.core.orders.model import Order, OrderNotFound
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import Payment, PaymentNotFound, Refund
from shop.ports.orders import OrderFilter, OrderReads
from shop.ports.payments import PaymentReads

#: Says who looks, once it is known at which order: a guest's token opens a single one.
Looker = Callable[[OrderId], Visitor]


class Account(Struct, frozen=True):
    """An order with its money, oldest first."""

    order: Order
    payments: list[Payment]
    refunds: list[Refund]

    @property
    def payment(self) -> Payment:
        """The one that paid, else the newest."""
        return next(one for one in self.payments if one.id == self.order.payment_id)


class OrderLookup:
    def __init__(self, orders: OrderReads, payments: PaymentReads) -> None:
        self._orders = orders
        self._payments = payments

    async def mine(self, caller: Caller, limit: int, cursor: str | None) -> Page[Account]:
        """The caller's own, newest first."""
        return await self._page(OrderFilter(user_id=caller.known(Scope.ORDERS)), limit, cursor)

    async def every(
        self, caller: Caller, which: OrderFilter, limit: int, cursor: str | None
    ) -> Page[Account]:
        """Newest first."""
        caller.require(Permission.ORDERS_READ)
        return await self._page(which, limit, cursor)

    async def order(self, order_id: OrderId, looker: Looker) -> Order:
        """Raises `OrderNotFound`, also for somebody else's."""
        order = await self._orders.get(order_id)
        looker(order.id).to_see(order)
        return order

    async def account(self, order_id: OrderId, looker: Looker) -> Account:
        """Raises `OrderNotFound`, also for somebody else's."""
        return await self._account(await self.order(order_id, looker))

    async def by_number(self, number: str, looker: Looker) -> Account:
        """Raises `OrderNotFound`, also for somebody else's."""
        order = await self._orders.by_number(number)
        looker(order.id).to_see(order)
        return await self._account(order)

    async def payment(self, payment_id: PaymentId, looker: Looker) -> tuple[Payment, Account]:
        """Raises `PaymentNotFound`, also for somebody else's."""
        payment = await self._payments.get(payment_id)
        try:
            return payment, await self.account(payment.order_id, looker)
        except OrderNotFound:
            raise PaymentNotFound("There is no such payment.") from None

    async def refund(self, caller: Caller, refund_id: UUID) -> Refund:
        caller.require(Permission.ORDERS_READ)
        return await self._payments.refund(RefundId(refund_id))

    async def _account(self, order: Order) -> Account:
        refunds = (await self._payments.refunds_of([order.id])).get(order.id, [])
        return Account(order, await self._payments.of_order(order.id), refunds)

    async def _page(self, which: OrderFilter, limit: int, cursor: str | None) -> Page[Account]:
        page = await self._orders.page(which, limit, cursor)
        ids = [order.id for order in page.items]
        paid, refunds = await self._payments.of_orders(ids), await self._payments.refunds_of(ids)
        items = (Account(o, paid.get(o.id, []), refunds.get(o.id, [])) for o in page.items)
        return Page(tuple(items), page.next_cursor, page.total)
