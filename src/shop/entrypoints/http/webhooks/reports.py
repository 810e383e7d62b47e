"""What a webhook of Razorpay's says, in our words."""

import hashlib
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct, field

from shop.core.checkout.settlement import AttemptFailed, Captured, Promised, RefundMoved, Report
from shop.core.kernel.errors import Malformed, ShopError
from shop.core.kernel.ids import PaymentId
from shop.core.kernel.money import Money
from shop.core.payments.model import Capture, RefundStatus

_LONGEST_ID = 64
_MONEY_IS_THERE = frozenset({"captured", "refunded"})
_REFUND_EVENTS = {
    "refund.processed": RefundStatus.PROCESSED,
    "refund.failed": RefundStatus.FAILED,
}


class _Payment(Struct):
    id: str
    amount: int
    currency: str
    status: str
    method: str | None = None
    notes: Any = None  # an object, or an empty list


class _Link(Struct):
    id: str
    reference_id: str | None = None


class _Refund(Struct):
    id: str


class _PaymentBox(Struct):
    entity: _Payment


class _LinkBox(Struct):
    entity: _Link


class _RefundBox(Struct):
    entity: _Refund


class _Payload(Struct):
    payment: _PaymentBox | None = None
    payment_link: _LinkBox | None = None
    refund: _RefundBox | None = None


class _Event(Struct):
    event: str
    payload: _Payload = field(default_factory=_Payload)


_decoder = msgspec.json.Decoder(_Event)


def report_of(body: bytes, event_id: str | None, correlation: str) -> Report:
    """Raises `Malformed` for what is no event; one that means nothing to us is a bare `Report`."""
    try:
        event = _decoder.decode(body)
    except msgspec.DecodeError as error:
        raise Malformed("This is no webhook event.", field="", kind="format") from error
    known = _event_id(event_id)
    payload = event.payload
    payment = payload.payment.entity if payload.payment else None
    link = payload.payment_link.entity if payload.payment_link else None
    if event.event in _REFUND_EVENTS and payload.refund:
        return RefundMoved(
            provider_refund_id=payload.refund.entity.id,
            status=_REFUND_EVENTS[event.event],
            event_id=known,
            correlation=correlation,
        )
    if payment is None:
        return Report(event_id=known, correlation=correlation)
    reference = _reference(link, payment)
    if payment.status in _MONEY_IS_THERE and not event.event.startswith("refund."):
        return Captured(
            payment_id=reference,
            capture=_capture(payment, link),
            event_id=known,
            correlation=correlation,
        )
    if event.event == "payment.failed" and reference is not None:
        return AttemptFailed(payment_id=reference, event_id=known, correlation=correlation)
    if event.event == "payment.authorized" and reference is not None:
        return Promised(payment_id=reference, event_id=known, correlation=correlation)
    return Report(event_id=known, correlation=correlation)


def _capture(payment: _Payment, link: _Link | None) -> Capture:
    try:
        amount = Money(payment.amount, payment.currency)
    except ShopError as error:
        raise Malformed("This is no amount.", field="payload.payment", kind="range") from error
    return Capture(
        provider_payment_id=payment.id,
        amount=amount,
        method=payment.method,
        link_id=link.id if link else None,
    )


def _reference(link: _Link | None, payment: _Payment) -> PaymentId | None:
    """A bare payment event carries our reference in its notes, where the link put it."""
    text = link.reference_id if link else None
    if text is None and isinstance(payment.notes, dict):
        text = payment.notes.get("reference")
    return payment_id_of(text)


def payment_id_of(text: Any) -> PaymentId | None:
    try:
        return PaymentId(UUID(hex=text))
    except (ValueError, AttributeError, TypeError):
        return None


def _event_id(event_id: str | None) -> str | None:
    if not event_id:
        return None
    fits = len(event_id) <= _LONGEST_ID and event_id.isascii()
    return event_id if fits else hashlib.sha256(event_id.encode("utf-8", "replace")).hexdigest()
