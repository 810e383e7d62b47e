"""The whole database, page by page, within one read-only transaction."""

from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, among
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import (
    cursors,
    dead_letters,
    emails,
    event_log,
    invoice_counters,
    order_lines,
    orders,
    outbox,
    payments,
    refunds,
    stock_moves,
    variants,
)
from shop.core.inventory.model import MoveKind
from shop.core.kernel.ids import EventId, OrderId, PaymentId, VariantId
from shop.core.notifications.model import WAITING, EmailStatus
from shop.core.orders.model import OrderConfirmed, OrderStatus
from shop.core.payments.model import PaymentStatus, RefundStatus
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
_FIRST = UUID(int=0)
#: What the reaction that writes confirmations begins their `dedupe` with.
_CONFIRMATION = "order-confirmed:%"


class _Entry(Struct):
    kind: str
    status: str


class _Document(Struct):
    timeline: tuple[_Entry, ...] = ()
    confirmed_at: datetime | None = None


_decode = msgspec.json.Decoder(_Document).decode
_ORDERS = (
    sa.select(
        *(c for c in orders.c if c.name != "document"),
        sa.type_coerce(orders.c.document, sa.Text).label("document"),
    )
    .where(orders.c.id > bindparam("after"))
    .order_by(orders.c.id)
    .limit(bindparam("most"))
)


_LINES = sa.select(order_lines.c.order_id, order_lines.c.variant_id, order_lines.c.quantity).where(
    among(order_lines.c.order_id)
)
_PAYMENTS = sa.select(payments).where(among(payments.c.order_id))
_REFUNDS = sa.select(refunds).where(among(refunds.c.order_id))
_MOVES = sa.select(
    stock_moves.c.order_id, stock_moves.c.variant_id, stock_moves.c.kind, stock_moves.c.delta
).where(among(stock_moves.c.order_id))
_MAILS = (
    sa.select(emails.c.subject_id, sa.func.count().label("count"))
    .where(among(emails.c.subject_id), emails.c.dedupe.like(_CONFIRMATION))
    .group_by(emails.c.subject_id)
)
_MOVED = (
    sa.select(sa.func.coalesce(sa.func.sum(stock_moves.c.delta), 0))
    .where(stock_moves.c.variant_id == variants.c.id)
    .scalar_subquery()
)
# Grouped, not asked for each variant: lines are not indexed by it, so each would read them all.
_PENDING = (
    sa.select(order_lines.c.variant_id, sa.func.sum(order_lines.c.quantity).label("quantity"))
    .join_from(orders, order_lines, order_lines.c.order_id == orders.c.id)
    .where(orders.c.status == OrderStatus.PENDING_PAYMENT.value)
    .group_by(order_lines.c.variant_id)
    .subquery("pending")
)
_STOCK = (
    sa.select(
        variants.c.id,
        variants.c.sku,
        variants.c.on_hand,
        variants.c.held,
        _MOVED.label("moved"),
        sa.func.coalesce(_PENDING.c.quantity, 0).label("pending"),
    )
    .select_from(variants.outerjoin(_PENDING, _PENDING.c.variant_id == variants.c.id))
    .where(variants.c.id > bindparam("after"))
    .order_by(variants.c.id)
    .limit(bindparam("most"))
)
_STRAYS = (
    sa.select(sa.func.count())
    .select_from(stock_moves.outerjoin(orders, orders.c.id == stock_moves.c.order_id))
    .where(stock_moves.c.order_id.is_not(None), orders.c.id.is_(None))
)
_COUNTERS = sa.select(invoice_counters)
_CURSOR = (
    sa.select(cursors.c.seq).where(cursors.c.consumer == bindparam("consumer")).scalar_subquery()
)
_UNHEARD = event_log.c.seq > sa.func.coalesce(_CURSOR, 0)
_UNHEARD_COUNT = sa.select(sa.func.count()).select_from(event_log).where(_UNHEARD)
_CONFIRMED = OrderConfirmed.kind()
_ON_THE_WAY = (
    sa.select(outbox.c.key)
    .where(outbox.c.kind == _CONFIRMED)
    .union_all(sa.select(event_log.c.key).where(_UNHEARD, event_log.c.kind == _CONFIRMED))
)
_OLDEST = sa.select(outbox).order_by(outbox.c.seq).limit(1)
_QUEUED = emails.c.status.in_([status.value for status in sorted(WAITING)])


class SqlBooks(Books):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, examine: Callable[[Snapshot], Coroutine[Any, Any, T]]) -> T:
        return await self._database.read(lambda conn: examine(_Snapshot(conn)))


