"""What the gateway reports becomes the state of orders, many reports in one transaction.

Reports come several times, in any order and by several ways (webhook, the browser's return,
our own asking). Money that has arrived is recorded exactly once, by the gateway's payment id;
then it pays the order or goes back.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from shop.core.checkout.books import Bookkeeping, Books
from shop.core.kernel.errors import ShopError
from shop.core.kernel.ids import OrderId, PaymentId
from shop.core.orders.model import Order, OrderStatus
from shop.core.payments.model import UNPAID, Capture, Payment, PaymentStatus, Refund, RefundStatus
from shop.ports.payments import Payments, Refunds, WebhookLog
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork


class Report(Struct, frozen=True, kw_only=True):
    """By itself it changes nothing. `event_id` is the webhook's: it is heard only once."""

    event_id: str | None = None
    correlation: str = ""


class Captured(Report, frozen=True, kw_only=True):
    """`payment_id` is the reference the gateway gave back, None when it gave none."""

    payment_id: PaymentId | None
    capture: Capture


class AttemptFailed(Report, frozen=True, kw_only=True):
    payment_id: PaymentId


class Promised(Report, frozen=True, kw_only=True):
    """A bank has promised the money; unless the gateway takes it by itself, somebody has to."""

    payment_id: PaymentId


class RefundMoved(Report, frozen=True, kw_only=True):
    provider_refund_id: str
    status: RefundStatus
    error: str = ""


class Outcome(StrEnum):
    CONFIRMED = "confirmed"
    GOING_BACK = "going_back"  # the money was recorded and is refunded
    RECORDED = "recorded"
    NOTHING_NEW = "nothing_new"
    UNKNOWN = "unknown"  # no payment or refund of ours


class Settled(Struct, frozen=True, kw_only=True):
    outcome: Outcome
    order_id: OrderId | None = None


