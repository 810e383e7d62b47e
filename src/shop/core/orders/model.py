"""The order aggregate and its states."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shop.core.kernel.breakdown import Breakdown
from shop.core.kernel.errors import Conflict, NotFound
from shop.core.kernel.events import Event
from shop.core.kernel.ids import OrderId, PaymentId, ProductId, UserId, VariantId
from shop.core.kernel.money import Money
from shop.core.kernel.postal import PostalAddress


class OrderStatus(StrEnum):
    PENDING_PAYMENT = "pending_payment"
    CONFIRMED = "confirmed"
    PACKED = "packed"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    RETURNED = "returned"


class PaymentMethod(StrEnum):
    ONLINE = "online"
    COD = "cod"


#: Every move there is; all others are refused. `expired → confirmed` is the late payment.
MOVES: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING_PAYMENT: frozenset(
        {OrderStatus.CONFIRMED, OrderStatus.CANCELLED, OrderStatus.EXPIRED}
    ),
    OrderStatus.CONFIRMED: frozenset({OrderStatus.PACKED, OrderStatus.CANCELLED}),
    OrderStatus.PACKED: frozenset({OrderStatus.SHIPPED, OrderStatus.CANCELLED}),
    OrderStatus.SHIPPED: frozenset({OrderStatus.DELIVERED}),
    OrderStatus.DELIVERED: frozenset({OrderStatus.RETURNED}),
    OrderStatus.EXPIRED: frozenset({OrderStatus.CONFIRMED}),
    OrderStatus.CANCELLED: frozenset(),
    OrderStatus.RETURNED: frozenset(),
}
#: The goods of these orders have left the shelf for good.
SOLD = frozenset(
    {OrderStatus.CONFIRMED, OrderStatus.PACKED, OrderStatus.SHIPPED, OrderStatus.DELIVERED}
)


#: Goods of these orders are still to arrive, or to be paid.
OPEN = frozenset(
    {
        OrderStatus.PENDING_PAYMENT,
        OrderStatus.CONFIRMED,
        OrderStatus.PACKED,
        OrderStatus.SHIPPED,
    }
)


#: What the timeline says of a refund; the reason follows while the buyer has an account.
REFUND_ASKED = "Refund asked for"


class OrderNotFound(NotFound):
    code = "order-not-found"


class OrderState(Conflict):
    """The state machine knows no such move."""

    code = "order-state"


class PriceChanged(Conflict):
    code = "price-changed"


class OrderLine(Struct, frozen=True, kw_only=True):
    """What was sold and for how much: a copy, since products change. Amounts in minor units."""

    variant_id: VariantId
    product_id: ProductId
    title: str
    variant_title: str
    sku: str
    hsn: str
    tax_basis_points: int
    quantity: int
    unit_price: int
    discount: int
    tax: int

    @property
    def total(self) -> int:
        return self.unit_price * self.quantity


class TimelineEntry(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that happened to an order; `seq` counts from 1 and resumes a live stream."""

    seq: int
    at: datetime
    kind: str  # "status", "tracking", "refund", "return", "payment"
    status: str
    description: str = ""
    location: str = ""
    amount: int = 0  # of a refund in the order's currency, in minor units


class _OrderEvent(Event, frozen=True, kw_only=True):
    aggregate = "order"
    topic = "shop.orders"

    order_id: OrderId
    number: str

    @property
    def subject(self) -> UUID:
        return self.order_id


class SoldUnit(Struct, frozen=True, kw_only=True):
    variant_id: VariantId
    quantity: int
    unit_price: int


class OrderPlaced(_OrderEvent, frozen=True, kw_only=True):
    """The order exists and holds its stock; a paid one waits for its money. Without an account
    `user_id` is null.
    """

    fact = "placed"

    user_id: UserId | None
    payment_method: PaymentMethod
    total: Money
    lines: tuple[SoldUnit, ...]


class OrderConfirmed(_OrderEvent, frozen=True, kw_only=True):
    """The order is paid, or will be on delivery: it has its invoice, and its stock is sold."""

    fact = "confirmed"

    payment_id: PaymentId
    invoice_number: str
    total: Money


class OrderPacked(_OrderEvent, frozen=True, kw_only=True):
    """Staff packed the goods."""

    fact = "packed"


class OrderShipped(_OrderEvent, frozen=True, kw_only=True):
    """The goods are with the carrier."""

    fact = "shipped"

    carrier: str
    tracking_number: str


class OrderDelivered(_OrderEvent, frozen=True, kw_only=True):
    """The goods have arrived."""

    fact = "delivered"


