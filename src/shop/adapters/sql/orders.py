"""Orders, their lines, and the invoice numbers."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, Hot, among, to_moment, to_moment_or_none
from shop.adapters.sql.database import Database
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.tables import invoice_counters, order_lines, orders
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.adapters.sql.versioned import overwrite
from shop.core.kernel.breakdown import Breakdown
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import OrderId, PaymentId, ProductId, UserId, VariantId, id_of
from shop.core.kernel.page import Page
from shop.core.kernel.postal import PostalAddress
from shop.core.orders.model import (
    Order,
    OrderLine,
    OrderNotFound,
    OrderStatus,
    PaymentMethod,
    ReturnedItem,
    TimelineEntry,
)
from shop.ports.orders import Invoices, OrderFilter, OrderReads, Orders


class _Document(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What nobody searches by."""

    breakdown: Breakdown
    shipping_address: PostalAddress
    billing_address: PostalAddress | None = None
    shipping_method: str
    confirmed_at: datetime | None = None
    carrier: str | None = None
    tracking_number: str | None = None
    asked_back: tuple[ReturnedItem, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()


#: A list in a statement has an end on every database.
_AT_ONCE = 256

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Document).decode

_BY_IDS = sa.select(*orders.c).where(among(orders.c.id))
_FIND = Hot(_BY_IDS)
_LOCK = Hot(_BY_IDS.order_by(orders.c.id).with_for_update())
_LINES = Hot(
    sa.select(*order_lines.c)
    .where(among(order_lines.c.order_id))
    .order_by(order_lines.c.order_id, order_lines.c.line)
)
_BY_NUMBER = Hot(sa.select(orders.c.id).where(among(orders.c.number, "numbers")))
_INSERT = Hot(orders.insert())
_INSERT_LINES = Hot(order_lines.insert())
# The driver takes the values in the order of the text, and SET follows the order of the columns.
_UPDATE = Hot(
    orders.update()
    .values(
        status=bindparam("new_status"),
        payment_status=bindparam("new_payment_status"),
        payment_id=bindparam("new_payment_id"),
        refunded=bindparam("new_refunded"),
        invoice_number=bindparam("new_invoice_number"),
        hold_until=bindparam("new_hold_until"),
        document=bindparam("new_document"),
        version=bindparam("new_version"),
    )
    .where(orders.c.id == bindparam("order"), orders.c.version == bindparam("seen"))
)
_OF_BUYER = sa.select(orders.c.id).where(orders.c.user_id == bindparam("user_id"))
_FORGET_BUYER = Hot(
    orders.update()
    .values(
        user_id=sa.null(),
        email=sa.literal_column("''"),
        document=bindparam("new_document"),
        version=bindparam("new_version"),
    )
    .where(orders.c.id == bindparam("order"), orders.c.version == bindparam("seen"))
)
# Only an unpaid order is held for somebody. To ask for its status as well would have SQLite go
# through all that wait for their payment, each second.
_OVERDUE = (
    sa.select(orders.c.id)
    .where(orders.c.hold_until <= bindparam("now"))
    .order_by(orders.c.hold_until)
    .limit(bindparam("most"))
)
_COUNTER = (
    invoice_counters.c.series == bindparam("its_series"),
    invoice_counters.c.year == (bindparam("its_year")),
)
_RAISE = (
    invoice_counters.update()
    .values(last=invoice_counters.c.last + bindparam("by"))
    .where(*_COUNTER)
)
_LAST = sa.select(invoice_counters.c.last).where(*_COUNTER)
_OPEN = invoice_counters.insert()


