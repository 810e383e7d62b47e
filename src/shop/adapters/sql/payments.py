"""Payments, refunds, and the webhook events that were recorded."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, Hot, to_moment
from shop.adapters.sql.database import Database
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.queues import Queue
from shop.adapters.sql.tables import payments, refunds, webhook_events
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.kernel.ids import OrderId, PaymentId, RefundId
from shop.core.kernel.money import Money
from shop.core.payments.model import (
    Payment,
    PaymentNotFound,
    PaymentStatus,
    Refund,
    RefundNotFound,
    RefundStatus,
)
from shop.ports.payments import PaymentReads, Payments, Refunds, WebhookLog


def _among(column: sa.Column[Any]) -> sa.ColumnElement[bool]:
    return column.in_(bindparam("wanted", expanding=True))


_BY_ID = Hot(sa.select(*payments.c).where(_among(payments.c.id)))
_BY_PROVIDER = Hot(sa.select(*payments.c).where(_among(payments.c.provider_payment_id)))
_OF_ORDERS = sa.select(*payments.c).where(_among(payments.c.order_id)).order_by(payments.c.id)
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
_REFUNDS = Queue(refunds, refunds.c.next_try_at)

_REFUND_BY_ID = Hot(sa.select(*refunds.c).where(_among(refunds.c.id)))
_REFUND_BY_PROVIDER = Hot(sa.select(*refunds.c).where(_among(refunds.c.provider_refund_id)))
_REFUNDS_OF = Hot(sa.select(*refunds.c).where(_among(refunds.c.order_id)).order_by(refunds.c.id))
_INSERT_REFUND = Hot(refunds.insert())
_UPDATE_REFUND = Hot(
    refunds.update()
    .values(
        status=bindparam("new_status"),
        provider_refund_id=bindparam("new_provider_refund_id"),
        processed_at=bindparam("new_processed_at"),
        attempts=bindparam("new_attempts"),
        next_try_at=bindparam("new_next_try_at"),
        error=bindparam("new_error"),
        version=bindparam("new_version"),
    )
    .where(refunds.c.id == bindparam("refund"), refunds.c.version == bindparam("seen"))
)
_DUE = (
    sa.select(*refunds.c)
    .where(refunds.c.next_try_at <= bindparam("now"))
    .order_by(refunds.c.next_try_at)
    .limit(bindparam("most"))
)

_SEEN = Hot(sa.select(webhook_events.c.id).where(_among(webhook_events.c.id)))
_INSERT_EVENT = Hot(webhook_events.insert())


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
                _moment(conn, one.expires_at),
                one.provider_payment_id,
                one.provider_method,
                _moment(conn, one.paid_at),
                one.refunding,
                one.refunded,
                _moment(conn, one.check_at),
                one.version + 1,
                one.id.bytes,
                one.version,
            )
            for one in payments
        ]
        await _update(conn, _UPDATE, rows, "this payment")
        return [replace(one, version=one.version + 1) for one in payments]

    async def take_to_check(self, now: datetime, until: datetime, limit: int) -> list[Payment]:
        rows = await _CHECKS.take(self._uow.conn, now, until, limit)
        return [replace(_payment_of(row), check_at=until) for row in rows]


class SqlRefunds(Refunds):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, refunds: Sequence[Refund]) -> None:
        conn = self._uow.conn
        await conn.many(_INSERT_REFUND, [_refund_row(conn, refund) for refund in refunds])

    async def get(self, refund_id: RefundId) -> Refund:
        return _only_refund(await _load_refunds(self._uow.conn, _REFUND_BY_ID, [refund_id.bytes]))

    async def by_provider(self, provider_refund_ids: Iterable[str]) -> dict[str, Refund]:
        keys = sorted(set(provider_refund_ids))
        found = await _load_refunds(self._uow.conn, _REFUND_BY_PROVIDER, keys)
        return {one.provider_refund_id: one for one in found if one.provider_refund_id}

    async def save(self, refunds: Sequence[Refund]) -> list[Refund]:
        conn = self._uow.conn
        rows = [
            (
                one.status.value,
                one.provider_refund_id,
                _moment(conn, one.processed_at),
                one.attempts,
                _moment(conn, one.next_try_at),
                one.error,
                one.version + 1,
                one.id.bytes,
                one.version,
            )
            for one in refunds
        ]
        await _update(conn, _UPDATE_REFUND, rows, "this refund")
        return [replace(one, version=one.version + 1) for one in refunds]

    async def take_due(self, now: datetime, until: datetime, limit: int) -> list[Refund]:
        rows = await _REFUNDS.take(self._uow.conn, now, until, limit)
        return [replace(_refund_of(row), next_try_at=until) for row in rows]


async def _update(conn: Conn, how: Hot, rows: Sequence[tuple[Any, ...]], what: str) -> None:
    """Raises `StaleWrite` unless each row is there in the version that was seen."""
    try:
        touched = await conn.many(how, rows)
    except Taken as error:
        raise lost(what) from error
    if touched != len(rows):
        raise lost(what)


class SqlWebhookLog(WebhookLog):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def fresh(self, event_ids: Sequence[str], at: datetime) -> set[str]:
        conn = self._uow.conn
        wanted = sorted(set(event_ids))
        if not wanted:
            return set()
        seen = {row[0] for row in await conn.fetch(_SEEN, wanted)}
        new = [event_id for event_id in wanted if event_id not in seen]
        moment = conn.moment(at)
        try:
            await conn.many(_INSERT_EVENT, [(event_id, moment) for event_id in new])
        except Taken as error:
            raise lost("this webhook event") from error
        return set(new)


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
        keys = [refund_id.bytes]
        return _only_refund(
            await self._database.read(lambda c: _load_refunds(c, _REFUND_BY_ID, keys))
        )

    async def refunds_of(self, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Refund]]:
        keys = sorted({order_id.bytes for order_id in order_ids})
        found: dict[OrderId, list[Refund]] = {}
        for one in await self._database.read(lambda c: _load_refunds(c, _REFUNDS_OF, keys)):
            found.setdefault(one.order_id, []).append(one)
        return found

    async def refunds_due(self, now: datetime, limit: int) -> list[Refund]:
        params = {"now": now, "most": limit}
        rows = await self._database.read(lambda conn: conn.rows(_DUE, params))
        return [_refund_of(row) for row in rows]

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


async def _load_refunds(conn: Conn, how: Hot, keys: Sequence[Any]) -> list[Refund]:
    return [_to_refund(row) for row in await conn.fetch(how, keys)] if keys else []


def _only(found: list[Payment]) -> Payment:
    if not found:
        raise PaymentNotFound("There is no such payment.")
    return found[0]


def _only_refund(found: list[Refund]) -> Refund:
    if not found:
        raise RefundNotFound("There is no such refund.")
    return found[0]


def _moment(conn: Conn, at: datetime | None) -> Any:
    return conn.moment(at) if at else None


def _at(value: Any) -> datetime | None:
    return to_moment(value) if value else None


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
        _moment(conn, one.expires_at),
        one.provider_payment_id,
        one.provider_method,
        conn.moment(one.created_at),
        _moment(conn, one.paid_at),
        one.refunding,
        one.refunded,
        _moment(conn, one.check_at),
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
        id=PaymentId(UUID(bytes=id_)),
        order_id=OrderId(UUID(bytes=order)),
        amount=Money(amount, currency),
        method=method,
        created_at=to_moment(created_at),
        status=PaymentStatus(status),
        link_id=link_id,
        link_url=link_url,
        expires_at=_at(expires_at),
        provider_payment_id=provider_payment_id,
        provider_method=provider_method,
        paid_at=_at(paid_at),
        refunding=refunding,
        refunded=refunded,
        check_at=_at(check_at),
        version=version,
    )


def _payment_of(row: Any) -> Payment:
    """From the values of SQLAlchemy, which are ids and times already."""
    return _to_payment((row.id.bytes, row.order_id.bytes, *row[2:]))


def _refund_row(conn: Conn, one: Refund) -> tuple[Any, ...]:
    return (
        one.id.bytes,
        one.payment_id.bytes,
        one.order_id.bytes,
        one.amount.amount,
        one.amount.currency,
        one.reason,
        one.status.value,
        one.provider_refund_id,
        conn.moment(one.requested_at),
        _moment(conn, one.processed_at),
        one.attempts,
        _moment(conn, one.next_try_at),
        one.error,
        one.version,
    )


def _to_refund(row: tuple[Any, ...]) -> Refund:
    (
        id_,
        payment,
        order,
        amount,
        currency,
        reason,
        status,
        provider_refund_id,
        requested_at,
        processed_at,
        attempts,
        next_try_at,
        error,
        version,
    ) = row
    return Refund(
        id=RefundId(UUID(bytes=id_)),
        payment_id=PaymentId(UUID(bytes=payment)),
        order_id=OrderId(UUID(bytes=order)),
        amount=Money(amount, currency),
        reason=reason,
        requested_at=to_moment(requested_at),
        status=RefundStatus(status),
        provider_refund_id=provider_refund_id,
        processed_at=_at(processed_at),
        attempts=attempts,
        next_try_at=_at(next_try_at),
        error=error,
        version=version,
    )


def _refund_of(row: Any) -> Refund:
    return _to_refund((row.id.bytes, row.payment_id.bytes, row.order_id.bytes, *row[3:]))
