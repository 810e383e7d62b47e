"""Rows that count their changes, so that nobody overwrites what they have not seen."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam


def update_of(table: sa.Table) -> sa.Update:
    """Every column but the key, if nobody else was faster."""
    values: dict[str, Any] = {c.name: bindparam(f"new_{c.name}") for c in table.c if c.name != "id"}
    same = table.c.id == bindparam("same_id"), table.c.version == bindparam("seen")
    return table.update().where(*same).values(values)


def as_change(row: dict[str, Any]) -> dict[str, Any]:
    new = {f"new_{name}": value for name, value in row.items() if name != "id"}
    return new | {"same_id": row["id"], "seen": row["version"], "new_version": row["version"] + 1}
