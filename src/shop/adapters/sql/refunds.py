"""Refunds: given back, or still to be given."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, Hot, among, to_moment, to_moment_or_none
from shop.adapters.sql.queues import Queue
from shop.adapters.sql.tables import refunds
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.adapters.sql.versioned import overwrite
from shop.core.kernel.ids import OrderId, PaymentId, RefundId, id_of
from shop.core.kernel.money import Money
from shop.core.payments.model import Refund, RefundNotFound, RefundStatus
from shop.ports.payments import Refunds

_BY_ID = Hot(sa.select(*refunds.c).where(among(refunds.c.id)))
_BY_PROVIDER = Hot(sa.select(*refunds.c).where(among(refunds.c.provider_refund_id)))
_OF_ORDERS = Hot(sa.select(*refunds.c).where(among(refunds.c.order_id)).order_by(refunds.c.id))
_INSERT = Hot(refunds.insert())
_UPDATE = Hot(
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
_QUEUE = Queue(refunds, refunds.c.next_try_at)


class SqlRefunds(Refunds):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, refunds: Sequence[Refund]) -> None:
        conn = self._uow.conn
        await conn.many(_INSERT, [_to_row(conn, refund) for refund in refunds])

    async def get(self, refund_id: RefundId) -> Refund:
        return await refund(self._uow.conn, refund_id)

    async def by_provider(self, provider_refund_ids: Iterable[str]) -> dict[str, Refund]:
        keys = sorted(set(provider_refund_ids))
        found = await _load(self._uow.conn, _BY_PROVIDER, keys)
        return {one.provider_refund_id: one for one in found if one.provider_refund_id}

    async def save(self, refunds: Sequence[Refund]) -> list[Refund]:
        conn = self._uow.conn
        rows = [
            (
                one.status.value,
                one.provider_refund_id,
                conn.moment(one.processed_at),
                one.attempts,
                conn.moment(one.next_try_at),
                one.error,
                one.version + 1,
                one.id.bytes,
                one.version,
            )
            for one in refunds
        ]
        await overwrite(conn, _UPDATE, rows, "this refund")
        return [replace(one, version=one.version + 1) for one in refunds]

    async def take_due(self, now: datetime, until: datetime, limit: int) -> list[Refund]:
        rows = await _QUEUE.take(self._uow.conn, now, until, limit)
        return [replace(_refund_of(row), next_try_at=until) for row in rows]


async def refund(conn: Conn, refund_id: RefundId) -> Refund:
    found = await _load(conn, _BY_ID, [refund_id.bytes])
    if not found:
        raise RefundNotFound("There is no such refund.")
    return found[0]


async def refunds_of(conn: Conn, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Refund]]:
    keys = sorted({order_id.bytes for order_id in order_ids})
    found: dict[OrderId, list[Refund]] = {}
    for one in await _load(conn, _OF_ORDERS, keys):
        found.setdefault(one.order_id, []).append(one)
    return found


async def refunds_due(conn: Conn, now: datetime, limit: int) -> list[Refund]:
    return [_refund_of(row) for row in await conn.rows(_DUE, {"now": now, "most": limit})]


async def _load(conn: Conn, how: Hot, keys: Sequence[Any]) -> list[Refund]:
    return [_to_refund(row) for row in await conn.fetch(how, keys)] if keys else []


def _to_row(conn: Conn, one: Refund) -> tuple[Any, ...]:
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
        conn.moment(one.processed_at),
        one.attempts,
        conn.moment(one.next_try_at),
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
        id=RefundId(id_of(id_)),
        payment_id=PaymentId(id_of(payment)),
        order_id=OrderId(id_of(order)),
        amount=Money(amount, currency),
        reason=reason,
        requested_at=to_moment(requested_at),
        status=RefundStatus(status),
        provider_refund_id=provider_refund_id,
        processed_at=to_moment_or_none(processed_at),
        attempts=attempts,
        next_try_at=to_moment_or_none(next_try_at),
        error=error,
        version=version,
    )


def _refund_of(row: Any) -> Refund:
    return _to_refund((row.id.bytes, row.payment_id.bytes, row.order_id.bytes, *row[3:]))
