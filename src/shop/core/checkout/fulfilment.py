"""From the confirmed order to the buyer's door, and what the buyer wants to send back."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from msgspec import Struct

from shop.core.checkout.books import Books
from shop.core.checkout.once import Attempt
from shop.core.checkout.steps import Answer, Answered, OrderSteps
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.errors import Invalid, Malformed
from shop.core.kernel.ids import OrderId
from shop.core.orders.model import Order, OrderState, OrderStatus, PaymentMethod, ReturnedItem
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import PaymentStatus

#: A carrier's clock may be wrong, or its zone: more than a day ahead is a mistake.
_CLOCKS_DIFFER = timedelta(days=1)


class ReturnRefused(Invalid):
    """More is to be sent back than was bought."""

    code = "return-refused"


class Tracking(Struct, frozen=True, kw_only=True):
    """What a carrier reports."""

    status: str
    description: str
    occurred_at: datetime
    location: str = ""


class ReturnWish(Struct, frozen=True, kw_only=True):
    """What a buyer wants to send back, and why."""

    items: tuple[ReturnedItem, ...]
    reason: str = ""


class Fulfilment:
    """Every move returns its answer, and whether that is a repeat's."""

    def __init__(self, steps: OrderSteps) -> None:
        self._steps = steps

    async def pack(
        self, caller: Caller, order_id: OrderId, answer: Answer, attempt: Attempt | None = None
    ) -> Answered:
        caller.require(Permission.ORDERS_WRITE)

        def change(books: Books) -> None:
            books.put(*books.order(order_id).pack(books.now))

        return await self._steps.take(
            order_id, change, answer, attempt, staff=(caller, "order.pack")
        )

    async def ship(
        self,
        caller: Caller,
        order_id: OrderId,
        parcel: tuple[str, str],
        answer: Answer,
        attempt: Attempt | None = None,
    ) -> Answered:
        """`parcel` is the carrier and the tracking number."""
        caller.require(Permission.ORDERS_WRITE)

        def change(books: Books) -> None:
            books.put(*books.order(order_id).ship(*parcel, books.now))

        return await self._steps.take(
            order_id, change, answer, attempt, staff=(caller, "order.ship")
        )

    async def deliver(
        self, caller: Caller, order_id: OrderId, answer: Answer, attempt: Attempt | None = None
    ) -> Answered:
        """Cash on delivery is taken at the door."""
        caller.require(Permission.ORDERS_WRITE)

        def change(books: Books) -> None:
            order, fact = books.order(order_id).deliver(books.now)
            books.put(order, fact)
            payment = books.payments[order.payment_id]
            cash = order.payment_method is PaymentMethod.COD
            if cash and payment.status is PaymentStatus.CREATED:
                paid, captured = payment.collect(books.now)
                books.put_payment(paid, captured)

        return await self._steps.take(
            order_id, change, answer, attempt, staff=(caller, "order.deliver")
        )

    async def take_back(
        self, caller: Caller, order_id: OrderId, answer: Answer, *, restock: bool
    ) -> Answered:
        """All goods came back; `restock` puts them where they can be sold again."""
        caller.require(Permission.ORDERS_WRITE)

        def change(books: Books) -> None:
            before = books.order(order_id)
            books.put(*before.take_back(books.now, restocked=restock))
            if restock:
                books.give_back(before)

        return await self._steps.take(order_id, change, answer, staff=(caller, "order.return"))

    async def track(
        self,
        caller: Caller,
        order_id: OrderId,
        seen: Tracking,
        answer: Answer,
        attempt: Attempt | None = None,
    ) -> Answered:
        """Raises `Malformed` for what would have happened in time to come, or before all time."""
        caller.require(Permission.ORDERS_WRITE)

        def change(books: Books) -> None:
            if seen.occurred_at > books.now + _CLOCKS_DIFFER:
                raise Malformed("This has not happened yet.", field="occurred_at", kind="range")
            try:
                when = seen.occurred_at.astimezone(UTC)
            except OverflowError as error:  # in the year 1, east of Greenwich
                raise Malformed(
                    "No calendar has this.", field="occurred_at", kind="range"
                ) from error
            order, fact = books.order(order_id).track(
                seen.status, seen.location, seen.description, when, books.now
            )
            books.put(order, fact)

        return await self._steps.take(
            order_id, change, answer, attempt, status=201, staff=(caller, "order.track")
        )

    async def ask_return(
        self,
        visitor: Visitor,
        order_id: OrderId,
        wish: ReturnWish,
        answer: Answer,
        attempt: Attempt | None = None,
    ) -> Answered:
        """Note what the buyer of a delivered order wants to send back; staff sees to the rest.

        Raises `OrderState` before delivery and `ReturnRefused` for more than was bought, over all
        requests.
        """

        def change(books: Books) -> None:
            order = books.order(order_id)
            visitor.to_own(order)
            if order.status is not OrderStatus.DELIVERED:
                raise OrderState("Only what was delivered can be returned.", status=order.status)
            _check(order, wish.items)
            books.put(*order.ask_return(wish.items, wish.reason, books.now))

        return await self._steps.take(order_id, change, answer, attempt, status=201)


def _check(order: Order, items: Sequence[ReturnedItem]) -> None:
    if not items:
        raise Malformed("Which items?", field="items", kind="missing")
    left = order.not_asked_back()
    for position, item in enumerate(items):
        if item.quantity < 1:
            raise Malformed("At least one.", field=f"items.{position}.quantity", kind="range")
        left[item.variant_id] -= item.quantity
        if left[item.variant_id] < 0:
            raise ReturnRefused(
                "This is more than was bought, with what you asked to return before.",
                variant_id=item.variant_id,
            )
