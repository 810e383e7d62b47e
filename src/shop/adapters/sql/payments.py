"""Payments, and what is read of them and of their refunds."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, Hot, among, to_moment, to_moment_or_none
from shop.adapters.sql.database import Database
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.queues import Queue
from shop.adapters.sql.refunds import refund, refunds_due, refunds_of
from shop.adapters.sql.tables import payments
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.adapters.sql.versioned import overwrite
from shop.core.kernel.ids import OrderId, PaymentId, RefundId, id_of
from shop.core.kernel.money import Money
from shop.core.payments.model import Payment, PaymentNotFound, PaymentStatus, Refund
from shop.ports.payments import PaymentReads, Payments

_BY_ID = Hot(sa.select(*payments.c).where(among(payments.c.id)))
_BY_PROVIDER = Hot(sa.select(*payments.c).where(among(payments.c.provider_payment_id)))
_OF_ORDERS = sa.select(*payments.c).where(among(payments.c.order_id)).order_by(payments.c.id)
_READ_OF_ORDERS = Hot(_OF_ORDERS)
_LOCK_OF_ORDERS = Hot(_OF_ORDERS.with_for_update())
_INSERT = Hot(payments.insert())
# The driver takes the values in the order of the text, and SET follows the order of the columns.
_UPDATE = Hot(
    payments.update()
    .values(
        amount=bindparam("new_amount"),
        currency=bindparam("new_currency"),
        status=bindparam("new_status"),
        link_id=bindparam("new_link_id"),
        link_url=bindparam("new_link_url"),
        expires_at=bindparam("new_expires_at"),
        provider_payment_id=bindparam("new_provider_payment_id"),
        provider_method=bindparam("new_provider_method"),
        paid_at=bindparam("new_paid_at"),
        refunding=bindparam("new_refunding"),
        refunded=bindparam("new_refunded"),
        check_at=bindparam("new_check_at"),
        version=bindparam("new_version"),
    )
    .where(payments.c.id == bindparam("payment"), payments.c.version == bindparam("seen"))
)
_UNLINKED = (
    sa.select(*payments.c)
    .where(
        payments.c.status == PaymentStatus.CREATED.value,
        payments.c.created_at < bindparam("before"),
        payments.c.method == "online",
        payments.c.link_id.is_(None),
    )
    .order_by(payments.c.created_at)
    .limit(bindparam("most"))
)
_TO_CHECK = (
    sa.select(*payments.c)
    .where(payments.c.check_at <= bindparam("now"))
    .order_by(payments.c.check_at)
    .limit(bindparam("most"))
)
_CHECKS = Queue(payments, payments.c.check_at)


class SqlPayments(Payments):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, payments: Sequence[Payment]) -> None:
        conn = self._uow.conn
        try:
            await conn.many(_INSERT, [_to_row(conn, payment) for payment in payments])
        except Taken as error:
            raise lost("this payment") from error

    async def get(self, payment_id: PaymentId) -> Payment:
        return _only(await _load(self._uow.conn, _BY_ID, [payment_id.bytes]))

    async def find(self, payment_ids: Iterable[PaymentId]) -> dict[PaymentId, Payment]:
        keys = sorted({payment_id.bytes for payment_id in payment_ids})
        return {one.id: one for one in await _load(self._uow.conn, _BY_ID, keys)}

    async def by_provider(self, provider_payment_ids: Iterable[str]) -> dict[str, Payment]:
        keys = sorted(set(provider_payment_ids))
        found = await _load(self._uow.conn, _BY_PROVIDER, keys)
        return {one.provider_payment_id: one for one in found if one.provider_payment_id}

    async def of_orders(self, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Payment]]:
        return await _of_orders(self._uow.conn, _LOCK_OF_ORDERS, order_ids)

    async def save(self, payments: Sequence[Payment]) -> list[Payment]:
        conn = self._uow.conn
        rows = [
            (
                one.amount.amount,
                one.amount.currency,
                one.status.value,
                one.link_id,
                one.link_url,
                conn.moment(one.expires_at),
                one.provider_payment_id,
                one.provider_method,
                conn.moment(one.paid_at),
                one.refunding,
                one.refunded,
                conn.moment(one.check_at),
                one.version + 1,
                one.id.bytes,
                one.version,
            )
            for one in payments
        ]
        await overwrite(conn, _UPDATE, rows, "this payment")
        return [replace(one, version=one.version + 1) for one in payments]

    async def take_to_check(self, now: datetime, until: datetime, limit: int) -> list[Payment]:
        rows = await _CHECKS.take(self._uow.conn, now, until, limit)
        return [replace(_payment_of(row), check_at=until) for row in rows]


class SqlPaymentReads(PaymentReads):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, payment_id: PaymentId) -> Payment:
        return _only(await self._database.read(lambda c: _load(c, _BY_ID, [payment_id.bytes])))

    async def of_order(self, order_id: OrderId) -> list[Payment]:
        return (await self.of_orders([order_id])).get(order_id, [])

    async def of_orders(self, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Payment]]:
        wanted = list(order_ids)
        return await self._database.read(lambda c: _of_orders(c, _READ_OF_ORDERS, wanted))

    async def refund(self, refund_id: RefundId) -> Refund:
        return await self._database.read(lambda conn: refund(conn, refund_id))

    async def refunds_of(self, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Refund]]:
        wanted = list(order_ids)
        return await self._database.read(lambda conn: refunds_of(conn, wanted))

    async def refunds_due(self, now: datetime, limit: int) -> list[Refund]:
        return await self._database.read(lambda conn: refunds_due(conn, now, limit))

    async def unlinked(self, before: datetime, limit: int) -> list[Payment]:
        params = {"before": before, "most": limit}
        rows = await self._database.read(lambda conn: conn.rows(_UNLINKED, params))
        return [_payment_of(row) for row in rows]

    async def to_check(self, now: datetime, limit: int) -> list[Payment]:
        params = {"now": now, "most": limit}
        rows = await self._database.read(lambda conn: conn.rows(_TO_CHECK, params))
        return [_payment_of(row) for row in rows]


async def _load(conn: Conn, how: Hot, keys: Sequence[Any]) -> list[Payment]:
    return [_to_payment(row) for row in await conn.fetch(how, keys)] if keys else []


async def _of_orders(
    conn: Conn, how: Hot, order_ids: Iterable[OrderId]
) -> dict[OrderId, list[Payment]]:
    keys = sorted({order_id.bytes for order_id in order_ids})
    found: dict[OrderId, list[Payment]] = {}
    for one in await _load(conn, how, keys):
        found.setdefault(one.order_id, []).append(one)
    return found


def _only(found: list[Payment]) -> Payment:
    if not found:
        raise PaymentNotFound("There is no such payment.")
    return found[0]


def _to_row(conn: Conn, one: Payment) -> tuple[Any, ...]:
    return (
        one.id.bytes,
        one.order_id.bytes,
        one.amount.amount,
        one.amount.currency,
        one.method,
        one.status.value,
        one.link_id,
        one.link_url,
        conn.moment(one.expires_at),
        one.provider_payment_id,
        one.provider_method,
        conn.moment(one.created_at),
        conn.moment(one.paid_at),
        one.refunding,
        one.refunded,
        conn.moment(one.check_at),
        one.version,
    )


def _to_payment(row: tuple[Any, ...]) -> Payment:
    """From the values of the driver."""
    (
        id_,
        order,
        amount,
        currency,
        method,
        status,
        link_id,
        link_url,
        expires_at,
        provider_payment_id,
        provider_method,
        created_at,
        paid_at,
        refunding,
        refunded,
        check_at,
        version,
    ) = row
    return Payment(
        id=PaymentId(id_of(id_)),
        order_id=OrderId(id_of(order)),
        amount=Money(amount, currency),
        method=method,
        created_at=to_moment(created_at),
        status=PaymentStatus(status),
        link_id=link_id,
        link_url=link_url,
        expires_at=to_moment_or_none(expires_at),
        provider_payment_id=provider_payment_id,
        provider_method=provider_method,
        paid_at=to_moment_or_none(paid_at),
        refunding=refunding,
        refunded=refunded,
        check_at=to_moment_or_none(check_at),
        version=version,
    )


def _payment_of(row: Any) -> Payment:
    """From the values of SQLAlchemy, which are ids and times already."""
    return _to_payment((row.id.bytes, row.order_id.bytes, *row[2:]))
