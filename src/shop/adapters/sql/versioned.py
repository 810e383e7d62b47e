"""Rows that count their changes, so that nobody overwrites what they have not seen."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, Hot
from shop.adapters.sql.errors import Taken, lost


def update_of(table: sa.Table) -> sa.Update:
    """Every column but the key, if nobody else was faster."""
    values: dict[str, Any] = {c.name: bindparam(f"new_{c.name}") for c in table.c if c.name != "id"}
    same = table.c.id == bindparam("same_id"), table.c.version == bindparam("seen")
    return table.update().where(*same).values(values)


def as_change(row: dict[str, Any]) -> dict[str, Any]:
    new = {f"new_{name}": value for name, value in row.items() if name != "id"}
    return new | {"same_id": row["id"], "seen": row["version"], "new_version": row["version"] + 1}


async def overwrite(conn: Conn, how: Hot, rows: Sequence[tuple[Any, ...]], what: str) -> None:
    """Raises `StaleWrite`, in which `what` names them, unless each is still as it was seen."""
    try:
        touched = await conn.many(how, rows)
    except Taken as error:
        raise lost(what) from error
    if touched != len(rows):
        raise lost(what)
