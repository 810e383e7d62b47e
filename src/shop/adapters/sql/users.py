"""Accounts, sessions and addresses."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import bindparam

from shop.adapters.sql.conn import one
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.tables import addresses, mail_tokens, sessions, users
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.kernel.access import Role
from shop.core.kernel.ids import AddressId, SessionId, UserId
from shop.core.kernel.postal import PostalAddress
from shop.core.users.model import (
    Address,
    AddressNotFound,
    EmailAddress,
    EmailTaken,
    MailToken,
    Purpose,
    Session,
    User,
    UserNotFound,
)
from shop.ports.checkout import Buyer, Buyers
from shop.ports.users import Addresses, MailTokens, Sessions, Users


def _update(table: sa.Table) -> sa.Update:
    """Every column but the key, if nobody else was faster."""
    values: dict[str, Any] = {c.name: bindparam(f"new_{c.name}") for c in table.c if c.name != "id"}
    same = table.c.id == bindparam("same_id"), table.c.version == bindparam("seen")
    return table.update().where(*same).values(values)


def _changed(row: dict[str, Any]) -> dict[str, Any]:
    new = {f"new_{name}": value for name, value in row.items() if name != "id"}
    return new | {"same_id": row["id"], "seen": row["version"], "new_version": row["version"] + 1}


_USER = sa.select(users).where(users.c.id == bindparam("user_id")).with_for_update()
_USER_BY_EMAIL = sa.select(users).where(users.c.email_key == bindparam("key")).with_for_update()
_NEW_USER = users.insert()
_CHANGED_USER = _update(users)

_SESSION = sa.select(sessions).where(sessions.c.id == bindparam("session_id")).with_for_update()
_NEW_SESSION = sessions.insert()
_CHANGED_SESSION = _update(sessions)
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
_NEW_TOKEN = mail_tokens.insert()
_USE_TOKEN = (
    mail_tokens.update()
    .where(mail_tokens.c.hash == bindparam("wanted"), mail_tokens.c.used_at.is_(None))
    .values(used_at=bindparam("at"))
)
_VOID_TOKENS = (
    mail_tokens.update()
    .where(
        mail_tokens.c.user_id == bindparam("whose"),
        mail_tokens.c.purpose == bindparam("meant"),
        mail_tokens.c.used_at.is_(None),
    )
    .values(used_at=bindparam("at"))
)
_OLD_TOKENS = mail_tokens.delete().where(mail_tokens.c.expires_at < bindparam("before"))

_ADDRESSES = (
    sa.select(addresses)
    .where(addresses.c.user_id == bindparam("user_id"))
    .order_by(addresses.c.id)
    .with_for_update()
)
_ADDRESS = (
    sa.select(addresses)
    .where(addresses.c.id == bindparam("address_id"), addresses.c.user_id == bindparam("user_id"))
    .with_for_update()
)
_NEW_ADDRESS = addresses.insert()
_CHANGED_ADDRESS = _update(addresses)
_NO_ADDRESS = addresses.delete().where(addresses.c.id == bindparam("address_id"))

#: Locked, so that nobody deletes the account while an order is placed for it.
_BUYERS = (
    sa.select(users.c.id, users.c.email)
    .where(users.c.id.in_(bindparam("user_ids", expanding=True)))
    .order_by(users.c.id)
    .with_for_update(read=True)
)
_BUYERS_ADDRESSES = (
    sa.select(addresses.c.id, addresses.c.user_id, addresses.c.address)
    .where(addresses.c.user_id.in_(bindparam("user_ids", expanding=True)))
    .order_by(addresses.c.id)
)


class SqlUsers(Users):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, user: User) -> None:
        try:
            await self._uow.conn.run(_NEW_USER, _user_row(user))
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
            touched = await self._uow.conn.run(_CHANGED_USER, _changed(_user_row(user)))
        except Taken as error:
            raise _taken(error) from error
        if touched != 1:
            raise lost("this account")
        return replace(user, version=user.version + 1)


class SqlSessions(Sessions):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, session: Session) -> None:
        await self._uow.conn.run(_NEW_SESSION, msgspec.structs.asdict(session))

    async def find(self, session_id: SessionId) -> Session | None:
        row = await one(self._uow.conn, _SESSION, {"session_id": session_id})
        return None if row is None else to_session(row)

    async def save(self, session: Session) -> Session:
        row = _changed(msgspec.structs.asdict(session))
        if await self._uow.conn.run(_CHANGED_SESSION, row) != 1:
            raise lost("this session")
        return replace(session, version=session.version + 1)

    async def end_all(
        self, user_id: UserId, at: datetime, *, but: SessionId | None = None
    ) -> list[Session]:
        rows = await self._uow.conn.rows(_ALIVE, {"user_id": user_id, "at": at})
        ended = [replace(to_session(row), ended_at=at) for row in rows if row.id != but]
        if ended:
            changed = [_changed(msgspec.structs.asdict(session)) for session in ended]
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
        await self._uow.conn.run(_NEW_TOKEN, row)

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
        which = {"whose": user_id, "meant": purpose.value, "at": at}
        await self._uow.conn.run(_VOID_TOKENS, which)

    async def forget(self, before: datetime) -> int:
        return await self._uow.conn.run(_OLD_TOKENS, {"before": before})


class SqlAddresses(Addresses):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def of(self, user_id: UserId) -> list[Address]:
        rows = await self._uow.conn.rows(_ADDRESSES, {"user_id": user_id})
        return [to_address(row) for row in rows]

    async def get(self, user_id: UserId, address_id: AddressId) -> Address:
        which = {"user_id": user_id, "address_id": address_id}
        row = await one(self._uow.conn, _ADDRESS, which)
        if row is None:
            raise AddressNotFound("There is no such address.")
        return to_address(row)

    async def add(self, address: Address) -> None:
        await self._uow.conn.run(_NEW_ADDRESS, _address_row(address))

    async def save(self, addresses: Sequence[Address]) -> list[Address]:
        rows = [_changed(_address_row(address)) for address in addresses]
        if rows and await self._uow.conn.run(_CHANGED_ADDRESS, rows) != len(rows):
            raise lost("this address")
        return [replace(address, version=address.version + 1) for address in addresses]

    async def remove(self, address: Address) -> None:
        await self._uow.conn.run(_NO_ADDRESS, {"address_id": address.id})


class SqlBuyers(Buyers):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def find(self, users: Iterable[UserId]) -> dict[UserId, Buyer]:
        wanted = {"user_ids": sorted(set(users))}
        if not wanted["user_ids"]:
            return {}
        places: dict[UserId, dict[AddressId, PostalAddress]] = {}
        for row in await self._uow.conn.rows(_BUYERS_ADDRESSES, wanted):
            postal = msgspec.convert(row.address, PostalAddress)
            places.setdefault(row.user_id, {})[row.id] = postal
        rows = await self._uow.conn.rows(_BUYERS, wanted)
        return {r.id: Buyer(email=r.email, addresses=places.get(r.id, {})) for r in rows}


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


def _address_row(address: Address) -> dict[str, Any]:
    return {
        "id": address.id,
        "user_id": address.user_id,
        "address": address.postal,
        "is_default": address.is_default,
        "created_at": address.created_at,
        "version": address.version,
    }


def to_address(row: Any) -> Address:
    return Address(
        id=AddressId(row.id),
        user_id=UserId(row.user_id),
        postal=msgspec.convert(row.address, PostalAddress),
        is_default=row.is_default,
        created_at=row.created_at,
        version=row.version,
    )