class Settlement:
    def __init__(
        self,
        uow: UnitOfWork,
        books: Bookkeeping,
        payments: Payments,
        refunds: Refunds,
        log: WebhookLog,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._uow = uow
        self._books = books
        self._payments = payments
        self._refunds = refunds
        self._log = log
        self._clock = clock
        self._ids = ids

    async def settle_all(self, reports: Sequence[Report]) -> list[Settled | ShopError]:
        """Decide each report in turn. A `StaleWrite` undoes the whole batch."""
        now = self._clock.now()
        answers: list[Settled | ShopError] = []
        async with self._uow.begin():
            event_ids = [one.event_id for one in reports if one.event_id is not None]
            unheard = await self._log.fresh(event_ids, now) if event_ids else set()
            books, refunds = await self._load(reports, now)
            for report in reports:
                if report.event_id is not None:
                    if report.event_id not in unheard:
                        answers.append(Settled(outcome=Outcome.NOTHING_NEW))
                        continue
                    unheard.discard(report.event_id)
                books.by = report.correlation
                answers.append(self._decide(report, books, refunds))
            await self._books.write(books)
        return answers

    async def _load(
        self, reports: Sequence[Report], now: datetime
    ) -> tuple[Books, dict[str, Refund]]:
        captures = [one for one in reports if isinstance(one, Captured)]
        wanted = {one.payment_id for one in captures if one.payment_id}
        wanted |= {one.payment_id for one in reports if isinstance(one, AttemptFailed | Promised)}
        moved = {one.provider_refund_id for one in reports if isinstance(one, RefundMoved)}
        paid = await self._payments.by_provider({c.capture.provider_payment_id for c in captures})
        named = await self._payments.find(wanted)
        refunds = await self._refunds.by_provider(moved) if moved else {}
        order_ids = {one.order_id for one in (*paid.values(), *named.values())}
        order_ids |= {refund.order_id for refund in refunds.values()}
        books = await self._books.open(order_ids, now)
        late = [one for one in books.orders.values() if one.status is OrderStatus.EXPIRED]
        await self._books.load_goods(books, late)
        if moved:  # again, under the lock of their orders
            refunds = await self._refunds.by_provider(moved)
        return books, refunds

    def _decide(self, report: Report, books: Books, refunds: dict[str, Refund]) -> Settled:
        match report:
            case Captured():
                return self._capture(report, books)
            case AttemptFailed():
                return self._fail(report, books)
            case Promised():
                return self._look_soon(report, books)
            case RefundMoved():
                return self._refund(report, books, refunds)
            case _:
                return Settled(outcome=Outcome.NOTHING_NEW)

    def _capture(self, report: Captured, books: Books) -> Settled:
        got = report.capture
        if got.provider_payment_id in books.recorded:
            order_id = books.recorded[got.provider_payment_id]
            return Settled(outcome=Outcome.NOTHING_NEW, order_id=order_id)
        asked = books.payments.get(report.payment_id) if report.payment_id else None
        if asked is None or not got.amount.amount:
            return Settled(outcome=Outcome.UNKNOWN)
        order = books.orders[asked.order_id]
        first = asked.status in UNPAID and asked.method == "online"
        payment = asked if first else self._another(asked, got, books)
        paid, fact = payment.capture(got.provider_payment_id, got.amount, got.method, books.now)
        if first and books.payments[order.payment_id].status in UNPAID:
            books.put(replace(order, payment_id=paid.id))
        books.put_payment(paid, fact)
        trouble = _trouble(books, order, first=first, right=got.amount == asked.amount)
        if trouble is None:
            books.confirm(order.id, paid.id)
            return Settled(outcome=Outcome.CONFIRMED, order_id=order.id)
        books.refund(paid.id, paid.amount, trouble)
        return Settled(outcome=Outcome.GOING_BACK, order_id=order.id)

    def _another(self, asked: Payment, got: Capture, books: Books) -> Payment:
        """Money that came by a link which had been paid already gets a row of its own."""
        return Payment(
            id=PaymentId(self._ids.new()),
            order_id=asked.order_id,
            amount=got.amount,
            method="online",
            created_at=books.now,
        )

    def _fail(self, report: AttemptFailed, books: Books) -> Settled:
        payment = books.payments.get(report.payment_id)
        if payment is None:
            return Settled(outcome=Outcome.UNKNOWN)
        if payment.status is not PaymentStatus.CREATED:
            return Settled(outcome=Outcome.NOTHING_NEW, order_id=payment.order_id)
        failed, fact = payment.fail(books.now)
        books.put_payment(failed, fact)
        return Settled(outcome=Outcome.RECORDED, order_id=payment.order_id)

    def _look_soon(self, report: Promised, books: Books) -> Settled:
        payment = books.payments.get(report.payment_id)
        if payment is None:
            return Settled(outcome=Outcome.UNKNOWN)
        asked_soon = payment.check_at is None or payment.check_at <= books.now
        if payment.status not in UNPAID or asked_soon:
            return Settled(outcome=Outcome.NOTHING_NEW, order_id=payment.order_id)
        books.put_payment(replace(payment, check_at=books.now))
        return Settled(outcome=Outcome.RECORDED, order_id=payment.order_id)

    def _refund(self, report: RefundMoved, books: Books, refunds: dict[str, Refund]) -> Settled:
        refund = refunds.get(report.provider_refund_id)
        if refund is None:
            return Settled(outcome=Outcome.UNKNOWN)
        refund = books.changed_refunds.get(refund.id, refund)
        if refund.status is not RefundStatus.PENDING or report.status is RefundStatus.PENDING:
            return Settled(outcome=Outcome.NOTHING_NEW, order_id=refund.order_id)
        if report.status is RefundStatus.PROCESSED:
            books.gave_back(refund)
        else:
            books.refuse_refund(refund, report.error or "The gateway refused the refund.")
        return Settled(outcome=Outcome.RECORDED, order_id=refund.order_id)


def _trouble(books: Books, order: Order, *, first: bool, right: bool) -> str | None:
    """Why the money cannot pay the order and has to go back, or None."""
    if not right:
        return "Not the amount that was asked for"
    if order.status is OrderStatus.CANCELLED:
        return "The order had been cancelled"
    if not first or order.status not in {OrderStatus.PENDING_PAYMENT, OrderStatus.EXPIRED}:
        return "The order had been paid already"
    if order.status is OrderStatus.EXPIRED and not books.can_be_had(order):
        return "The goods were sold while the payment was late"
    return None
