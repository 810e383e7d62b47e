"""The count of changes to the catalogue, which every process watches."""

import sqlalchemy as sa

from shop.adapters.sql.conn import Conn, Hot, one
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import catalog_changes
from shop.ports.catalog import CatalogChanges

_RAISE = Hot(
    catalog_changes.update().values(count=catalog_changes.c.count + sa.literal_column("1"))
)
_COUNT = sa.select(catalog_changes.c.count)


async def catalog_changed(conn: Conn) -> None:
    """Tell readers, once this unit commits, that prices, stock or products are others now."""
    await conn.many(_RAISE, [()])


class SqlCatalogChanges(CatalogChanges):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def count(self) -> int:
        return await self._database.read(_query)


async def _query(conn: Conn) -> int:
    row = await one(conn, _COUNT)
    return row[0] if row else 0
