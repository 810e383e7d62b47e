"""What was already done for a caller's key."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Hot, among, to_moment
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.tables import idempotency
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.kernel.ids import OrderId, id_of
from shop.ports.idempotency import Idempotency, IdempotencyKey, Remembered

_FIND = Hot(sa.select(*idempotency.c).where(among(idempotency.c.key, "keys")))
_INSERT = Hot(idempotency.insert())
_ANSWER = (
    idempotency.update()
    .values(answer=bindparam("text"))
    .where(
        idempotency.c.key == bindparam("its_key"),
        idempotency.c.caller == bindparam("whose"),
        idempotency.c.answer.is_(None),
    )
)
_FORGET = idempotency.delete().where(idempotency.c.at < bindparam("before"))


class SqlIdempotency(Idempotency):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def find(self, keys: Iterable[IdempotencyKey]) -> dict[IdempotencyKey, Remembered]:
        wanted = set(keys)
        if not wanted:
            return {}
        rows = await self._uow.conn.fetch(_FIND, sorted({one.key for one in wanted}))
        found = map(_to_remembered, rows)
        return {one.key: one for one in found if one.key in wanted}

    async def add(self, rows: Sequence[Remembered]) -> None:
        conn = self._uow.conn
        values = [
            (
                row.key.key,
                row.key.caller,
                row.digest,
                row.order_id.bytes if row.order_id else None,
                row.answer,
                row.status,
                conn.moment(row.at),
            )
            for row in rows
        ]
        try:
            await conn.many(_INSERT, values)
        except Taken as error:
            raise lost("this idempotency key") from error

    async def answer(self, key: IdempotencyKey, answer: bytes) -> None:
        await self._uow.conn.run(_ANSWER, {"its_key": key.key, "whose": key.caller, "text": answer})

    async def forget(self, before: datetime) -> int:
        return await self._uow.conn.run(_FORGET, {"before": before})


def _to_remembered(row: tuple[Any, ...]) -> Remembered:
    key, caller, digest, order_id, answer, status, at = row
    return Remembered(
        key=IdempotencyKey(key, caller),
        digest=digest,
        order_id=OrderId(id_of(order_id)) if order_id else None,
        answer=answer,
        status=status,
        at=to_moment(at),
    )
