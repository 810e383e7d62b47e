"""The unit of work, and what it writes besides: outbox rows, and lines of the admin log."""

from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from shop.adapters.sql.conn import Conn, Hot
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import admin_log, outbox
from shop.core.kernel.acts import Act, Entry
from shop.core.kernel.context import correlation as current
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.events import Event
from shop.ports.outbox import Envelope, Sealer
from shop.ports.uow import UnitOfWork, Units

T = TypeVar("T")

_INSERT = Hot(outbox.insert().values({c.name: None for c in outbox.c if c.name != "seq"}))
_LOG = Hot(admin_log.insert().values({c.name: None for c in admin_log.c}))


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
        self._acts: list[Entry] = []
        self._stored = False
        #: Whether the open unit sees a catalogue that nobody else may ever see.
        self.edits_catalogue = False

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
                if self._acts:
                    await conn.many(_LOG, [_line(conn, e) for e in self._acts])
            self._stored = True
        except StaleWrite as error:
            error.untouched = not self._stored
            raise
        finally:
            self._conn = None
            self.edits_catalogue = False
            self._facts.clear()
            self._acts.clear()

    def emit(self, fact: Event, *, correlation: str | None = None) -> None:
        caused_by = current.get() if correlation is None else correlation
        self._facts.append(self._sealer.seal(fact, caused_by))

    def log(self, act: Act) -> None:
        self._acts.append(self._sealer.enter(act))


def _row(e: Envelope) -> tuple[Any, ...]:
    return e.id.bytes, e.topic, e.key.bytes, e.kind, e.body


def _line(conn: Conn, e: Entry) -> tuple[Any, ...]:
    who = None if e.user_id is None else e.user_id.bytes
    at = conn.moment(e.at)
    return e.id.bytes, at, who, e.action, e.object_id, e.detail[:200], e.request_id, e.address[:45]
