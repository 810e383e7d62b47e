"""Accounts, sessions and what was mailed for them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, Hot, one
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.tables import mail_tokens, sessions, users
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.adapters.sql.versioned import as_change, update_of
from shop.core.kernel.access import Role
from shop.core.kernel.ids import SessionId, UserId
from shop.core.users.model import (
    EmailAddress,
    EmailTaken,
    MailToken,
    Purpose,
    Session,
    User,
    UserNotFound,
)
from shop.ports.users import MailTokens, Sessions, Users

_USER = sa.select(users).where(users.c.id == bindparam("user_id")).with_for_update()
_USER_BY_EMAIL = sa.select(users).where(users.c.email_key == bindparam("key")).with_for_update()
_NEW_USER = Hot(users.insert())
_CHANGED_USER = update_of(users)

_SESSION = sa.select(sessions).where(sessions.c.id == bindparam("session_id")).with_for_update()
_NEW_SESSION = Hot(sessions.insert())
_CHANGED_SESSION = update_of(sessions)
_ALIVE = (
    sa.select(sessions)
    .where(
        sessions.c.user_id == bindparam("user_id"),
        sessions.c.ended_at.is_(None),
        sessions.c.expires_at > bindparam("at"),
    )
    .order_by(sessions.c.id)
    .with_for_update()
)
_CLIENTS_LIVE = sessions.c.client_id == bindparam("client"), sessions.c.ended_at.is_(None)
_OF_CLIENT = (
    sa.select(sessions.c.id)
    .where(*_CLIENTS_LIVE, sessions.c.expires_at > bindparam("at"))
    .with_for_update()
)
_END_CLIENT = (
    sessions.update()
    .where(*_CLIENTS_LIVE)
    .values(ended_at=bindparam("at"), version=sessions.c.version + 1)
)
_OLD_SESSIONS = sessions.delete().where(sessions.c.expires_at < bindparam("before"))

_TOKEN = sa.select(mail_tokens).where(mail_tokens.c.hash == bindparam("wanted")).with_for_update()
_NEW_TOKEN = Hot(mail_tokens.insert())
_USE_TOKEN = (
    mail_tokens.update()
    .where(mail_tokens.c.hash == bindparam("wanted"), mail_tokens.c.used_at.is_(None))
    .values(used_at=bindparam("at"))
)
# The driver takes the values in the order of the text: first what is set, then what is asked.
_VOID_TOKENS = Hot(
    mail_tokens.update()
    .where(
        mail_tokens.c.user_id == bindparam("whose"),
        mail_tokens.c.purpose == bindparam("meant"),
        mail_tokens.c.used_at.is_(None),
    )
    .values(used_at=bindparam("at"))
)
_OLD_TOKENS = mail_tokens.delete().where(mail_tokens.c.expires_at < bindparam("before"))


class SqlUsers(Users):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, user: User) -> None:
        try:
            await _insert(self._uow.conn, _NEW_USER, users, _user_row(user))
        except Taken as error:
            raise _taken(error) from error

    async def get(self, user_id: UserId) -> User:
        row = await one(self._uow.conn, _USER, {"user_id": user_id})
        if row is None:
            raise UserNotFound("There is no such user.")
        return to_user(row)

    async def by_email(self, key: str) -> User | None:
        row = await one(self._uow.conn, _USER_BY_EMAIL, {"key": key})
        return None if row is None else to_user(row)

    async def save(self, user: User) -> User:
        try:
            touched = await self._uow.conn.run(_CHANGED_USER, as_change(_user_row(user)))
        except Taken as error:
            raise _taken(error) from error
        if touched != 1:
            raise lost("this account")
        return replace(user, version=user.version + 1)


class SqlSessions(Sessions):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, session: Session) -> None:
        await _insert(self._uow.conn, _NEW_SESSION, sessions, msgspec.structs.asdict(session))

    async def find(self, session_id: SessionId) -> Session | None:
        row = await one(self._uow.conn, _SESSION, {"session_id": session_id})
        return None if row is None else to_session(row)

    async def save(self, session: Session) -> Session:
        row = as_change(msgspec.structs.asdict(session))
        if await self._uow.conn.run(_CHANGED_SESSION, row) != 1:
            raise lost("this session")
        return replace(session, version=session.version + 1)

    async def end_all(
        self, user_id: UserId, at: datetime, *, but: SessionId | None = None
    ) -> list[Session]:
        rows = await self._uow.conn.rows(_ALIVE, {"user_id": user_id, "at": at})
        ended = [replace(to_session(row), ended_at=at) for row in rows if row.id != but]
        if ended:
            changed = [as_change(msgspec.structs.asdict(session)) for session in ended]
            await self._uow.conn.run(_CHANGED_SESSION, changed)
        return [replace(session, version=session.version + 1) for session in ended]

    async def end_client(self, client_id: str, at: datetime) -> list[SessionId]:
        which = {"client": client_id, "at": at}
        rows = await self._uow.conn.rows(_OF_CLIENT, which)
        await self._uow.conn.run(_END_CLIENT, which)
        return [SessionId(row.id) for row in rows]

    async def forget(self, before: datetime) -> int:
        return await self._uow.conn.run(_OLD_SESSIONS, {"before": before})


class SqlMailTokens(MailTokens):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, token: MailToken) -> None:
        row = msgspec.structs.asdict(token) | {"purpose": token.purpose.value}
        await _insert(self._uow.conn, _NEW_TOKEN, mail_tokens, row)

    async def find(self, token_hash: bytes) -> MailToken | None:
        row = await one(self._uow.conn, _TOKEN, {"wanted": token_hash})
        if row is None:
            return None
        return MailToken(
            hash=bytes(row.hash),
            user_id=UserId(row.user_id),
            purpose=Purpose(row.purpose),
            email=row.email,
            created_at=row.created_at,
            expires_at=row.expires_at,
            used_at=row.used_at,
        )

    async def use(self, token: MailToken) -> None:
        done = {"wanted": token.hash, "at": token.used_at}
        if await self._uow.conn.run(_USE_TOKEN, done) != 1:
            raise lost("this link")

    async def void(self, user_id: UserId, purpose: Purpose, at: datetime) -> None:
        conn = self._uow.conn
        await conn.many(_VOID_TOKENS, [(conn.moment(at), user_id.bytes, purpose.value)])

    async def forget(self, before: datetime) -> int:
        return await self._uow.conn.run(_OLD_TOKENS, {"before": before})


async def _insert(conn: Conn, statement: Hot, table: sa.Table, row: dict[str, Any]) -> None:
    """Every sign-up and sign-in comes here."""
    await conn.many(statement, [tuple(_plain(conn, row[column.name]) for column in table.c)])


def _plain(conn: Conn, value: Any) -> Any:
    """As the driver takes it."""
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, datetime):
        return conn.moment(value)
    return msgspec.json.encode(value).decode() if isinstance(value, list) else value


def _taken(error: Taken) -> Exception:
    if "email_key" in error.what:
        return EmailTaken("There is an account with this e-mail address already.")
    return error


def _user_row(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "email": user.email.written,
        "email_key": user.email.key,
        "name": user.name,
        "contact": user.contact,
        "password_hash": user.password_hash or "",
        "verified_at": user.verified_at,
        "pending_email": user.pending_email,
        "reset_question": user.reset_question,
        "reset_answer_hash": user.reset_answer_hash,
        "roles": sorted(user.roles),
        "created_at": user.created_at,
        "version": user.version,
    }


def to_user(row: Any) -> User:
    return User(
        id=UserId(row.id),
        email=EmailAddress(row.email, row.email_key),
        name=row.name,
        contact=row.contact,
        password_hash=row.password_hash or None,
        verified_at=row.verified_at,
        pending_email=row.pending_email,
        reset_question=row.reset_question,
        reset_answer_hash=row.reset_answer_hash,
        roles=frozenset(map(Role, row.roles)),
        created_at=row.created_at,
        version=row.version,
    )


def to_session(row: Any) -> Session:
    return Session(
        id=SessionId(row.id),
        user_id=UserId(row.user_id),
        refresh_hash=bytes(row.refresh_hash),
        previous_hash=None if row.previous_hash is None else bytes(row.previous_hash),
        rotated_at=row.rotated_at,
        client_id=row.client_id,
        scope=row.scope,
        device=row.device,
        amr=row.amr,
        created_at=row.created_at,
        last_used_at=row.last_used_at,
        expires_at=row.expires_at,
        ended_at=row.ended_at,
        version=row.version,
    )
