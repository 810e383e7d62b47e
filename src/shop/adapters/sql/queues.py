"""Work that waits in a table, from which many may take side by side."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, among


class Queue:
    """The rows of `table` whose time, in the column `due`, has come.

    Who takes some has them alone until a time of their choice: the others pass over rows that
    somebody is just taking, and then find them not due. SQLite has one writer at a time, so that
    it needs no locks.
    """

    def __init__(self, table: sa.Table, due: sa.Column[Any]) -> None:
        self._some = (
            sa.select(*table.c)
            .where(due <= bindparam("now"))
            .order_by(due)
            .limit(bindparam("most"))
            .with_for_update(skip_locked=True)
            # By another way the server would sort them first, and lock all that are due.
            .with_hint(table, f"FORCE INDEX (ix_{table.name}_{due.name})", "mysql")
        )
        self._hold = (
            table.update().values({due.name: bindparam("until")}).where(among(table.c.id, "taken"))
        )

    async def take(self, conn: Conn, now: datetime, until: datetime, most: int) -> list[Any]:
        """Those that were due longest, as they were; they are due again at `until`."""
        rows = await conn.rows(self._some, {"now": now, "most": most})
        if rows:
            await conn.run(self._hold, {"until": until, "taken": [row.id for row in rows]})
        return rows
