"""The counts of changes to the catalogue, which every process watches."""

from typing import Any

import sqlalchemy as sa

from shop.adapters.sql.conn import Conn, Hot
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import catalog_changes
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.ports.catalog import CatalogChanges, ChangeCounts

_ALL, _EDITS = 1, 2
_ONE_MORE = {"count": catalog_changes.c.count + sa.literal_column("1")}
_EDITED = Hot(catalog_changes.update().values(_ONE_MORE))
_FIGURES = Hot(
    catalog_changes.update()
    .values(_ONE_MORE)
    .where(catalog_changes.c.id == sa.literal_column(str(_ALL)))
)
_COUNTS = sa.select(catalog_changes.c.id, catalog_changes.c.count)
#: For statements that read what an edit may change.
EDITS = (
    sa.select(catalog_changes.c.count)
    .where(catalog_changes.c.id == sa.literal_column(str(_EDITS)))
    .scalar_subquery()
)


async def catalog_edited(uow: SqlUnitOfWork) -> None:
    """Tell readers, once this unit commits, that products or categories are others now."""
    uow.edits_catalogue = True
    await uow.conn.many(_EDITED, [()])


async def figures_changed(conn: Conn) -> None:
    """Tell them that stock or ratings are."""
    await conn.many(_FIGURES, [()])


class SqlCatalogChanges(CatalogChanges):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def counts(self) -> ChangeCounts:
        found = {row.id: row.count for row in await self._database.read(_query)}
        return ChangeCounts(all=found.get(_ALL, 0), edits=found.get(_EDITS, 0))


async def _query(conn: Conn) -> list[Any]:
    return await conn.rows(_COUNTS)