class SqlOrders(Orders):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, orders: Sequence[Order]) -> None:
        conn = self._uow.conn
        try:
            await conn.many(_INSERT, [_to_row(conn, order) for order in orders])
        except Taken as error:
            raise lost("this order number") from error
        await conn.many(_INSERT_LINES, [row for order in orders for row in _line_rows(order)])

    async def get(self, order_id: OrderId) -> Order:
        return _only(await _load(self._uow.conn, _LOCK, [order_id.bytes]))

    async def find(self, order_ids: Iterable[OrderId]) -> dict[OrderId, Order]:
        keys = sorted({order_id.bytes for order_id in order_ids})
        return {order.id: order for order in await _load(self._uow.conn, _LOCK, keys)}

    async def save(self, orders: Sequence[Order]) -> list[Order]:
        conn = self._uow.conn
        rows = [
            (
                order.status.value,
                order.payment_status,
                order.payment_id.bytes,
                order.refunded,
                order.invoice_number,
                conn.moment(order.hold_until),
                _document(order),
                order.version + 1,
                order.id.bytes,
                order.version,
            )
            for order in orders
        ]
        await overwrite(conn, _UPDATE, rows, "this order")
        return [replace(order, version=order.version + 1) for order in orders]

    async def of_buyer(self, user_id: UserId) -> list[Order]:
        rows = await self._uow.conn.rows(_OF_BUYER, {"user_id": user_id})
        keys = sorted(row.id.bytes for row in rows)
        found: list[Order] = []
        for start in range(0, len(keys), _AT_ONCE):
            found += await _load(self._uow.conn, _LOCK, keys[start : start + _AT_ONCE])
        return found

    async def forget_buyers(self, orders: Sequence[Order]) -> None:
        rows = [
            (_document(order), order.version + 1, order.id.bytes, order.version) for order in orders
        ]
        await overwrite(self._uow.conn, _FORGET_BUYER, rows, "this order")


class SqlInvoices(Invoices):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def draw(self, series: str, year: str, count: int) -> int:
        conn = self._uow.conn
        row = {"its_series": series, "its_year": year}
        if not await conn.run(_RAISE, row | {"by": count}):
            try:
                await conn.run(_OPEN, {"series": series, "year": year, "last": count})
            except Taken as error:
                raise lost("the series of invoices") from error
            return 1
        [found] = await conn.rows(_LAST, row)
        last: int = found.last
        return last - count + 1


class SqlOrderReads(OrderReads):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, order_id: OrderId) -> Order:
        return _only(await self._database.read(lambda conn: _load(conn, _FIND, [order_id.bytes])))

    async def find(self, order_ids: Iterable[OrderId]) -> dict[OrderId, Order]:
        keys = sorted({order_id.bytes for order_id in order_ids})
        found = await self._database.read(lambda conn: _load(conn, _FIND, keys)) if keys else []
        return {order.id: order for order in found}

    async def by_number(self, number: str) -> Order:
        async def query(conn: Conn) -> list[Order]:
            rows = await conn.fetch(_BY_NUMBER, [number])
            return await _load(conn, _FIND, [row[0] for row in rows])

        return _only(await self._database.read(query))

    async def page(self, which: OrderFilter, limit: int, cursor: str | None) -> Page[Order]:
        params = _params(which) | {"most": limit + 1}
        if cursor:
            params["after"] = _after(cursor)
        statement = _page(frozenset(params))

        async def query(conn: Conn) -> list[Order]:
            rows = await conn.rows(statement, params)
            return await _load(conn, _FIND, [row.id.bytes for row in rows])

        found = sorted(await self._database.read(query), key=lambda one: one.id, reverse=True)
        shown = tuple(found[:limit])
        more = len(found) > limit
        return Page(shown, next_cursor=shown[-1].id.hex if more else None)

    async def overdue(self, now: datetime, limit: int) -> list[Order]:
        async def query(conn: Conn) -> list[Order]:
            rows = await conn.rows(_OVERDUE, {"now": now, "most": limit})
            return await _load(conn, _FIND, [row.id.bytes for row in rows])

        found = await self._database.read(query)
        return sorted(found, key=lambda order: order.hold_until or now)


_CONDITIONS: dict[str, Callable[[], sa.ColumnElement[bool]]] = {
    "user_id": lambda: orders.c.user_id == bindparam("user_id"),
    "status": lambda: orders.c.status == bindparam("status"),
    "text": lambda: sa.or_(
        orders.c.number.like(bindparam("text"), escape="/"),
        orders.c.email.like(bindparam("text"), escape="/"),
    ),
    "placed_from": lambda: orders.c.placed_at >= bindparam("placed_from"),
    "placed_before": lambda: orders.c.placed_at < bindparam("placed_before"),
    "after": lambda: orders.c.id < bindparam("after"),
}


@cache
def _page(names: frozenset[str]) -> sa.Select[Any]:
    """One statement for each combination of filters: ids sort by the time of placing."""
    conditions = [make() for name, make in _CONDITIONS.items() if name in names]
    newest = sa.select(orders.c.id).order_by(orders.c.id.desc())
    return newest.where(*conditions).limit(bindparam("most"))


