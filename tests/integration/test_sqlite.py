"""What only SQLite's threads have to get right."""

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from shop.adapters.sql.conn import Conn
from shop.adapters.sql.sqlite import SqliteDatabase


async def test_who_comes_after_the_end_is_refused_and_holds_up_nobody(tmp_path: Path) -> None:
    """A reading that was never begun would be complained of when it is cleared away."""
    database = SqliteDatabase(tmp_path / "shop.db")
    await database.close()

    async def look(conn: Conn) -> list[Any]:
        return await conn.rows(sa.text("SELECT 1"))

    async def write() -> None:
        async with database.unit():
            pass

    for _ in range(3):  # more than there are readers
        with pytest.raises(RuntimeError, match="closed"):
            await database.read(look)
        with pytest.raises(RuntimeError, match="closed"):
            await asyncio.wait_for(database.run(write()), 10)
    gc.collect()
    assert database.busy() == {"write": 0.0, "read": 0.0}
