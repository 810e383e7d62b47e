"""SQLite: one writer thread with one connection, and a few readers.

All units of a process queue for the one writer in order, which SQLite itself does not see to
(without it 36 of 40 concurrent writers failed). A coroutine given to `run` or `read` is driven to
its end inside the thread that owns the connection: there it never has to wait, so a batch costs
one hop between threads instead of one a statement.
"""

import asyncio
import contextvars
import random
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy import event, pool

from shop.adapters.sql import schema
from shop.adapters.sql.conn import Conn, Hot, Params, padded
from shop.adapters.sql.database import Database
from shop.adapters.sql.errors import translated
from shop.core.kernel.errors import Unavailable
from shop.ports.system import Schema
from shop.threads import Threads

T = TypeVar("T")

#: SQLite has no queue between processes: ask again every ~1 ms, for this many seconds.
_BUSY_SECONDS = 5.0
_READERS = 2
_DURABLE = "synchronous=FULL"  # COMMIT waits for the disk

# The driver knows numbers and text by heart. For these it looks for an adapter, and without one for
# methods of their own, which takes longer than all the rest of binding them.
sqlite3.register_adapter(bytes, lambda raw: raw)
sqlite3.register_adapter(type(None), lambda nothing: nothing)
sqlite3.register_adapter(bool, int)


class _Conn(Conn):
    """Runs inline in the thread that owns it, and by a hop from the event loop."""

    locks_rows = False

    def __init__(self, engine: sa.Engine, owner: Threads) -> None:
        self.dialect = engine.dialect
        self._owner = owner
        self._sa = engine.connect()
        self._raw: sqlite3.Connection = cast(Any, self._sa.connection.dbapi_connection)

    async def rows(self, statement: sa.Executable, params: Params | None = None) -> list[Any]:
        return await self._do(lambda: list(self._sa.execute(statement, params)))

    async def run(
        self, statement: sa.Executable, params: Params | Sequence[Params] | None = None
    ) -> int:
        return await self._do(lambda: self._sa.execute(statement, params).rowcount)

    async def fetch(self, statement: Hot, values: Sequence[Any] = ()) -> list[Any]:
        filled = padded(values) if values else []
        text = statement.text(self.dialect, len(filled))
        return await self._do(lambda: self._raw.execute(text, filled).fetchall())

    async def many(self, statement: Hot, rows: Sequence[tuple[Any, ...]]) -> int:
        if not rows:
            return 0
        text = statement.text(self.dialect)
        return await self._do(lambda: self._raw.executemany(text, rows).rowcount)

    def moment(self, value: datetime | None) -> str | None:
        return _as_text(value) if value else None

    async def _do(self, work: Callable[[], T]) -> T:
        with translated():
            return work() if self._is_at_home() else await self._owner.submit(work)

    def _is_at_home(self) -> bool:
        return threading.get_ident() in self._owner.idents

    async def sync(self, work: Callable[[sa.Connection], T]) -> T:
        """Run code that wants SQLAlchemy's own connection (migrations)."""
        return await self._do(lambda: work(self._sa))

    async def begin(self, how: str) -> None:
        """Wait politely for other processes; in this one the caller is alone."""
        deadline = time.monotonic() + _BUSY_SECONDS
        while True:
            try:
                await self._do(lambda: self._raw.execute(how))
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
            else:
                return
            pause = random.uniform(0.0005, 0.002)  # noqa: S311 - jitter
            if self._is_at_home():
                time.sleep(pause)  # noqa: ASYNC251 - this thread serves nobody else
            else:
                await asyncio.sleep(pause)

    async def tune(self, pragma: str) -> None:
        await self._do(lambda: self._raw.execute(f"PRAGMA {pragma}"))

    async def end(self, how: str) -> None:
        await self._do(lambda: self._finish(how))

    def _finish(self, how: str) -> None:
        if self._raw.in_transaction:
            self._raw.execute(how)
        # SQLAlchemy believes in a transaction of its own; it has nothing left to undo.
        if self._sa.in_transaction():
            self._sa.rollback()

    def close(self) -> None:
        self._sa.close()


@lru_cache(maxsize=64)  # the rows of a batch bear the same few moments again and again
def _as_text(value: datetime) -> str:
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


class _Lane:
    """A thread and the connection it owns."""

    def __init__(self, engine: sa.Engine, name: str) -> None:
        self._thread = Threads(name)
        with translated():
            self.conn = _Conn(engine, self._thread)

    def drive(
        self,
        work: Coroutine[Any, Any, T],
        context: contextvars.Context,
        ended: Callable[[], object],
    ) -> asyncio.Future[T]:
        def over() -> None:
            work.close()  # where it was never begun, as the shop is closed
            ended()

        try:
            return self._thread.submit(partial(context.run, _drive, work), over)
        except BaseException:
            over()
            raise

    def close(self) -> None:
        self._thread.close(wait=True)
        self.conn.close()


