"""The whole store, for the audit."""

from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from shop.adapters.memory.store import MemoryStore
from shop.core.inventory.model import MoveKind
from shop.core.kernel.ids import OrderId, VariantId
from shop.core.notifications.model import WAITING, EmailStatus
from shop.core.orders.model import Order, OrderConfirmed, OrderStatus
from shop.ports.audit import (
    Books,
    Flow,
    OrderRecord,
    PaymentRecord,
    Quantities,
    RefundRecord,
    Snapshot,
    StockRecord,
)
from shop.ports.outbox import Envelope

T = TypeVar("T")


class MemoryBooks(Books):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def read(self, examine: Callable[[Snapshot], Coroutine[Any, Any, T]]) -> T:
        return await examine(_Snapshot(self._store))


class _Snapshot(Snapshot):
    """Units replace whole tables, so references to them are one moment."""

    def __init__(self, store: MemoryStore) -> None:
        self._tables = {name: dict(table) for name, table in store.tables.items()}

    def _all(self, name: str) -> list[Any]:
        return list(self._tables.get(name, {}).values())

    async def orders(self, after: OrderId | None, limit: int) -> list[OrderRecord]:
        later = (o for o in self._all("orders") if after is None or o.id > after)
        return [self._record(o) for o in sorted(later, key=lambda order: order.id)[:limit]]

    def _record(self, order: Order) -> OrderRecord:
        moves = [move for move in self._all("stock_moves") if move.order_id == order.id]
        dedupe = f"order-confirmed:{order.id.hex}"
        return OrderRecord(
            id=order.id,
            number=order.number,
            status=order.status,
            payment_status=order.payment_status,
            payment_method=order.payment_method.value,
            payment_id=order.payment_id,
            total=order.breakdown.total.amount,
            currency=order.breakdown.total.currency,
            refunded=order.refunded,
            invoice_number=order.invoice_number,
            hold_until=order.hold_until,
            confirmations=sum(
                entry.kind == "status" and entry.status == OrderStatus.CONFIRMED
                for entry in order.timeline
            ),
            confirmed_at=order.confirmed_at,
            lines=_sums(order.quantities()),
            sold=_sums((m.variant_id, -m.delta) for m in moves if m.kind is MoveKind.SOLD),
            returned=_sums((m.variant_id, m.delta) for m in moves if m.kind is MoveKind.RETURNED),
            payments=tuple(
                PaymentRecord(
                    id=payment.id,
                    amount=payment.amount.amount,
                    currency=payment.amount.currency,
                    method=payment.method,
                    status=payment.status,
                    refunding=payment.refunding,
                    refunded=payment.refunded,
                )
                for payment in self._all("payments")
                if payment.order_id == order.id
            ),
            refunds=tuple(
                RefundRecord(
                    payment_id=refund.payment_id,
                    amount=refund.amount.amount,
                    status=refund.status,
                    next_try_at=refund.next_try_at,
                )
                for refund in self._all("refunds")
                if refund.order_id == order.id
            ),
            mails=sum(email.dedupe == dedupe for email in self._all("emails")),
        )

    async def stock(self, after: VariantId | None, limit: int) -> list[StockRecord]:
        moved: dict[UUID, int] = defaultdict(int)
        for move in self._all("stock_moves"):
            moved[move.variant_id] += move.delta
        pending: dict[UUID, int] = defaultdict(int)
        for order in self._all("orders"):
            if order.status is OrderStatus.PENDING_PAYMENT:
                for variant, quantity in order.quantities():
                    pending[variant] += quantity
        shelf = (one for one in self._all("shelf") if after is None or one.variant_id > after)
        return [
            StockRecord(
                variant_id=item.variant_id,
                sku=item.sku,
                on_hand=item.on_hand,
                held=item.held,
                moved=moved[item.variant_id],
                pending=pending[item.variant_id],
            )
            for item in sorted(shelf, key=lambda one: one.variant_id)[:limit]
        ]

    async def invoices(self) -> dict[tuple[str, str], int]:
        return dict(self._tables.get("invoice_counters", {}))

    async def stray_moves(self) -> int:
        known = self._tables.get("orders", {})
        return sum(
            move.order_id is not None and move.order_id not in known
            for move in self._all("stock_moves")
        )

    async def flow(self, consumer: str, late: datetime) -> Flow:
        waiting: list[Envelope] = self._all("outbox")
        cursor = self._tables.get("cursors", {}).get(consumer, 0)
        unheard = [e for n, e in self._tables.get("event_log", {}).items() if n > cursor]
        kind = OrderConfirmed.kind()
        mails = self._all("emails")
        queued = [email for email in mails if email.status in WAITING]
        return Flow(
            outbox=len(waiting),
            oldest_event=waiting[0].at if waiting else None,
            unheard=len(unheard),
            confirmed=frozenset(e.key for e in (*waiting, *unheard) if e.kind == kind),
            dead_letters=len(self._all("dead_letters")),
            mails=len(mails),
            queued_mails=len(queued),
            late_mails=sum(e.next_try_at is not None and e.next_try_at < late for e in queued),
            failed_mails=sum(email.status is EmailStatus.FAILED for email in mails),
        )


def _sums(pairs: Iterable[tuple[VariantId, int]]) -> Quantities:
    found: Quantities = {}
    for variant, quantity in pairs:
        found[variant] = found.get(variant, 0) + quantity
    return found
