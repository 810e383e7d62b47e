"""Ends orders that were not paid in time."""

from itertools import chain

from shop.core.checkout.books import Bookkeeping
from shop.core.checkout.links import LinkKeeper
from shop.core.kernel.ids import OrderId
from shop.core.kernel.insisting import insist
from shop.core.orders.model import OrderStatus
from shop.core.payments.model import PaymentStatus
from shop.ports.orders import OrderReads
from shop.ports.payments import PaymentReads
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork

_BATCH = 50


class Expiry:
    """The link is closed at the gateway first: a payment under way wins over the clock."""

    def __init__(
        self,
        uow: UnitOfWork,
        books: Bookkeeping,
        keeper: LinkKeeper,
        orders: OrderReads,
        payments: PaymentReads,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._books = books
        self._keeper = keeper
        self._orders = orders
        self._payments = payments
        self._clock = clock

    async def run_once(self) -> int:
        """Expire what is overdue; returns how many orders. A gateway that is down delays it."""
        late = await self._orders.overdue(self._clock.now(), _BATCH)
        payments = await self._payments.of_orders([order.id for order in late])
        silent = await self._keeper.close_all(chain.from_iterable(payments.values()))
        closed = [order.id for order in late if order.id not in silent]
        return await insist(lambda: self._expire(closed)) if closed else 0

    async def _expire(self, order_ids: list[OrderId]) -> int:
        expired = 0
        async with self._uow.begin():
            books = await self._books.open(order_ids, self._clock.now())
            for before in list(books.orders.values()):
                if before.status is not OrderStatus.PENDING_PAYMENT:
                    continue  # paid or cancelled meanwhile
                if before.hold_until is None or before.hold_until > books.now:
                    continue
                order, fact = before.expire(books.now)
                books.put(order, fact)
                books.give_back(before)
                for payment in books.of(order.id):
                    if payment.status in {PaymentStatus.CREATED, PaymentStatus.FAILED}:
                        books.put_payment(payment.close(PaymentStatus.EXPIRED))
                expired += 1
            await self._books.write(books)
        return expired
