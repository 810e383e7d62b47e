"""Orders, payments and refunds as the API shows them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from msgspec import UNSET, Struct, UnsetType

from shop.core.kernel.breakdown import Breakdown
from shop.core.kernel.money import Money
from shop.core.kernel.postal import PostalAddress
from shop.core.orders.model import Order, OrderStatus, TimelineEntry
from shop.core.payments.model import UNPAID, Payment, Refund


class OrderItemView(Struct):
    variant_id: UUID
    title: str
    variant_title: str
    sku: str
    quantity: int
    price_at_purchase: Money
    tax: Money


class TimelineView(Struct):
    """`seq` counts from 1 and is the id of a live event."""

    seq: int
    at: datetime
    kind: str
    status: str
    description: str
    location: str

    @classmethod
    def of(cls, entry: TimelineEntry) -> "TimelineView":
        return cls(entry.seq, entry.at, entry.kind, entry.status, entry.description, entry.location)


class TrackingView(Struct):
    carrier: str | None
    number: str | None
    events: list[TimelineView]

    @classmethod
    def of(cls, order: Order) -> "TrackingView":
        seen = [TimelineView.of(entry) for entry in order.timeline if entry.kind == "tracking"]
        return cls(carrier=order.carrier, number=order.tracking_number, events=seen)


class OrderView(Struct):
    """`payment_link` is where an unpaid order is paid, None when there is nothing to pay."""

    id: UUID
    number: str
    status: str
    payment_status: str
    items: list[OrderItemView]
    breakdown: Breakdown
    total_amount: Money
    payment_method: str
    shipping_address: PostalAddress
    tracking: TrackingView
    invoice_number: str | None
    payment_id: UUID
    payment_link: str | None
    refund_ids: list[UUID]
    timeline: list[TimelineView]
    placed_at: datetime

    @classmethod
    def of(
        cls, order: Order, payments: Sequence[Payment], refunds: Sequence[Refund] = ()
    ) -> "OrderView":
        currency = order.breakdown.total.currency
        return cls(
            id=order.id,
            number=order.number,
            status=order.status,
            payment_status=order.payment_status,
            items=[
                OrderItemView(
                    variant_id=line.variant_id,
                    title=line.title,
                    variant_title=line.variant_title,
                    sku=line.sku,
                    quantity=line.quantity,
                    price_at_purchase=Money(line.unit_price, currency),
                    tax=Money(line.tax, currency),
                )
                for line in order.lines
            ],
            breakdown=order.breakdown,
            total_amount=order.breakdown.total,
            payment_method=order.payment_method,
            shipping_address=order.shipping_address,
            tracking=TrackingView.of(order),
            invoice_number=order.invoice_number,
            payment_id=order.payment_id,
            payment_link=link_of(order, payments),
            refund_ids=[refund.id for refund in refunds],
            timeline=[TimelineView.of(entry) for entry in order.timeline],
            placed_at=order.placed_at,
        )


def link_of(order: Order, payments: Sequence[Payment]) -> str | None:
    if order.status is not OrderStatus.PENDING_PAYMENT:
        return None
    for payment in payments:
        if payment.id == order.payment_id and payment.status in UNPAID:
            return payment.link_url
    return None


class PaymentRef(Struct):
    """`url` is where to pay; None when there is nothing to pay, or not yet a link."""

    id: UUID
    status: str
    url: str | None


class CheckoutView(Struct):
    """`order_token` opens a guest's order, and nothing else does."""

    order: OrderView
    payment: PaymentRef
    order_token: str | UnsetType = UNSET

    @classmethod
    def of(cls, view: OrderView, order_token: str | UnsetType = UNSET) -> "CheckoutView":
        payment = PaymentRef(view.payment_id, view.payment_status, view.payment_link)
        return cls(order=view, payment=payment, order_token=order_token)


class RefundView(Struct):
    id: UUID
    order_id: UUID
    payment_id: UUID
    status: str
    amount: Money
    reason: str
    provider_refund_id: str | None
    requested_at: datetime
    processed_at: datetime | None
    error: str | None

    @classmethod
    def of(cls, refund: Refund) -> "RefundView":
        return cls(
            id=refund.id,
            order_id=refund.order_id,
            payment_id=refund.payment_id,
            status=refund.status,
            amount=refund.amount,
            reason=refund.reason,
            provider_refund_id=refund.provider_refund_id,
            requested_at=refund.requested_at,
            processed_at=refund.processed_at,
            error=refund.error,
        )


class PaymentView(Struct):
    """`amount` is in the minor unit of `currency`."""

    id: UUID
    order_id: UUID
    provider_payment_id: str | None
    status: str
    amount: int
    currency: str
    invoice_number: str | None
    method: str
    refunds: list[RefundView]

    @classmethod
    def of(cls, payment: Payment, order: Order, refunds: Sequence[Refund]) -> "PaymentView":
        invoice = order.invoice_number if order.payment_id == payment.id else None
        return cls(
            id=payment.id,
            order_id=payment.order_id,
            provider_payment_id=payment.provider_payment_id,
            status=payment.status,
            amount=payment.amount.amount,
            currency=payment.amount.currency,
            invoice_number=invoice,
            method=payment.provider_method or payment.method,
            refunds=[RefundView.of(one) for one in refunds if one.payment_id == payment.id],
        )
