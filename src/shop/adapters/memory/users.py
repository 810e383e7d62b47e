"""Accounts, sessions and addresses, in memory."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from msgspec.structs import replace

from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork, Table
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import AddressId, SessionId, UserId
from shop.core.kernel.page import Page, last_id, paged
from shop.core.users.model import (
    Address,
    AddressNotFound,
    EmailTaken,
    MailToken,
    Purpose,
    Session,
    User,
    UserNotFound,
    two_factors,
)
from shop.ports.checkout import Buyer, Buyers
from shop.ports.users import Addresses, MailTokens, Sessions, Standing, UserReads, Users

V = TypeVar("V", User, Session, Address)


class MemoryUsers(Users):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def add(self, user: User) -> None:
        self._free(user)
        self._uow.table("users")[user.id] = user

    async def get(self, user_id: UserId) -> User:
        return _user(self._uow.table("users"), user_id)

    async def by_email(self, key: str) -> User | None:
        return _by_email(self._uow.table("users"), key)

    async def save(self, user: User) -> User:
        self._free(user)
        return _saved(self._uow.table("users"), user)

    def _free(self, user: User) -> None:
        holder = _by_email(self._uow.table("users"), user.email.key)
        if holder is not None and holder.id != user.id:
            raise EmailTaken("There is an account with this e-mail address already.")


class MemorySessions(Sessions):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def add(self, session: Session) -> None:
        self._uow.table("sessions")[session.id] = session

    async def find(self, session_id: SessionId) -> Session | None:
        found: Session | None = self._uow.table("sessions").get(session_id)
        return found

    async def save(self, session: Session) -> Session:
        return _saved(self._uow.table("sessions"), session)

    async def end_all(
        self, user_id: UserId, at: datetime, *, but: SessionId | None = None
    ) -> list[Session]:
        table = self._uow.table("sessions")
        mine = [s for s in table.values() if s.user_id == user_id and s.alive(at) and s.id != but]
        return [_saved(table, replace(session, ended_at=at)) for session in mine]

    async def end_client(self, client_id: str, at: datetime) -> list[SessionId]:
        table = self._uow.table("sessions")
        live = [s for s in table.values() if s.client_id == client_id and s.alive(at)]
        return [_saved(table, replace(session, ended_at=at)).id for session in live]

    async def forget(self, before: datetime) -> int:
        return _forget(self._uow.table("sessions"), before)


class MemoryMailTokens(MailTokens):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def add(self, token: MailToken) -> None:
        self._uow.table("mail_tokens")[token.hash] = token

    async def find(self, token_hash: bytes) -> MailToken | None:
        found: MailToken | None = self._uow.table("mail_tokens").get(token_hash)
        return found

    async def use(self, token: MailToken) -> None:
        table = self._uow.table("mail_tokens")
        if token.hash not in table or table[token.hash].used_at is not None:
            raise StaleWrite("Somebody else used this link first.")
        table[token.hash] = token

    async def void(self, user_id: UserId, purpose: Purpose, at: datetime) -> None:
        table = self._uow.table("mail_tokens")
        for token in list(table.values()):
            if (token.user_id, token.purpose, token.used_at) == (user_id, purpose, None):
                table[token.hash] = replace(token, used_at=at)

    async def forget(self, before: datetime) -> int:
        return _forget(self._uow.table("mail_tokens"), before)


class MemoryAddresses(Addresses):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def of(self, user_id: UserId) -> list[Address]:
        return _addresses(self._uow.table("addresses"), user_id)

    async def get(self, user_id: UserId, address_id: AddressId) -> Address:
        found: Address | None = self._uow.table("addresses").get(address_id)
        if found is None or found.user_id != user_id:
            raise AddressNotFound("There is no such address.")
        return found

    async def add(self, address: Address) -> None:
        self._uow.table("addresses")[address.id] = address

    async def save(self, addresses: Sequence[Address]) -> list[Address]:
        table = self._uow.table("addresses")
        return [_saved(table, address) for address in addresses]

    async def remove(self, address: Address) -> None:
        self._uow.table("addresses").pop(address.id, None)


class MemoryBuyers(Buyers):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def find(self, users: Iterable[UserId]) -> dict[UserId, Buyer]:
        known, addresses = self._uow.table("users"), self._uow.table("addresses")
        return {
            user_id: Buyer(
                email=known[user_id].email.written,
                addresses={a.id: a.postal for a in _addresses(addresses, user_id)},
            )
            for user_id in users
            if user_id in known
        }


class MemoryUserReads(UserReads):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def get(self, user_id: UserId) -> User:
        return _user(self._store.table("users"), user_id)

    async def by_email(self, key: str) -> User | None:
        return _by_email(self._store.table("users"), key)

    async def page(self, text: str, limit: int, cursor: str | None) -> Page[User]:
        before = last_id(cursor)
        start = text.casefold()
        found = sorted(self._store.table("users").values(), key=lambda u: u.id, reverse=True)
        found = [u for u in found if u.email.key.startswith(start)]
        total = len(found)
        found = [u for u in found if before is None or u.id < before]
        return paged(found, limit, total)

    async def addresses(self, user_id: UserId) -> list[Address]:
        return _addresses(self._store.table("addresses"), user_id)

    async def sessions(self, user_id: UserId, at: datetime, limit: int) -> list[Session]:
        return [s for s in await self.kept_sessions(user_id) if s.alive(at)][:limit]

    async def kept_sessions(self, user_id: UserId) -> list[Session]:
        mine = [s for s in self._store.table("sessions").values() if s.user_id == user_id]
        return sorted(mine, key=lambda s: (s.last_used_at, s.id), reverse=True)

    async def standing(self, session_id: SessionId, at: datetime) -> Standing | None:
        session: Session | None = self._store.table("sessions").get(session_id)
        if session is None or not session.alive(at):
            return None
        roles = _user(self._store.table("users"), session.user_id).roles
        return Standing(roles, two_factors(session.amr))


def _user(table: Table, user_id: UserId) -> User:
    found: User | None = table.get(user_id)
    if found is None:
        raise UserNotFound("There is no such user.")
    return found


def _by_email(table: Table, key: str) -> User | None:
    return next((user for user in table.values() if user.email.key == key), None)


def _addresses(table: Table, user_id: UserId) -> list[Address]:
    return sorted((a for a in table.values() if a.user_id == user_id), key=lambda a: a.id)


def _saved(table: Table, value: V) -> V:
    if value.id not in table or table[value.id].version != value.version:
        raise StaleWrite("Somebody else changed this first.")
    saved = replace(value, version=value.version + 1)
    table[value.id] = saved
    return saved


def _forget(table: Table, before: datetime) -> int:
    old: list[Any] = [key for key, value in table.items() if value.expires_at < before]
    for key in old:
        del table[key]
    return len(old)
