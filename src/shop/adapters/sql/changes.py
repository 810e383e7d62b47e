"""The count of changes to the catalogue, which every process watches."""

import sqlalchemy as sa

from shop.adapters.sql.conn import Conn
from shop.adapters.sql.tables import catalog_changes

_RAISE = catalog_changes.update().values(count=catalog_changes.c.count + 1)
_COUNT = sa.select(catalog_changes.c.count)


async def catalog_changed(conn: Conn) -> None:
    """Tell readers, once this unit commits, that prices, stock or products are others now."""
    await conn.run(_RAISE)
