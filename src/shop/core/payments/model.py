"""Payments and refunds. Money that has arrived is never dropped: it pays, or it goes back."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shop.core.kernel.errors import Conflict, Invalid, NotFound
from shop.core.kernel.events import Event
from shop.core.kernel.ids import OrderId, PaymentId, RefundId
from shop.core.kernel.money import Money


class PaymentStatus(StrEnum):
    CREATED = "created"
    PAID = "paid"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


#: Money may arrive for a payment in any of these; the others have theirs.
UNPAID = frozenset(
    {
        PaymentStatus.CREATED,
        PaymentStatus.FAILED,
        PaymentStatus.CANCELLED,
        PaymentStatus.EXPIRED,
    }
)


class PaymentNotFound(NotFound):
    code = "payment-not-found"


class RefundNotFound(NotFound):
    code = "refund-not-found"


class PaymentState(Conflict):
    code = "payment-state"


class RefundTooLarge(Invalid):
    code = "refund-too-large"


class _PaymentEvent(Event, frozen=True, kw_only=True):
    aggregate = "payment"
    topic = "shop.payments"

    payment_id: PaymentId
    order_id: OrderId

    @property
    def subject(self) -> UUID:
        return self.payment_id


class PaymentCaptured(_PaymentEvent, frozen=True, kw_only=True):
    """Money has arrived, also where it will have to go back."""

    fact = "captured"

    provider_payment_id: str
    amount: Money


class PaymentFailed(_PaymentEvent, frozen=True, kw_only=True):
    """An attempt to pay failed; another may follow."""

    fact = "failed"


class RefundRequested(_PaymentEvent, frozen=True, kw_only=True):
    """Money is to go back; the gateway has not been asked yet."""

    fact = "refund_requested"

    refund_id: RefundId
    amount: Money
    reason: str


class PaymentRefunded(_PaymentEvent, frozen=True, kw_only=True):
    """The gateway has sent the money back."""

    fact = "refunded"

    refund_id: RefundId
    amount: Money


class Payment(Struct, frozen=True, kw_only=True):
    """One attempt to be paid: one link at the gateway, or cash on delivery.

    `amount` is what was asked for and, once captured, what arrived. `refunding` is what has been
    asked back (pending and processed), `refunded` what went back. `check_at` is when the gateway
    is asked how the link stands; None once that is known for good.
    """

    id: PaymentId
    order_id: OrderId
    amount: Money
    method: str  # "online", "cod"
    created_at: datetime
    status: PaymentStatus = PaymentStatus.CREATED
    link_id: str | None = None
    link_url: str | None = None
    expires_at: datetime | None = None
    provider_payment_id: str | None = None
    provider_method: str | None = None  # "card", "upi", …
    paid_at: datetime | None = None
    refunding: int = 0
    refunded: int = 0
    check_at: datetime | None = None
    version: int = 0

    @property
    def refundable(self) -> int:
        """What may still be asked back, in minor units."""
        return 0 if self.status in UNPAID else self.amount.amount - self.refunding

    def linked(self, link_id: str, url: str) -> "Payment":
        return replace(self, link_id=link_id, link_url=url)

    def capture(
        self, provider_payment_id: str, amount: Money, method: str | None, at: datetime
    ) -> tuple["Payment", PaymentCaptured]:
        """Record money that has arrived, whatever became of the attempt meanwhile."""
        if self.status not in UNPAID:
            raise PaymentState("This payment has been paid already.", status=self.status)
        paid = replace(
            self,
            status=PaymentStatus.PAID,
            provider_payment_id=provider_payment_id,
            provider_method=method,
            amount=amount,
            paid_at=at,
            check_at=None,
        )
        return paid, PaymentCaptured(
            payment_id=self.id,
            order_id=self.order_id,
            provider_payment_id=provider_payment_id,
            amount=amount,
            at=at,
        )

    def collect(self, at: datetime) -> tuple["Payment", PaymentCaptured]:
        """Cash was taken at the door."""
        return self.capture(f"cash_{self.id.hex}", self.amount, "cash", at)

    def waive(self, at: datetime) -> tuple["Payment", PaymentCaptured]:
        """Nothing is to be paid."""
        return self.capture(f"free_{self.id.hex}", self.amount, None, at)

    def fail(self, at: datetime) -> tuple["Payment", PaymentFailed]:
        """Note a failed attempt. Raises `PaymentState` unless the payment is still open."""
        if self.status is not PaymentStatus.CREATED:
            raise PaymentState("This payment is not open.", status=self.status)
        return replace(self, status=PaymentStatus.FAILED), PaymentFailed(
            payment_id=self.id, order_id=self.order_id, at=at
        )

    def close(self, status: PaymentStatus) -> "Payment":
        """End an unpaid attempt as cancelled or expired; a paid one stays what it is."""
        if self.status not in {PaymentStatus.CREATED, PaymentStatus.FAILED}:
            return self
        return replace(self, status=status)

    def ask_back(self, refund: "Refund") -> tuple["Payment", RefundRequested]:
        """Reserve what is to be refunded, never more than was paid."""
        if not 0 < refund.amount.amount <= self.refundable:
            raise RefundTooLarge(
                "This is more than can still be refunded.",
                refundable=self.refundable,
                currency=self.amount.currency,
            )
        if refund.amount.currency != self.amount.currency:
            raise Invalid("A refund must be in the currency of the payment.")
        return replace(self, refunding=self.refunding + refund.amount.amount), RefundRequested(
            payment_id=self.id,
            order_id=self.order_id,
            refund_id=refund.id,
            amount=refund.amount,
            reason=refund.reason,
            at=refund.requested_at,
        )

    def gave_back(self, refund: "Refund", at: datetime) -> tuple["Payment", PaymentRefunded]:
        refunded = self.refunded + refund.amount.amount
        whole = refunded >= self.amount.amount
        status = PaymentStatus.REFUNDED if whole else PaymentStatus.PARTIALLY_REFUNDED
        return replace(self, refunded=refunded, status=status), PaymentRefunded(
            payment_id=self.id,
            order_id=self.order_id,
            refund_id=refund.id,
            amount=refund.amount,
            at=at,
        )

    def keeps(self, refund: "Refund") -> "Payment":
        """The gateway refused the refund for good: the amount may be asked back anew."""
        return replace(self, refunding=self.refunding - refund.amount.amount)


class RefundStatus(StrEnum):
    PENDING = "pending"
    PROCESSED = "processed"
    FAILED = "failed"


class Refund(Struct, frozen=True, kw_only=True):
    """Money on its way back. `sent` is set once the gateway has taken it (it may still be pending).

    `next_try_at` is when the gateway is asked (again); None when there is nothing to ask.
    """

    id: RefundId
    payment_id: PaymentId
    order_id: OrderId
    amount: Money
    reason: str
    requested_at: datetime
    status: RefundStatus = RefundStatus.PENDING
    provider_refund_id: str | None = None
    processed_at: datetime | None = None
    attempts: int = 0
    next_try_at: datetime | None = None
    error: str | None = None
    version: int = 0


class Link(Struct, frozen=True, kw_only=True):
    """A payment link at the gateway.

    `authorized` is money that a bank has promised and that goes back unless it is captured.
    """

    id: str
    url: str
    reference: str  # our payment's id in hex
    status: str = "created"  # created, partially_paid, paid, cancelled, expired
    captures: tuple["Capture", ...] = ()
    authorized: tuple["Capture", ...] = ()


class Capture(Struct, frozen=True, kw_only=True):
    """Money the gateway says it holds for us."""

    provider_payment_id: str
    amount: Money
    method: str | None = None
    link_id: str | None = None
    reference: str | None = None
    at: datetime | None = None
