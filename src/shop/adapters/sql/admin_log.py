"""What staff did, in SQL."""

from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from dishka import Provider, Scope, provide
from sqlalchemy import bindparam

from shop.adapters.sql.conn import literally
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import admin_log
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.kernel.acts import Entry
from shop.core.kernel.ids import UserId
from shop.core.kernel.page import Page, last_id, paged
from shop.ports.admin_log import AdminLog, AdminLogReads, EntryFilter

_FORGET = admin_log.delete().where(admin_log.c.at < bindparam("before"))
_CONDITIONS: dict[str, sa.ColumnElement[bool]] = {
    "user_id": admin_log.c.user_id == bindparam("user_id"),
    "action": admin_log.c.action.startswith(bindparam("action"), autoescape=False, escape="!"),
    "object_id": admin_log.c.object_id == bindparam("object_id"),
    "since": admin_log.c.at >= bindparam("since"),
    "before": admin_log.c.at < bindparam("before"),
    "after": admin_log.c.id < bindparam("after"),
}


class SqlAdminLog(AdminLog):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def forget(self, before: datetime) -> int:
        return await self._uow.conn.run(_FORGET, {"before": before})


class SqlAdminLogReads(AdminLogReads):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, which: EntryFilter, limit: int, cursor: str | None) -> Page[Entry]:
        told: dict[str, Any] = {
            "user_id": which.user_id,
            "action": literally(which.action),
            "object_id": which.object_id,
            "since": which.since,
            "before": which.before,
            "after": last_id(cursor),
        }
        params = {name: value for name, value in told.items() if value}
        statement = _page(frozenset(params))
        rows = await self._database.read(
            lambda conn: conn.rows(statement, params | {"most": limit + 1})
        )
        return paged([_to_entry(row) for row in rows], limit)


@cache
def _page(names: frozenset[str]) -> sa.Select[Any]:
    """One statement for each combination of filters: ids sort by the time of writing."""
    conditions = [condition for name, condition in _CONDITIONS.items() if name in names]
    newest = sa.select(admin_log).order_by(admin_log.c.id.desc())
    return newest.where(*conditions).limit(bindparam("most"))


def _to_entry(row: Any) -> Entry:
    return Entry(
        id=row.id,
        at=row.at,
        user_id=None if row.user_id is None else UserId(row.user_id),
        action=row.action,
        object_id=row.object_id,
        detail=row.detail,
        request_id=row.request_id,
        address=row.address,
    )


class SqlLog(Provider):
    @provide(scope=Scope.REQUEST)
    def log(self, uow: SqlUnitOfWork) -> AdminLog:
        return SqlAdminLog(uow)

    @provide(scope=Scope.APP)
    def reads(self, database: Database) -> AdminLogReads:
        return SqlAdminLogReads(database)