def _drive(work: Coroutine[Any, Any, T]) -> T:
    try:
        work.send(None)
    except StopIteration as done:
        value: T = done.value
        return value
    work.close()
    raise RuntimeError("A unit of work waited for something else than its storage.")


class SqliteDatabase(Database, Schema):
    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._engine = self._make_engine(read_only=False)
        self._writer = _Lane(self._engine, "sqlite-writer")
        self._lock = asyncio.Lock()
        self._in_writer = contextvars.ContextVar("in_writer", default=False)
        self._lazy = contextvars.ContextVar("lazy", default=False)
        self._read_engine = self._make_engine(read_only=True)
        self._readers: asyncio.Queue[_Lane] = asyncio.Queue()
        self._lanes = [_Lane(self._read_engine, f"sqlite-reader-{i}") for i in range(_READERS)]
        for lane in self._lanes:
            self._readers.put_nowait(lane)
        self._tell: list[Callable[[], None]] = []

    def on_commit(self, tell: Callable[[], None]) -> None:
        self._tell.append(tell)

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Conn]:
        if self._in_writer.get():
            async with self._transaction() as conn:
                yield conn
        else:
            async with self._lock, self._transaction() as conn:
                yield conn

    async def run(self, work: Coroutine[Any, Any, T], *, lazy: bool = False) -> T:
        try:
            await self._lock.acquire()
        except BaseException:
            work.close()
            raise
        context = contextvars.copy_context()
        context.run(self._in_writer.set, True)  # noqa: FBT003
        context.run(self._lazy.set, lazy)
        # The thread goes on when the caller is cancelled, so the lock is its, not the caller's.
        return await self._writer.drive(work, context, self._lock.release)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Conn]:
        conn = self._writer.conn
        lazy = self._lazy.get()
        if lazy:  # in WAL mode: COMMIT without waiting for the disk
            await conn.tune("synchronous=NORMAL")
        try:
            await conn.begin("BEGIN IMMEDIATE")
            try:
                yield conn
                await conn.end("COMMIT")
            except BaseException:
                # A failure to roll back must not hide what went wrong; the next BEGIN would tell.
                with suppress(Unavailable):
                    await conn.end("ROLLBACK")
                raise
        finally:
            if lazy:
                await conn.tune(_DURABLE)
        if not lazy:  # those move events; they make none
            for tell in self._tell:
                tell()

    async def read(self, work: Callable[[Conn], Coroutine[Any, Any, T]]) -> T:
        lane = await self._readers.get()
        free = partial(self._readers.put_nowait, lane)
        query = self._snapshot(lane.conn, work)
        return await lane.drive(query, contextvars.copy_context(), free)

    @staticmethod
    async def _snapshot(conn: _Conn, work: Callable[[Conn], Coroutine[Any, Any, T]]) -> T:
        await conn.begin("BEGIN")
        try:
            return await work(conn)
        finally:
            await conn.end("ROLLBACK")

    async def migrate(self) -> bool:
        """In one transaction: a migration that fails leaves the database as it was."""
        async with self.unit():
            return await self._writer.conn.sync(schema.migrate)

    async def problem(self) -> str | None:
        # A look, asked for every few seconds by probes: it must not queue with those who write.
        return await self.read(lambda conn: cast(_Conn, conn).sync(schema.problem))

    def busy(self) -> dict[str, float]:
        reading = len(self._lanes) - self._readers.qsize()
        return {"write": float(self._lock.locked()), "read": float(reading)}

    async def close(self) -> None:
        async with self._lock:
            for lane in (self._writer, *self._lanes):
                lane.close()
        self._engine.dispose()
        self._read_engine.dispose()

    def _make_engine(self, *, read_only: bool) -> sa.Engine:
        engine = sa.create_engine(
            sa.URL.create("sqlite+pysqlite", database=str(self._path)),
            connect_args={"check_same_thread": False, "cached_statements": 256},
            poolclass=pool.NullPool,
        )
        pragmas = [
            "journal_mode=WAL",
            _DURABLE,
            "foreign_keys=ON",
            "busy_timeout=0",
            # The log may have some 64 MiB before its pages are copied to the file. The writer waits
            # for that, and many a page changes again until then: at 4,000 pages it cost a tenth.
            "wal_autocheckpoint=16000",
            "journal_size_limit=67108864",
            f"cache_size={-8_192 if read_only else -16_384}",
        ]
        if read_only:
            pragmas.append("query_only=ON")

        def tune(connection: Any, _: Any) -> None:
            connection.isolation_level = None  # the unit says BEGIN, not the driver
            for pragma in pragmas:
                _patiently(connection, f"PRAGMA {pragma}")

        event.listen(engine, "connect", tune)
        return engine


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Switching to WAL needs the file for itself for a moment."""
    deadline = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.005)
        else:
            return
