"""The sandbox gateway's books."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, among, one
from shop.adapters.sql.database import Database
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.queues import Queue
from shop.adapters.sql.tables import sandbox_links, sandbox_refunds, sandbox_webhooks
from shop.ports.sandbox import SandboxBooks, SandboxHook, SandboxLink, SandboxRefund

_LINK = sa.select(sandbox_links).where(sandbox_links.c.reference == bindparam("its_reference"))
_PAID = sa.select(sandbox_links).where(sandbox_links.c.payment_id == bindparam("its_payment"))
_ADD_LINK = sandbox_links.insert()
_SAVE_LINK = (
    sandbox_links.update()
    .values(
        status=bindparam("new_status"),
        payment_id=bindparam("new_payment_id"),
        document=bindparam("new_document"),
        version=bindparam("new_version"),
    )
    .where(sandbox_links.c.id == bindparam("link"), sandbox_links.c.version == bindparam("seen"))
)
_REFUND = sa.select(sandbox_refunds).where(sandbox_refunds.c.key == bindparam("its_key"))
_REFUNDS_OF = sa.select(sandbox_refunds).where(
    sandbox_refunds.c.payment_id == bindparam("its_payment")
)
_ADD_REFUND = sandbox_refunds.insert()
_ADD_HOOK = sandbox_webhooks.insert()
_QUEUE = Queue(sandbox_webhooks, sandbox_webhooks.c.next_try_at)
_DUE = (
    sa.select(sandbox_webhooks)
    .where(sandbox_webhooks.c.next_try_at <= bindparam("now"))
    .order_by(sandbox_webhooks.c.next_try_at)
    .limit(bindparam("most"))
)
_DONE = sandbox_webhooks.delete().where(among(sandbox_webhooks.c.id, "hooks"))
_AGAIN = (
    sandbox_webhooks.update()
    .values(attempts=bindparam("tried"), next_try_at=bindparam("later"))
    .where(sandbox_webhooks.c.id == bindparam("hook"))
)


class SqlSandboxBooks(SandboxBooks):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def link(self, reference: str) -> SandboxLink | None:
        row = await self._database.read(lambda c: one(c, _LINK, {"its_reference": reference}))
        return _to_link(row) if row is not None else None

    async def paid_link(self, payment_id: str) -> SandboxLink | None:
        row = await self._database.read(lambda c: one(c, _PAID, {"its_payment": payment_id}))
        return _to_link(row) if row is not None else None

    async def put(self, link: SandboxLink, hooks: Sequence[SandboxHook] = ()) -> None:
        document = msgspec.to_builtins(replace(link, version=0))
        async with self._database.unit() as conn:
            try:
                await self._put(conn, link, document)
            except Taken as error:
                raise lost("this link") from error
            await _queue(conn, hooks)

    async def _put(self, conn: Conn, link: SandboxLink, document: Any) -> None:
        if link.version == 0:
            row = {
                "id": link.id,
                "reference": link.reference,
                "status": link.status,
                "payment_id": link.payment_id,
                "document": document,
                "version": 1,
            }
            await conn.run(_ADD_LINK, row)
            return
        change = {
            "link": link.id,
            "seen": link.version,
            "new_status": link.status,
            "new_payment_id": link.payment_id,
            "new_document": document,
            "new_version": link.version + 1,
        }
        if await conn.run(_SAVE_LINK, change) != 1:
            raise lost("this link")

    async def refund(self, key: str) -> SandboxRefund | None:
        row = await self._database.read(lambda c: one(c, _REFUND, {"its_key": key}))
        return msgspec.convert(row.document, SandboxRefund) if row is not None else None

    async def refunds_of(self, payment_id: str) -> list[SandboxRefund]:
        params = {"its_payment": payment_id}
        rows = await self._database.read(lambda c: c.rows(_REFUNDS_OF, params))
        return [msgspec.convert(row.document, SandboxRefund) for row in rows]

    async def add_refund(self, refund: SandboxRefund, hooks: Sequence[SandboxHook]) -> None:
        row = {
            "id": refund.id,
            "key": refund.key,
            "payment_id": refund.payment_id,
            "document": msgspec.to_builtins(refund),
        }
        async with self._database.unit() as conn:
            try:
                await conn.run(_ADD_REFUND, row)
            except Taken as error:
                raise lost("this refund") from error
            await _queue(conn, hooks)

    async def due(self, now: datetime, limit: int) -> list[SandboxHook]:
        params = {"now": now, "most": limit}
        rows = await self._database.read(lambda c: c.rows(_DUE, params))
        return [_to_hook(row) for row in rows]

    async def take_due(self, now: datetime, until: datetime, limit: int) -> list[SandboxHook]:
        async with self._database.unit() as conn:
            rows = await _QUEUE.take(conn, now, until, limit)
        return [replace(_to_hook(row), next_try_at=until) for row in rows]

    async def sent(self, done: Sequence[str], again: Sequence[SandboxHook]) -> None:
        later = [
            {"hook": hook.id, "tried": hook.attempts, "later": hook.next_try_at} for hook in again
        ]
        async with self._database.unit() as conn:
            if done:
                await conn.run(_DONE, {"hooks": list(done)})
            if later:
                await conn.run(_AGAIN, later)


async def _queue(conn: Conn, hooks: Sequence[SandboxHook]) -> None:
    if hooks:
        await conn.run(_ADD_HOOK, [msgspec.structs.asdict(hook) for hook in hooks])


def _to_hook(row: Any) -> SandboxHook:
    return SandboxHook(id=row.id, body=row.body, attempts=row.attempts, next_try_at=row.next_try_at)


def _to_link(row: Any) -> SandboxLink:
    link = msgspec.convert(row.document, SandboxLink)
    return replace(link, version=row.version)