class _Snapshot(Snapshot):
    def __init__(self, conn: Conn) -> None:
        self._conn = conn

    async def orders(self, after: OrderId | None, limit: int) -> list[OrderRecord]:
        page = await self._conn.rows(_ORDERS, {"after": after or _FIRST, "most": limit})
        if not page:
            return []
        ids = {"ids": [row.id for row in page]}
        lines = _sums(await self._conn.rows(_LINES, ids))
        moves = await self._conn.rows(_MOVES, ids)
        sold = _sums([(o, v, -d) for o, v, kind, d in moves if kind == MoveKind.SOLD.value])
        back = _sums([(o, v, d) for o, v, kind, d in moves if kind == MoveKind.RETURNED.value])
        paid: dict[UUID, list[PaymentRecord]] = defaultdict(list)
        for row in await self._conn.rows(_PAYMENTS, ids):
            paid[row.order_id].append(_to_payment(row))
        given: dict[UUID, list[RefundRecord]] = defaultdict(list)
        for row in await self._conn.rows(_REFUNDS, ids):
            given[row.order_id].append(_to_refund(row))
        mails = {row.subject_id: row.count for row in await self._conn.rows(_MAILS, ids)}
        return [
            OrderRecord(
                id=OrderId(row.id),
                number=row.number,
                status=OrderStatus(row.status),
                payment_status=row.payment_status,
                payment_method=row.payment_method,
                payment_id=PaymentId(row.payment_id),
                total=row.total,
                currency=row.currency,
                refunded=row.refunded,
                invoice_number=row.invoice_number,
                hold_until=row.hold_until,
                confirmations=_confirmations(document),
                confirmed_at=document.confirmed_at,
                lines=lines[row.id],
                sold=sold[row.id],
                returned=back[row.id],
                payments=tuple(paid[row.id]),
                refunds=tuple(given[row.id]),
                mails=mails.get(row.id, 0),
            )
            for row, document in ((row, _decode(row.document)) for row in page)
        ]

    async def stock(self, after: VariantId | None, limit: int) -> list[StockRecord]:
        page = await self._conn.rows(_STOCK, {"after": after or _FIRST, "most": limit})
        return [
            StockRecord(
                variant_id=VariantId(row.id),
                sku=row.sku,
                on_hand=row.on_hand,
                held=row.held,
                moved=int(row.moved),
                pending=int(row.pending),
            )
            for row in page
        ]

    async def invoices(self) -> dict[tuple[str, str], int]:
        return {(row.series, row.year): row.last for row in await self._conn.rows(_COUNTERS)}

    async def stray_moves(self) -> int:
        return await self._count(_STRAYS)

    async def flow(self, consumer: str, late: datetime) -> Flow:
        heard = {"consumer": consumer}
        oldest = await self._conn.rows(_OLDEST)
        under_way = await self._conn.rows(_ON_THE_WAY, heard)
        mails = sa.select(sa.func.count()).select_from(emails)
        failed = mails.where(emails.c.status == EmailStatus.FAILED.value)
        return Flow(
            outbox=await self._count(sa.select(sa.func.count()).select_from(outbox)),
            oldest_event=_at(oldest[0]) if oldest else None,
            unheard=await self._count(_UNHEARD_COUNT, heard),
            confirmed=frozenset(row.key for row in under_way),
            dead_letters=await self._count(sa.select(sa.func.count()).select_from(dead_letters)),
            mails=await self._count(mails),
            queued_mails=await self._count(mails.where(_QUEUED)),
            late_mails=await self._count(
                mails.where(_QUEUED, emails.c.next_try_at < bindparam("late")), {"late": late}
            ),
            failed_mails=await self._count(failed),
        )

    async def _count(self, statement: sa.Executable, params: dict[str, Any] | None = None) -> int:
        [row] = await self._conn.rows(statement, params)
        count: int = row[0]
        return count


def _at(row: Any) -> datetime:
    return Envelope(EventId(row.id), row.topic, row.key, row.kind, row.body).at


def _confirmations(document: _Document) -> int:
    return sum(
        entry.kind == "status" and entry.status == "confirmed" for entry in document.timeline
    )


def _sums(rows: Sequence[Any]) -> dict[UUID, Quantities]:
    """Quantities by order and variant, of rows (order, variant, quantity)."""
    found: dict[UUID, Quantities] = defaultdict(dict)
    for order, variant, quantity in rows:
        of_order = found[order]
        of_order[variant] = of_order.get(variant, 0) + quantity
    return found


def _to_payment(row: Any) -> PaymentRecord:
    return PaymentRecord(
        id=PaymentId(row.id),
        amount=row.amount,
        currency=row.currency,
        method=row.method,
        status=PaymentStatus(row.status),
        refunding=row.refunding,
        refunded=row.refunded,
    )


def _to_refund(row: Any) -> RefundRecord:
    return RefundRecord(
        payment_id=PaymentId(row.payment_id),
        amount=row.amount,
        status=RefundStatus(row.status),
        next_try_at=row.next_try_at,
    )