class OrderTracked(_OrderEvent, frozen=True, kw_only=True):
    """The carrier, or staff, said where the goods are."""

    fact = "tracked"

    status: str
    location: str
    description: str
    occurred_at: datetime


class ReturnedItem(Struct, frozen=True, kw_only=True):
    variant_id: VariantId
    quantity: int


class OrderReturnRequested(_OrderEvent, frozen=True, kw_only=True):
    """The customer wants to send goods back; nothing is refunded by that alone."""

    fact = "return_requested"

    items: tuple[ReturnedItem, ...]
    reason: str


class OrderReturned(_OrderEvent, frozen=True, kw_only=True):
    """All of the goods came back, `restocked` if they can be sold again. Refunds have events of
    their own.
    """

    fact = "returned"

    restocked: bool


class OrderCancelled(_OrderEvent, frozen=True, kw_only=True):
    """The order is off and its stock is free; money that was paid goes back."""

    fact = "cancelled"

    reason: str


class OrderExpired(_OrderEvent, frozen=True, kw_only=True):
    """Nobody paid in time; the stock is free. Money that comes later revives the order, or goes
    back.
    """

    fact = "expired"


class Order(Struct, frozen=True, kw_only=True):
    """What somebody bought. Every change returns a new order and the event it caused.

    `asked_back` is what the buyer wished to return, request by request. `hold_until` is when an
    unpaid order gives its stock back. `payment_status` and `refunded` repeat what the payments say,
    so that lists need no join.
    """

    id: OrderId
    number: str
    user_id: UserId | None
    email: str
    lines: tuple[OrderLine, ...]
    breakdown: Breakdown
    shipping_address: PostalAddress
    billing_address: PostalAddress | None
    shipping_method: str
    payment_method: PaymentMethod
    payment_id: PaymentId
    placed_at: datetime
    hold_until: datetime | None
    status: OrderStatus = OrderStatus.PENDING_PAYMENT
    payment_status: str = "created"
    confirmed_at: datetime | None = None
    invoice_number: str | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    refunded: int = 0
    asked_back: tuple[ReturnedItem, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    version: int = 0

    @classmethod
    def place(cls, order: "Order") -> tuple["Order", OrderPlaced]:
        """Begin the life of a new, unpaid order."""
        placed = order.note(order.placed_at, "status", order.status, "Order placed")
        return placed, OrderPlaced(
            order_id=order.id,
            number=order.number,
            user_id=order.user_id,
            payment_method=order.payment_method,
            total=order.breakdown.total,
            lines=tuple(
                SoldUnit(variant_id=i.variant_id, quantity=i.quantity, unit_price=i.unit_price)
                for i in order.lines
            ),
            at=order.placed_at,
        )

    def confirm(
        self, payment: PaymentId, invoice: str, at: datetime
    ) -> tuple["Order", OrderConfirmed]:
        """Accept the order for good: it is paid, or to be paid on delivery."""
        moved = self._move(OrderStatus.CONFIRMED, at, "Order confirmed")
        moved = replace(
            moved, payment_id=payment, invoice_number=invoice, confirmed_at=at, hold_until=None
        )
        return moved, OrderConfirmed(
            order_id=self.id,
            number=self.number,
            payment_id=payment,
            invoice_number=invoice,
            total=self.breakdown.total,
            at=at,
        )

    def pack(self, at: datetime) -> tuple["Order", OrderPacked]:
        moved = self._move(OrderStatus.PACKED, at, "Packed")
        return moved, OrderPacked(order_id=self.id, number=self.number, at=at)

    def ship(self, carrier: str, number: str, at: datetime) -> tuple["Order", OrderShipped]:
        moved = self._move(OrderStatus.SHIPPED, at, f"Handed to {carrier}")
        return replace(moved, carrier=carrier, tracking_number=number), OrderShipped(
            order_id=self.id, number=self.number, carrier=carrier, tracking_number=number, at=at
        )

    def deliver(self, at: datetime) -> tuple["Order", OrderDelivered]:
        moved = self._move(OrderStatus.DELIVERED, at, "Delivered")
        return moved, OrderDelivered(order_id=self.id, number=self.number, at=at)

    def take_back(self, at: datetime, *, restocked: bool) -> tuple["Order", OrderReturned]:
        moved = self._move(OrderStatus.RETURNED, at, "Returned")
        return moved, OrderReturned(
            order_id=self.id, number=self.number, restocked=restocked, at=at
        )

    def cancel(self, by: str, reason: str, at: datetime) -> tuple["Order", OrderCancelled]:
        """`by` is the customer or the shop."""
        who = f"Cancelled by the {by}"
        moved = self._move(OrderStatus.CANCELLED, at, f"{who}: {reason}" if reason else who)
        return replace(moved, hold_until=None), OrderCancelled(
            order_id=self.id, number=self.number, reason=reason or who, at=at
        )

    def expire(self, at: datetime) -> tuple["Order", OrderExpired]:
        """Give up waiting for the payment."""
        moved = self._move(OrderStatus.EXPIRED, at, "The payment did not arrive in time")
        return replace(moved, hold_until=None), OrderExpired(
            order_id=self.id, number=self.number, at=at
        )

    def track(
        self, status: str, location: str, description: str, occurred_at: datetime, at: datetime
    ) -> tuple["Order", OrderTracked]:
        """Add what the carrier reports; only a shipped or delivered order has a carrier."""
        if self.status not in {OrderStatus.SHIPPED, OrderStatus.DELIVERED}:
            raise self._refusal("tracked")
        noted = self.note(occurred_at, "tracking", status, description, location)
        return noted, OrderTracked(
            order_id=self.id,
            number=self.number,
            status=status,
            location=location,
            description=description,
            occurred_at=occurred_at,
            at=at,
        )

    def ask_return(
        self, items: tuple[ReturnedItem, ...], reason: str, at: datetime
    ) -> tuple["Order", OrderReturnRequested]:
        titles = {line.variant_id: line.title for line in self.lines}
        what = ", ".join(f"{item.quantity} x {titles[item.variant_id]}" for item in items)
        noted = self.note(at, "return", "requested", f"{what}: {reason}" if reason else what)
        return replace(noted, asked_back=(*self.asked_back, *items)), OrderReturnRequested(
            order_id=self.id, number=self.number, items=items, reason=reason, at=at
        )

    def paid(self, status: str, *, refunded: int = 0) -> "Order":
        """Repeat what the payment says."""
        return replace(self, payment_status=status, refunded=refunded)

    def forget_buyer(self) -> "Order":
        """Without the person. Name and address stay where an invoice shows them, nothing else."""
        invoiced = self.invoice_number is not None
        billing = self.billing_address
        return replace(
            self,
            user_id=None,
            email="",
            shipping_address=_forgotten(self.shipping_address, invoiced=invoiced),
            billing_address=_forgotten(billing, invoiced=invoiced) if billing else None,
            timeline=tuple(_unsaid(entry) for entry in self.timeline),
        )

    def quantities(self) -> Iterable[tuple[VariantId, int]]:
        return ((line.variant_id, line.quantity) for line in self.lines)

    def not_asked_back(self) -> defaultdict[VariantId, int]:
        """How much of what was bought the buyer has not asked to return yet."""
        left: defaultdict[VariantId, int] = defaultdict(int)
        for variant, quantity in self.quantities():
            left[variant] += quantity
        for item in self.asked_back:
            left[item.variant_id] -= item.quantity
        return left

    def _move(self, to: OrderStatus, at: datetime, description: str) -> "Order":
        if to not in MOVES[self.status]:
            raise self._refusal(to)
        return replace(self, status=to).note(at, "status", to, description)

    def _refusal(self, to: str) -> OrderState:
        return OrderState(
            f"An order that is {self.status.replace('_', ' ')} cannot become {to}.",
            status=self.status,
            wanted=to,
        )

    def note(
        self,
        at: datetime,
        kind: str,
        status: str,
        description: str,
        location: str = "",
        amount: int = 0,
    ) -> "Order":
        """Add a line to the timeline that is no move of its own."""
        entry = TimelineEntry(
            seq=len(self.timeline) + 1,
            at=at,
            kind=kind,
            status=status,
            description=description,
            location=location,
            amount=amount,
        )
        return replace(self, timeline=(*self.timeline, entry))


def _forgotten(address: PostalAddress, *, invoiced: bool) -> PostalAddress:
    if invoiced:
        return replace(address, phone="")
    return replace(address, name="", phone="", street="", city="", zipcode="")


def _unsaid(entry: TimelineEntry) -> TimelineEntry:
    """People give their reasons in their own words."""
    if entry.kind == "return":
        return replace(entry, description="")
    if entry.kind == "refund" and entry.status == "requested":
        return replace(entry, description=REFUND_ASKED)
    if entry.status == OrderStatus.CANCELLED:
        return replace(entry, description="Cancelled")
    return entry
