"""The unit of work, and the outbox rows it writes."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from shop.adapters.sql.conn import Conn, Hot
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import outbox
from shop.core.kernel.context import correlation as current
from shop.core.kernel.events import Event
from shop.ports.outbox import Envelope, Sealer
from shop.ports.uow import UnitOfWork, Units

T = TypeVar("T")

_INSERT = Hot(outbox.insert().values({c.name: None for c in outbox.c if c.name != "seq"}))


class SqlUnits(Units):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        return await self._database.run(work)


class SqlUnitOfWork(UnitOfWork):
    """A transaction on one connection, taken only while a block is open."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        self._database = database
        self._sealer = sealer
        self._conn: Conn | None = None
        self._facts: list[Envelope] = []

    @property
    def conn(self) -> Conn:
        if self._conn is None:
            raise RuntimeError("No unit of work is open.")
        return self._conn

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[None]:
        if self._conn is not None:
            raise RuntimeError("A unit of work is already open.")
        try:
            async with self._database.unit() as conn:
                self._conn = conn
                yield
                if self._facts:
                    await conn.many(_INSERT, [_row(e) for e in self._facts])
        finally:
            self._conn = None
            self._facts.clear()

    def emit(self, fact: Event, *, correlation: str | None = None) -> None:
        caused_by = current.get() if correlation is None else correlation
        self._facts.append(self._sealer.seal(fact, caused_by))


def _row(e: Envelope) -> tuple[Any, ...]:
    return e.id.bytes, e.topic, e.key.bytes, e.kind, e.body
