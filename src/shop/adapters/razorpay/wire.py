"""The gateway's entities, as far as the shop looks at them."""

from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from shop.adapters.razorpay.line import OutcomeUnknown
from shop.core.kernel.money import Money
from shop.core.payments.model import Capture, RefundStatus
from shop.ports.payments import LinkRequest

T = TypeVar("T")

#: Money that is ours; what was refunded since had been captured as well.
_TAKEN = frozenset({"captured", "refunded"})
_REFUNDS = {"processed": RefundStatus.PROCESSED, "failed": RefundStatus.FAILED}


class LinkPayment(Struct):
    payment_id: str
    amount: int
    status: str
    method: str | None = None
    created_at: int | None = None


class LinkEntity(Struct):
    id: str
    amount: int
    currency: str
    status: str
    short_url: str = ""
    reference_id: str | None = None
    order_id: str | None = None
    payments: list[LinkPayment] | None = None

    def captures(self) -> tuple[Capture, ...]:
        return tuple(
            Capture(
                provider_payment_id=one.payment_id,
                amount=Money(one.amount, self.currency),
                method=one.method,
                link_id=self.id,
                reference=self.reference_id,
                at=_moment(one.created_at),
            )
            for one in self.payments or ()
            if one.status in _TAKEN
        )


class Links(Struct):
    payment_links: list[LinkEntity]


class PaymentEntity(Struct):
    id: str
    amount: int
    currency: str
    status: str
    method: str | None = None
    created_at: int | None = None

    @property
    def taken(self) -> bool:
        return self.status in _TAKEN

    def capture(self, link: LinkEntity | None = None) -> Capture:
        return Capture(
            provider_payment_id=self.id,
            amount=Money(self.amount, self.currency),
            method=self.method,
            link_id=link.id if link else None,
            reference=link.reference_id if link else None,
            at=_moment(self.created_at),
        )


class Payments(Struct):
    items: list[PaymentEntity]


class RefundEntity(Struct):
    id: str
    amount: int
    currency: str
    payment_id: str
    status: str
    receipt: str | None = None

    @property
    def moved(self) -> RefundStatus:
        return _REFUNDS.get(self.status, RefundStatus.PENDING)


class Refunds(Struct):
    items: list[RefundEntity]


def read(answer: Any, kind: type[T]) -> T:
    """Raises `OutcomeUnknown` for JSON of another shape, as of a proxy in between."""
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as error:
        raise OutcomeUnknown("The payment gateway gave no answer to rely on.") from error


def link_body(request: LinkRequest, expire_by: datetime) -> dict[str, Any]:
    """The notes come back with each payment's webhooks, the reference id with the link's only."""
    return {
        "amount": request.amount.amount,
        "currency": request.amount.currency,
        "accept_partial": False,
        "description": request.description[:2048],
        "reference_id": request.reference,
        "customer": {"name": request.name, "email": request.email, "contact": request.phone},
        "notify": {"sms": False, "email": False},
        "reminder_enable": False,
        "notes": {"reference": request.reference},
        "callback_url": request.callback_url,
        "callback_method": "get",
        "expire_by": int(expire_by.timestamp()),
    }


def _moment(seconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
