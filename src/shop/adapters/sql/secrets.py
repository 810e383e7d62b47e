"""Secrets in the database, so that all its processes share them."""

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, one
from shop.adapters.sql.database import Database
from shop.adapters.sql.errors import Taken
from shop.adapters.sql.tables import secrets
from shop.ports.system import Ids, Secrets

_FIND = sa.select(secrets.c.value).where(secrets.c.name == bindparam("wanted"))
_INSERT = secrets.insert()


class SqlSecrets(Secrets):
    """A secret never changes, so each is read once."""

    def __init__(self, database: Database, ids: Ids) -> None:
        self._database = database
        self._ids = ids
        self._known: dict[str, bytes] = {}

    async def get(self, name: str, size: int = 32) -> bytes:
        if name not in self._known:
            self._known[name] = await self._find(name) or await self._make(name, size)
        return self._known[name]

    async def _find(self, name: str) -> bytes | None:
        async def work(conn: Conn) -> bytes | None:
            row = await one(conn, _FIND, {"wanted": name})
            return None if row is None else bytes(row.value)

        return await self._database.read(work)

    async def _make(self, name: str, size: int) -> bytes:
        made = self._ids.secret(size)
        try:
            async with self._database.unit() as conn:
                await conn.run(_INSERT, {"name": name, "value": made})
        except Taken:
            first = await self._find(name)
            if first is None:
                raise
            return first
        return made
