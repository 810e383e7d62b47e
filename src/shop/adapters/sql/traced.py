"""A database whose statements are steps of a trace: their text, and never their values."""

import re
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import sqlalchemy as sa

from shop.adapters.sql.conn import Conn, Hot, Params
from shop.adapters.sql.database import Database
from shop.ports.tracing import Kind, Span, Tracing

T = TypeVar("T")

_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+[`\"]?(\w+)", re.IGNORECASE)
_Facts = dict[str, str | int | float | bool]


class _Texts:
    """Texts are made once for each statement, as far as it lives on."""

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Any, _Facts] = WeakKeyDictionary()

    def of(self, statement: sa.Executable | Hot, dialect: sa.Dialect) -> _Facts:
        found = self._made.get(statement)
        if found is None:
            found = self._made[statement] = _facts(statement, dialect)
        return found


def _facts(statement: sa.Executable | Hot, dialect: sa.Dialect) -> _Facts:
    if isinstance(statement, Hot):
        text = statement.text(dialect, 1)
    else:
        text = str(statement.compile(dialect=dialect))  # type: ignore[attr-defined]
    text = " ".join(text.split())
    operation = text.partition(" ")[0].upper()
    table = _TABLE.search(text)
    mariadb = getattr(dialect, "is_mariadb", False)
    return {
        "db.system.name": "mariadb" if mariadb else dialect.name,
        "db.operation.name": operation,
        "db.query.summary": f"{operation} {table[1]}" if table else operation,
        "db.query.text": text,
    }


class _Conn(Conn):
    def __init__(self, conn: Conn, tracing: Tracing, texts: _Texts) -> None:
        self.dialect = conn.dialect
        self.locks_rows = conn.locks_rows
        self._conn = conn
        self._tracing = tracing
        self._texts = texts

    async def rows(self, statement: sa.Executable, params: Params | None = None) -> list[Any]:
        with self._step(statement):
            return await self._conn.rows(statement, params)

    async def run(
        self, statement: sa.Executable, params: Params | Sequence[Params] | None = None
    ) -> int:
        with self._step(statement):
            return await self._conn.run(statement, params)

    async def fetch(self, statement: Hot, values: Sequence[Any] = ()) -> list[Any]:
        with self._step(statement):
            return await self._conn.fetch(statement, values)

    async def many(self, statement: Hot, rows: Sequence[tuple[Any, ...]]) -> int:
        if not rows:
            return 0
        with self._step(statement, len(rows)):
            return await self._conn.many(statement, rows)

    def moment(self, value: datetime | None) -> Any:
        return self._conn.moment(value)

    def _step(self, statement: sa.Executable | Hot, size: int = 1) -> AbstractContextManager[Span]:
        facts = self._texts.of(statement, self.dialect)
        if size > 1:
            facts = {**facts, "db.operation.batch.size": size}
        return self._tracing.step(str(facts["db.query.summary"]), Kind.CLIENT, facts)


class TracedDatabase(Database):
    def __init__(self, database: Database, tracing: Tracing) -> None:
        self._database = database
        self._tracing = tracing
        self._texts = _Texts()

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Conn]:
        with self._tracing.step("unit of work") as step:
            async with self._database.unit() as conn:
                yield _Conn(conn, self._tracing, self._texts) if step.recorded else conn

    async def read(self, work: Callable[[Conn], Coroutine[Any, Any, T]]) -> T:
        with self._tracing.step("read") as step:
            if not step.recorded:
                return await self._database.read(work)
            return await self._database.read(
                lambda conn: work(_Conn(conn, self._tracing, self._texts))
            )

    async def run(self, work: Coroutine[Any, Any, T], *, lazy: bool = False) -> T:
        return await self._database.run(work, lazy=lazy)

    def on_commit(self, tell: Callable[[], None]) -> None:
        self._database.on_commit(tell)

    def busy(self) -> dict[str, float]:
        return self._database.busy()

    async def close(self) -> None:
        await self._database.close()
