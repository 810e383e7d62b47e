"""Programs that people let in, codes on their way to them, and the numbers of signing keys."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from msgspec.structs import asdict
from sqlalchemy import bindparam

from shop.adapters.sql.conn import one
from shop.adapters.sql.database import Database
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.inserts import insert_new
from shop.adapters.sql.tables import oauth_clients, oauth_codes, revoked_tokens, signing_keys
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.kernel.errors import Conflict
from shop.core.kernel.ids import SessionId, UserId
from shop.core.users.clients import AuthorizationCode, Client, ClientNotFound
from shop.ports.clients import (
    AuthorizationCodes,
    ClientReads,
    Clients,
    RevokedTokens,
    SigningKey,
    SigningKeys,
)

_NEW_CLIENT = oauth_clients.insert()
_NO_CLIENT = oauth_clients.delete().where(oauth_clients.c.id == bindparam("client"))
_CLIENT = sa.select(oauth_clients).where(oauth_clients.c.id == bindparam("client"))
_CLIENTS = sa.select(oauth_clients).order_by(oauth_clients.c.created_at, oauth_clients.c.id)
_STANDING = sa.select(oauth_clients.c.id).where(
    oauth_clients.c.id == bindparam("client"),
    ~sa.exists().where(revoked_tokens.c.id == bindparam("token")),
)

_NEW_CODE = oauth_codes.insert()
_CODE = sa.select(oauth_codes).where(oauth_codes.c.hash == bindparam("wanted")).with_for_update()
_USE_CODE = (
    oauth_codes.update()
    .where(oauth_codes.c.hash == bindparam("wanted"), oauth_codes.c.session_id.is_(None))
    .values(session_id=bindparam("session"))
)
_OLD_CODES = oauth_codes.delete().where(oauth_codes.c.expires_at < bindparam("before"))

_REVOKE = insert_new(revoked_tokens)
_OLD_TOKENS = revoked_tokens.delete().where(revoked_tokens.c.expires_at < bindparam("before"))

_KEYS = sa.select(signing_keys).order_by(signing_keys.c.number)
_NEW_KEY = signing_keys.insert()


class SqlClients(Clients):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, client: Client) -> None:
        row = asdict(client) | {"scope": _text(client.scope)}
        await self._uow.conn.run(_NEW_CLIENT, row)

    async def remove(self, client_id: str) -> None:
        if await self._uow.conn.run(_NO_CLIENT, {"client": client_id}) != 1:
            raise ClientNotFound("There is no such client.")


class SqlClientReads(ClientReads):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, client_id: str) -> Client | None:
        which = {"client": client_id}
        row = await self._database.read(lambda conn: one(conn, _CLIENT, which))
        return None if row is None else _to_client(row)

    async def all(self) -> list[Client]:
        return [_to_client(r) for r in await self._database.read(lambda conn: conn.rows(_CLIENTS))]

    async def standing(self, client_id: str, token_id: str) -> bool:
        which = {"client": client_id, "token": token_id}
        return await self._database.read(lambda conn: one(conn, _STANDING, which)) is not None


class SqlAuthorizationCodes(AuthorizationCodes):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, code: AuthorizationCode) -> None:
        await self._uow.conn.run(_NEW_CODE, asdict(code) | {"scope": _text(code.scope)})

    async def find(self, code_hash: bytes) -> AuthorizationCode | None:
        row = await one(self._uow.conn, _CODE, {"wanted": code_hash})
        return None if row is None else _to_code(row)

    async def use(self, code: AuthorizationCode) -> None:
        which = {"wanted": code.hash, "session": code.session_id}
        if await self._uow.conn.run(_USE_CODE, which) != 1:
            raise lost("this code")

    async def forget(self, before: datetime) -> int:
        return await self._uow.conn.run(_OLD_CODES, {"before": before})


class SqlRevokedTokens(RevokedTokens):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, token_id: str, until: datetime) -> None:
        await self._uow.conn.run(_REVOKE, {"id": token_id, "expires_at": until})

    async def forget(self, before: datetime) -> int:
        return await self._uow.conn.run(_OLD_TOKENS, {"before": before})


class SqlSigningKeys(SigningKeys):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def all(self) -> list[SigningKey]:
        rows = await self._database.read(lambda conn: conn.rows(_KEYS))
        return [SigningKey(row.number, row.made_at) for row in rows]

    async def add(self, key: SigningKey) -> None:
        try:
            async with self._database.unit() as conn:
                await conn.run(_NEW_KEY, asdict(key))
        except Taken as error:
            raise Conflict("Somebody else rotated the keys at this moment.") from error


def _text(scope: frozenset[str]) -> str:
    return " ".join(sorted(scope))


def _to_client(row: Any) -> Client:
    return Client(
        id=row.id,
        name=row.name,
        redirect_uris=tuple(row.redirect_uris),
        scope=frozenset(row.scope.split()),
        secret_hash=None if row.secret_hash is None else bytes(row.secret_hash),
        created_at=row.created_at,
    )


def _to_code(row: Any) -> AuthorizationCode:
    return AuthorizationCode(
        hash=bytes(row.hash),
        client_id=row.client_id,
        user_id=UserId(row.user_id),
        granted_in=SessionId(row.granted_in),
        redirect_uri=row.redirect_uri,
        challenge=row.challenge,
        scope=frozenset(row.scope.split()),
        nonce=row.nonce,
        created_at=row.created_at,
        expires_at=row.expires_at,
        session_id=None if row.session_id is None else SessionId(row.session_id),
    )
