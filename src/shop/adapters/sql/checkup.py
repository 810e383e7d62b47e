"""Whether the database is there and fits, for the doctor."""

import asyncio
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import pool

from shop.adapters.sql import schema
from shop.ports.checkup import BusCheckup, DatabaseCheckup, Unwell


class SqliteCheckup(DatabaseCheckup):
    """Looks at the file without making it: a shop that never ran has none yet."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def examine(self) -> str:
        if not self._path.exists():
            return f"SQLite; the first start makes {self._path}"
        return await asyncio.to_thread(self._look)

    def _look(self) -> str:
        engine = sa.create_engine(
            f"sqlite+pysqlite:///file:{self._path}?mode=rw&uri=true", poolclass=pool.NullPool
        )
        try:
            with engine.connect() as connection:
                problem = schema.problem(connection)
                revision = schema.current(connection)
        except sa.exc.DatabaseError as error:
            raise Unwell(
                f"{self._path} cannot be read ({error.orig})",
                "see that it belongs to this user, or restore a backup",
            ) from error
        if problem is not None:
            raise Unwell(*parts(problem))
        return f"SQLite in {self._path}, schema {revision}"


class EventLogCheckup(BusCheckup):
    async def examine(self) -> str:
        return "the event log in the database"


def parts(problem: str) -> tuple[str, str]:
    """A sentence of the schema's is what is wrong, and behind the semicolon what to do."""
    wrong, _, cure = problem.removesuffix(".").partition("; ")
    return wrong, cure or "use that version"