def _params(which: OrderFilter) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if which.user_id is not None:
        params["user_id"] = which.user_id
    if which.status is not None:
        params["status"] = which.status.value
    if which.text:
        literal = which.text.replace("/", "//").replace("%", "/%").replace("_", "/_")
        params["text"] = f"{literal}%"
    if which.placed_from is not None:
        params["placed_from"] = _midnight(which.placed_from)
    if which.placed_until is not None and which.placed_until < date.max:
        params["placed_before"] = _midnight(which.placed_until + timedelta(days=1))
    return params


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _after(cursor: str) -> UUID:
    try:
        return UUID(hex=cursor)
    except ValueError as error:
        raise Malformed("This cursor is none of ours.", field="cursor") from error


async def _load(conn: Conn, how: Hot, keys: Sequence[bytes]) -> list[Order]:
    if not keys:
        return []
    rows = await conn.fetch(how, keys)
    lines: dict[bytes, list[OrderLine]] = {}
    for row in await conn.fetch(_LINES, keys):
        lines.setdefault(row[0], []).append(_to_line(row))
    return [_to_order(row, tuple(lines.get(row[0], ()))) for row in rows]


def _only(found: list[Order]) -> Order:
    if not found:
        raise OrderNotFound("There is no such order.")
    return found[0]


def _document(order: Order) -> str:
    document = _Document(
        breakdown=order.breakdown,
        shipping_address=order.shipping_address,
        billing_address=order.billing_address,
        shipping_method=order.shipping_method,
        confirmed_at=order.confirmed_at,
        carrier=order.carrier,
        tracking_number=order.tracking_number,
        asked_back=order.asked_back,
        timeline=order.timeline,
    )
    return _encode(document).decode()


def _to_row(conn: Conn, order: Order) -> tuple[Any, ...]:
    return (
        order.id.bytes,
        order.number,
        order.user_id.bytes if order.user_id else None,
        order.email,
        order.status.value,
        order.payment_status,
        order.payment_method.value,
        order.payment_id.bytes,
        order.breakdown.total.amount,
        order.breakdown.total.currency,
        order.refunded,
        order.invoice_number,
        conn.moment(order.hold_until),
        conn.moment(order.placed_at),
        _document(order),
        order.version,
    )


def _line_rows(order: Order) -> Iterable[tuple[Any, ...]]:
    key = order.id.bytes
    return (
        (
            key,
            position,
            line.variant_id.bytes,
            line.product_id.bytes,
            line.title,
            line.variant_title,
            line.sku,
            line.hsn,
            line.tax_basis_points,
            line.quantity,
            line.unit_price,
            line.discount,
            line.tax,
        )
        for position, line in enumerate(order.lines)
    )


def _to_line(row: tuple[Any, ...]) -> OrderLine:
    _, _, variant, product, title, own, sku, hsn, rate, quantity, price, discount, tax = row
    return OrderLine(
        variant_id=VariantId(id_of(variant)),
        product_id=ProductId(id_of(product)),
        title=title,
        variant_title=own,
        sku=sku,
        hsn=hsn,
        tax_basis_points=rate,
        quantity=quantity,
        unit_price=price,
        discount=discount,
        tax=tax,
    )


def _to_order(row: tuple[Any, ...], lines: tuple[OrderLine, ...]) -> Order:
    (
        id_,
        number,
        user,
        email,
        status,
        payment_status,
        payment_method,
        payment,
        _total,
        _currency,
        refunded,
        invoice_number,
        hold_until,
        placed_at,
        document,
        version,
    ) = row
    rest = _decode(document)
    return Order(
        id=OrderId(id_of(id_)),
        number=number,
        user_id=UserId(id_of(user)) if user else None,
        email=email,
        lines=lines,
        breakdown=rest.breakdown,
        shipping_address=rest.shipping_address,
        billing_address=rest.billing_address,
        shipping_method=rest.shipping_method,
        payment_method=PaymentMethod(payment_method),
        payment_id=PaymentId(id_of(payment)),
        placed_at=to_moment(placed_at),
        hold_until=to_moment_or_none(hold_until),
        status=OrderStatus(status),
        payment_status=payment_status,
        confirmed_at=rest.confirmed_at,
        invoice_number=invoice_number,
        carrier=rest.carrier,
        tracking_number=rest.tracking_number,
        refunded=refunded,
        asked_back=rest.asked_back,
        timeline=rest.timeline,
        version=version,
    )
