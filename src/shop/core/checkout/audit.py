"""Whether stock, orders, payments, invoices, events and mails tell the same story."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from msgspec import Struct, field

from shop.core.checkout.order_mails import CONSUMER
from shop.core.kernel.ids import OrderId, VariantId
from shop.core.orders.model import SOLD, OrderStatus
from shop.core.payments.model import UNPAID, RefundStatus
from shop.ports.audit import Books, Flow, OrderRecord, PaymentRecord, Quantities, Snapshot
from shop.ports.system import Clock

#: What is due is done within this time, or something is wrong.
PATIENCE = timedelta(seconds=60)
_PAGE = 500
#: A shop that is badly broken is told by its first findings; all are counted.
_SHOWN = 1000
_INVOICE_PARTS = 3
_CHECKED = ("orders", "payments", "refunds", "invoices", "variants", "mails")
_UNPAID_ORDERS = "orders that wait for their payment"
_UNWRITTEN = "confirmations not written yet"
_OPEN_REFUNDS = "refunds not done yet"
_WAITING = "events in the outbox"
_UNHEARD = "events not heard by the mail room"
_QUEUED = "mails in the queue"
_UNDER_WAY = (_UNPAID_ORDERS, _UNWRITTEN, _OPEN_REFUNDS, _WAITING, _UNHEARD, _QUEUED)


class Report(Struct):
    """What was compared, what was on its way, and what does not agree."""

    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_CHECKED, 0))
    underway: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_UNDER_WAY, 0))
    findings: list[str] = field(default_factory=list)
    wrong: int = 0

    def blame(self, finding: str) -> None:
        self.wrong += 1
        if len(self.findings) < _SHOWN:
            self.findings.append(finding)

    @property
    def agrees(self) -> bool:
        return self.wrong == 0


class Audit:
    """Reads the database alone and changes nothing."""

    def __init__(self, books: Books, clock: Clock) -> None:
        self._books = books
        self._clock = clock

    async def run(self) -> Report:
        """Compare one moment of the shop with itself; what is on its way is only counted."""
        now = self._clock.now()
        return await self._books.read(lambda snapshot: _examine(snapshot, now))


async def _examine(snapshot: Snapshot, now: datetime) -> Report:
    report = Report()
    late = now - PATIENCE
    flow = await snapshot.flow(CONSUMER, late)
    _examine_flow(flow, now, report)
    series: dict[tuple[str, str], set[int]] = defaultdict(set)
    after: OrderId | None = None
    while orders := await snapshot.orders(after, _PAGE):
        for order in orders:
            _examine_order(order, flow, late, report)
            _note_invoice(order, series, report)
        after = orders[-1].id
    _examine_invoices(series, await snapshot.invoices(), report)
    await _examine_stock(snapshot, report)
    return report


def _examine_flow(flow: Flow, now: datetime, report: Report) -> None:
    report.checked["mails"] = flow.mails
    report.underway[_WAITING] = flow.outbox
    report.underway[_UNHEARD] = flow.unheard
    report.underway[_QUEUED] = flow.queued_mails
    if flow.oldest_event is not None:
        waited = now - flow.oldest_event
        if waited > PATIENCE:
            report.blame(f"outbox: its oldest event has waited for {waited.total_seconds():.0f} s")
    if flow.late_mails:
        report.blame(f"mails: {flow.late_mails} have been due for more than a minute")
    if flow.failed_mails:
        report.blame(f"mails: {flow.failed_mails} could not be sent")
    if flow.dead_letters:
        report.blame(f"events: {flow.dead_letters} dead letters (see `shop dlq list`)")


def _examine_order(order: OrderRecord, flow: Flow, late: datetime, report: Report) -> None:
    report.checked["orders"] += 1
    report.checked["payments"] += len(order.payments)
    report.checked["refunds"] += len(order.refunds)
    if order.status is OrderStatus.PENDING_PAYMENT:
        report.underway[_UNPAID_ORDERS] += 1
    if order.id in flow.confirmed or _may_be_heard(order, late):
        report.underway[_UNWRITTEN] += 1
    report.underway[_OPEN_REFUNDS] += sum(
        refund.status is RefundStatus.PENDING for refund in order.refunds
    )
    for finding in (
        *_state(order, late),
        *_goods(order),
        *_money(order),
        *_refunds(order, late),
        *_mails(order, flow, late),
    ):
        report.blame(f"order {order.number}: {finding}")


def _state(order: OrderRecord, late: datetime) -> Iterator[str]:
    if order.status is OrderStatus.PENDING_PAYMENT and order.hold_until is None:
        yield "waits for its payment without end"
    elif (
        order.status is OrderStatus.PENDING_PAYMENT
        and order.hold_until is not None
        and order.hold_until < late
    ):
        yield "should have expired more than a minute ago"
    if order.status in _CONFIRMED and order.confirmations != 1:
        yield f"is {order.status}, and was confirmed {order.confirmations} times"
    elif order.confirmations > 1:
        yield f"was confirmed {order.confirmations} times"
    if bool(order.confirmations) is not (order.invoice_number is not None):
        yield f"has {order.confirmations} confirmations and invoice {order.invoice_number}"


#: An order in one of these has been confirmed; a cancelled one may have been.
_CONFIRMED = SOLD | {OrderStatus.RETURNED}


def _goods(order: OrderRecord) -> Iterator[str]:
    confirmed = order.confirmations > 0
    sold: Quantities = order.lines if confirmed else {}
    if order.sold != sold:
        yield f"the ledger says {_pieces(order.sold)} sold, the order {_pieces(sold)}"
    if order.status is OrderStatus.RETURNED:
        back = sold if order.returned else {}  # what cannot be sold again never came to the shelf
    else:
        back = sold if order.status is OrderStatus.CANCELLED else {}
    if order.returned != back:
        yield f"the ledger says {_pieces(order.returned)} returned, the order {_pieces(back)}"


def _pieces(quantities: Quantities) -> str:
    return f"{sum(quantities.values())} pieces of {len(quantities)} variants"


def _money(order: OrderRecord) -> Iterator[str]:
    """Money that was captured pays its order once, or goes back."""
    by_id = {payment.id: payment for payment in order.payments}
    paying = by_id.get(order.payment_id)
    if paying is None:
        yield "its payment does not exist"
        return
    if paying.status.value != order.payment_status:
        yield f"says its payment is {order.payment_status}, which is {paying.status}"
    if paying.refunded != order.refunded:
        yield f"says {order.refunded} was refunded, its payment says {paying.refunded}"
    if order.status in _CONFIRMED:
        if paying.amount != order.total or paying.currency != order.currency:
            yield f"costs {order.total}, and its payment is over {paying.amount}"
        if paying.status in UNPAID and order.payment_method == "online":
            yield f"is {order.status} without money"
    yield from _kept(order, paying)


def _kept(order: OrderRecord, paying: PaymentRecord) -> Iterator[str]:
    for payment in order.payments:
        if payment.status in UNPAID:
            if payment.refunding:
                yield f"payment {payment.id} gives back money that never came"
            continue
        keeps = order.status in _CONFIRMED and payment is paying
        if not keeps and payment.refunding != payment.amount:
            kept = payment.amount - payment.refunding
            yield f"payment {payment.id} keeps {kept} that pays for nothing"


def _refunds(order: OrderRecord, late: datetime) -> Iterator[str]:
    for payment in order.payments:
        yield from _refunds_of(payment, order)
    known = {payment.id for payment in order.payments}
    for refund in order.refunds:
        if refund.payment_id not in known:
            yield f"a refund of {refund.amount} belongs to no payment"
        if refund.status is RefundStatus.PENDING and refund.next_try_at is None:
            yield f"nobody asks for the refund of {refund.amount} any more"
        elif refund.status is RefundStatus.PENDING and refund.next_try_at < late:  # type: ignore[operator]
            yield f"the refund of {refund.amount} has been due for more than a minute"


def _refunds_of(payment: PaymentRecord, order: OrderRecord) -> Iterator[str]:
    mine = [refund for refund in order.refunds if refund.payment_id == payment.id]
    asked = sum(refund.amount for refund in mine if refund.status is not RefundStatus.FAILED)
    done = sum(refund.amount for refund in mine if refund.status is RefundStatus.PROCESSED)
    if asked != payment.refunding:
        yield f"payment {payment.id} gives back {payment.refunding}, its refunds {asked}"
    if done != payment.refunded:
        yield f"payment {payment.id} gave back {payment.refunded}, its refunds {done}"


def _may_be_heard(order: OrderRecord, late: datetime) -> bool:
    """Its confirmation may be on a bus elsewhere, where this audit does not look."""
    at = order.confirmed_at
    return not order.mails and at is not None and at > late


def _mails(order: OrderRecord, flow: Flow, late: datetime) -> Iterator[str]:
    wanted = 1 if order.confirmations else 0
    on_its_way = order.id in flow.confirmed or _may_be_heard(order, late)
    if order.mails == wanted or (order.mails < wanted and on_its_way):
        return
    yield f"has {order.mails} confirmations by mail instead of {wanted}"


def _note_invoice(
    order: OrderRecord, series: dict[tuple[str, str], set[int]], report: Report
) -> None:
    if order.invoice_number is None:
        return
    report.checked["invoices"] += 1
    parts = order.invoice_number.split("/")
    if len(parts) != _INVOICE_PARTS or not parts[2].isdecimal():
        report.blame(f"order {order.number}: {order.invoice_number!r} is no invoice number")
        return
    numbers = series[parts[0], parts[1]]
    number = int(parts[2])
    if number in numbers:
        report.blame(f"invoice {order.invoice_number} stands on two orders")
    numbers.add(number)


def _examine_invoices(
    series: dict[tuple[str, str], set[int]], drawn: dict[tuple[str, str], int], report: Report
) -> None:
    for name in sorted(series.keys() | drawn.keys()):
        last, numbers = drawn.get(name, 0), series.get(name, set())
        missing = sorted(set(range(1, last + 1)) - numbers)
        beyond = sorted(number for number in numbers if not 1 <= number <= last)
        for what, found in (("has no invoice", missing), ("never drew", beyond)):
            if found:
                some = ", ".join(str(number) for number in found[:10])
                report.blame(f"invoice series {'/'.join(name)} {what} {some} ({len(found)} in all)")


async def _examine_stock(snapshot: Snapshot, report: Report) -> None:
    after: VariantId | None = None
    while stock := await snapshot.stock(after, _PAGE):
        for item in stock:
            report.checked["variants"] += 1
            if item.on_hand != item.moved:
                report.blame(
                    f"variant {item.sku or item.variant_id}: {item.on_hand} lie on the shelf, "
                    f"the ledger says {item.moved}"
                )
            if item.held != item.pending:
                report.blame(
                    f"variant {item.sku or item.variant_id}: {item.held} are held, "
                    f"unpaid orders want {item.pending}"
                )
        after = stock[-1].variant_id
    strays = await snapshot.stray_moves()
    if strays:
        report.blame(f"ledger: {strays} lines are about orders that do not exist")
