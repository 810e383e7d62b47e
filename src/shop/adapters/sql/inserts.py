"""Inserts that leave alone what is there already."""

from typing import Any

import sqlalchemy as sa


def insert_new(table: sa.Table, *left_out: str) -> sa.Insert:
    """Insert rows whose unique keys are free and skip the others; the count tells them apart.

    `left_out` are columns the database fills by itself.
    """
    values: dict[str, Any] = {c.name: None for c in table.c if c.name not in left_out}
    insert = table.insert().values(values)
    return insert.prefix_with("OR IGNORE", dialect="sqlite").prefix_with("IGNORE", dialect="mysql")
