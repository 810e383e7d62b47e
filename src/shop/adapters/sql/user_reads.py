"""Queries about accounts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.addresses import to_address
from shop.adapters.sql.conn import Conn, Params, literally, one
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import addresses, sessions, users
from shop.adapters.sql.users import to_session, to_user
from shop.core.kernel.access import Role
from shop.core.kernel.ids import SessionId, UserId
from shop.core.kernel.page import Page, last_id, paged
from shop.core.users.model import Address, Session, User, UserNotFound, two_factors
from shop.ports.users import Standing, UserReads

_USER = sa.select(users).where(users.c.id == bindparam("user_id"))
_BY_EMAIL = sa.select(users).where(users.c.email_key == bindparam("key"))
_STARTS = users.c.email_key.startswith(bindparam("start"), autoescape=False, escape="!")
_PAGE = (
    sa.select(users)
    .where(_STARTS, users.c.id < bindparam("before"))
    .order_by(users.c.id.desc())
    .limit(bindparam("most"))
)
_COUNT = sa.select(sa.func.count().label("total")).select_from(users).where(_STARTS)
_ADDRESSES = (
    sa.select(addresses).where(addresses.c.user_id == bindparam("user_id")).order_by(addresses.c.id)
)
_ALIVE = sessions.c.ended_at.is_(None), sessions.c.expires_at > bindparam("at")
_SESSIONS = (
    sa.select(sessions)
    .where(sessions.c.user_id == bindparam("user_id"), *_ALIVE)
    .order_by(sessions.c.last_used_at.desc(), sessions.c.id.desc())
    .limit(bindparam("most"))
)
_KEPT = (
    sa.select(sessions)
    .where(sessions.c.user_id == bindparam("user_id"))
    .order_by(sessions.c.last_used_at.desc(), sessions.c.id.desc())
)
_STANDING = (
    sa.select(users.c.roles, sessions.c.amr)
    .join_from(sessions, users)
    .where(sessions.c.id == bindparam("session_id"), *_ALIVE)
)
_LAST = UUID(int=2**128 - 1)


class SqlUserReads(UserReads):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, user_id: UserId) -> User:
        row = await self._one(_USER, {"user_id": user_id})
        if row is None:
            raise UserNotFound("There is no such user.")
        return to_user(row)

    async def by_email(self, key: str) -> User | None:
        row = await self._one(_BY_EMAIL, {"key": key})
        return None if row is None else to_user(row)

    async def page(self, text: str, limit: int, cursor: str | None) -> Page[User]:
        start = literally(text.casefold())
        before = last_id(cursor) or _LAST

        async def work(conn: Conn) -> tuple[Sequence[Any], int]:
            which = {"start": start, "before": before, "most": limit + 1}
            rows = await conn.rows(_PAGE, which)
            counted = await one(conn, _COUNT, {"start": start})
            return rows, counted.total

        rows, total = await self._database.read(work)
        return paged([to_user(row) for row in rows], limit, total)

    async def addresses(self, user_id: UserId) -> list[Address]:
        return [to_address(row) for row in await self._rows(_ADDRESSES, {"user_id": user_id})]

    async def sessions(self, user_id: UserId, at: datetime, limit: int) -> list[Session]:
        which = {"user_id": user_id, "at": at, "most": limit}
        return [to_session(row) for row in await self._rows(_SESSIONS, which)]

    async def kept_sessions(self, user_id: UserId) -> list[Session]:
        return [to_session(row) for row in await self._rows(_KEPT, {"user_id": user_id})]

    async def standing(self, session_id: SessionId, at: datetime) -> Standing | None:
        row = await self._one(_STANDING, {"session_id": session_id, "at": at})
        if row is None:
            return None
        return Standing(frozenset(map(Role, row.roles)), two_factors(row.amr))

    async def _one(self, statement: sa.Executable, params: Params) -> Any:
        return await self._database.read(lambda conn: one(conn, statement, params))

    async def _rows(self, statement: sa.Executable, params: Params) -> list[Any]:
        return await self._database.read(lambda conn: conn.rows(statement, params))
