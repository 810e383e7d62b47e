"""From the confirmed order to the buyer's door, and what the buyer wants to send back."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from shop.core.checkout.books import Bookkeeping, Books
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.errors import Invalid, Malformed
from shop.core.kernel.ids import OrderId, VariantId
from shop.core.orders.model import Order, OrderState, OrderStatus, PaymentMethod, ReturnedItem
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import PaymentStatus
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork


class ReturnRefused(Invalid):
    """More is to be sent back than was bought."""

    code = "return-refused"


class Tracking(Struct, frozen=True, kw_only=True):
    """What a carrier reports."""

    status: str
    description: str
    occurred_at: datetime
    location: str = ""


class Fulfilment:
    """Each move locks its order, so that of a cancellation and a shipment one wins."""

    def __init__(self, uow: UnitOfWork, books: Bookkeeping, clock: Clock) -> None:
        self._uow = uow
        self._books = books
        self._clock = clock

    async def pack(self, caller: Caller, order_id: OrderId) -> Order:
        caller.require(Permission.ORDERS_WRITE)
        async with self._uow.begin():
            books = await self._books.open([order_id], self._clock.now())
            order, fact = books.order(order_id).pack(books.now)
            books.put(order, fact)
            return await self._write(books, order_id)

    async def ship(self, caller: Caller, order_id: OrderId, carrier: str, number: str) -> Order:
        caller.require(Permission.ORDERS_WRITE)
        async with self._uow.begin():
            books = await self._books.open([order_id], self._clock.now())
            order, fact = books.order(order_id).ship(carrier, number, books.now)
            books.put(order, fact)
            return await self._write(books, order_id)

    async def deliver(self, caller: Caller, order_id: OrderId) -> Order:
        """Cash on delivery is taken at the door."""
        caller.require(Permission.ORDERS_WRITE)
        async with self._uow.begin():
            books = await self._books.open([order_id], self._clock.now())
            order, fact = books.order(order_id).deliver(books.now)
            books.put(order, fact)
            payment = books.payments[order.payment_id]
            cash = order.payment_method is PaymentMethod.COD
            if cash and payment.status is PaymentStatus.CREATED:
                paid, captured = payment.collect(books.now)
                books.put_payment(paid, captured)
            return await self._write(books, order_id)

    async def track(self, caller: Caller, order_id: OrderId, seen: Tracking) -> Order:
        caller.require(Permission.ORDERS_WRITE)
        async with self._uow.begin():
            books = await self._books.open([order_id], self._clock.now())
            order, fact = books.order(order_id).track(
                seen.status, seen.location, seen.description, seen.occurred_at, books.now
            )
            books.put(order, fact)
            return await self._write(books, order_id)

    async def ask_return(
        self, visitor: Visitor, order_id: OrderId, items: Sequence[ReturnedItem], reason: str
    ) -> Order:
        """Note what the buyer of a delivered order wants to send back; staff sees to the rest."""
        async with self._uow.begin():
            books = await self._books.open([order_id], self._clock.now())
            order = books.order(order_id)
            visitor.to_own(order)
            if order.status is not OrderStatus.DELIVERED:
                raise OrderState("Only what was delivered can be returned.", status=order.status)
            _check(order, items)
            order, fact = order.ask_return(tuple(items), reason, books.now)
            books.put(order, fact)
            return await self._write(books, order_id)

    async def _write(self, books: Books, order_id: OrderId) -> Order:
        await self._books.write(books)
        return books.orders[order_id]


def _check(order: Order, items: Sequence[ReturnedItem]) -> None:
    if not items:
        raise Malformed("Which items?", field="items", kind="missing")
    left: dict[VariantId, int] = defaultdict(int)
    for variant, quantity in order.quantities():
        left[variant] += quantity
    for position, item in enumerate(items):
        if item.quantity < 1:
            raise Malformed("At least one.", field=f"items.{position}.quantity", kind="range")
        left[item.variant_id] -= item.quantity
        if left[item.variant_id] < 0:
            raise ReturnRefused("This is more than was bought.", variant_id=item.variant_id)
