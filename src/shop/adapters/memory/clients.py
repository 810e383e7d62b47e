"""Programs that people let in, codes on their way to them, and the numbers of signing keys."""

from datetime import datetime
from typing import Any

from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork, Table
from shop.core.kernel.errors import Conflict, StaleWrite
from shop.core.users.clients import AuthorizationCode, Client, ClientNotFound
from shop.ports.clients import (
    AuthorizationCodes,
    ClientReads,
    Clients,
    RevokedTokens,
    SigningKey,
    SigningKeys,
)


class MemoryClients(Clients):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def add(self, client: Client) -> None:
        self._uow.table("oauth_clients")[client.id] = client

    async def remove(self, client_id: str) -> None:
        if self._uow.table("oauth_clients").pop(client_id, None) is None:
            raise ClientNotFound("There is no such client.")
        codes = self._uow.table("oauth_codes")
        for code in list(codes.values()):
            if code.client_id == client_id:
                del codes[code.hash]


class MemoryClientReads(ClientReads):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def find(self, client_id: str) -> Client | None:
        found: Client | None = self._store.table("oauth_clients").get(client_id)
        return found

    async def all(self) -> list[Client]:
        every = self._store.table("oauth_clients").values()
        return sorted(every, key=lambda client: (client.created_at, client.id))

    async def standing(self, client_id: str, token_id: str) -> bool:
        revoked = token_id in self._store.table("revoked_tokens")
        return client_id in self._store.table("oauth_clients") and not revoked


class MemoryAuthorizationCodes(AuthorizationCodes):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def add(self, code: AuthorizationCode) -> None:
        self._uow.table("oauth_codes")[code.hash] = code

    async def find(self, code_hash: bytes) -> AuthorizationCode | None:
        found: AuthorizationCode | None = self._uow.table("oauth_codes").get(code_hash)
        return found

    async def use(self, code: AuthorizationCode) -> None:
        table = self._uow.table("oauth_codes")
        if code.hash not in table or table[code.hash].session_id is not None:
            raise StaleWrite("Somebody else used this code first.")
        table[code.hash] = code

    async def forget(self, before: datetime) -> int:
        table = self._uow.table("oauth_codes")
        return _drop(table, [key for key, code in table.items() if code.expires_at < before])


class MemoryRevokedTokens(RevokedTokens):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def add(self, token_id: str, until: datetime) -> None:
        self._uow.table("revoked_tokens").setdefault(token_id, until)

    async def forget(self, before: datetime) -> int:
        table = self._uow.table("revoked_tokens")
        return _drop(table, [key for key, until in table.items() if until < before])


class MemorySigningKeys(SigningKeys):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def all(self) -> list[SigningKey]:
        return sorted(self._store.table("signing_keys").values(), key=lambda key: key.number)

    async def add(self, key: SigningKey) -> None:
        if self._store.table("signing_keys").setdefault(key.number, key) is not key:
            raise Conflict("Somebody else rotated the keys at this moment.")


def _drop(table: Table, keys: list[Any]) -> int:
    for key in keys:
        del table[key]
    return len(keys)
