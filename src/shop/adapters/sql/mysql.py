"""MySQL and MariaDB: a pool of connections for units, and one for queries.

SQLAlchemy gives the pool and the ordinary statements; what comes in batches goes straight to the
driver, prepared once for each connection. MariaDB takes all rows of a batch in one message; for
MySQL, and over TLS, they become one statement with many VALUES, or many statements in one message.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import asyncmy
import sqlalchemy as sa
from asyncmy import errors
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from shop.adapters.sql.conn import Conn, Hot, Params, padded
from shop.adapters.sql.database import Database
from shop.adapters.sql.errors import lost
from shop.adapters.sql.mysql_errors import gone, translated
from shop.adapters.sql.mysql_tls import without_options
from shop.core.kernel.errors import StaleWrite, Unavailable
from shop.ports.system import Ids

T = TypeVar("T")

#: Seconds a connection may take to be made, and a server to answer one statement. The own timeout
#: of the driver swallows a cancellation now and then (`wait_for` of Python 3.11), so it is off.
_CONNECT = 5
_ANSWER = 30
#: Seconds to find out what became of a COMMIT whose answer was lost.
_DOUBT = 10.0
#: How long the marks of units stay, in ms, and after how many units old ones are dropped.
_MARKS_KEPT = 15 * 60 * 1000
_MARKS_DROPPED = 512
#: Statements a connection keeps prepared; the server has room for 16,382 in all.
_PREPARED = 128
#: Rows of a batch in one message of many statements.
_AT_ONCE = 200

_WRITING = (
    "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
    "SET SESSION autocommit=1",
)
#: A query sees one state of the database from its first statement to its last.
_READING = (
    "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
    "SET SESSION TRANSACTION READ ONLY",
    "SET SESSION autocommit=0",
)
_MODES = (
    "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,"
    "ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
)
_EVERY = (
    "SET NAMES utf8mb4 COLLATE utf8mb4_bin",
    f"SET SESSION time_zone='+00:00', sql_mode='{_MODES}'",
    "SET SESSION innodb_lock_wait_timeout=5",
)


def make_engine(url: str, settings: Sequence[str], **pool: Any) -> AsyncEngine:
    """Every connection speaks UTF-8 and UTC, and is strict, whatever the server's defaults."""
    prepared = pool.pop("prepared", _PREPARED)
    where, context = without_options(url)
    engine = create_async_engine(
        where,
        isolation_level="AUTOCOMMIT",  # BEGIN and COMMIT are said here, not by SQLAlchemy
        skip_autocommit_rollback=True,
        pool_reset_on_return=None,
        connect_args={
            "charset": "utf8mb4",
            "connect_timeout": _CONNECT,
            "ssl": context,
            "async_creator_fn": _connected,
            "stmt_cache_size": prepared,
            "binary_prefix": True,
        },
        **pool,
    )

    def tune(adapted: Any, _: Any) -> None:
        async def say(raw: Any) -> None:
            raw.show_warnings = _unasked
            if context is not None:
                # What a client can do is read before TLS begins, where the driver does not say this
                # yet: MariaDB refuses what it then sends.
                raw._bulk_supported = False  # noqa: SLF001 - it has no other switch
            async with asyncio.timeout(_CONNECT):
                for statement in (*_EVERY, *settings):
                    await raw.query(statement)

        adapted.run_async(say)

    event.listen(engine.sync_engine, "connect", tune)
    return engine


async def _unasked() -> None:
    """The driver would ask for each warning, as of a row that is there already, and log the row.

    `max_error_count=0` would do as well, but newer servers let only administrators set it.
    """


async def _connected(**given: Any) -> Any:
    """A server that takes the connection and then says nothing is not waited for."""
    async with asyncio.timeout(_CONNECT):
        return await asyncmy.connect(**given)


class _Conn(Conn):
    locks_rows = True

    def __init__(self, connection: AsyncConnection, raw: Any) -> None:
        self.dialect = connection.dialect
        self._sa = connection
        self._raw = raw

    async def rows(self, statement: sa.Executable, params: Params | None = None) -> list[Any]:
        with translated():
            async with asyncio.timeout(_ANSWER):
                return list(await self._sa.execute(statement, params))

    async def run(
        self, statement: sa.Executable, params: Params | Sequence[Params] | None = None
    ) -> int:
        with translated():
            async with asyncio.timeout(_ANSWER):
                return (await self._sa.execute(statement, params)).rowcount

    async def fetch(self, statement: Hot, values: Sequence[Any] = ()) -> list[Any]:
        filled = padded(values) if values else []
        text = statement.text(self.dialect, len(filled))
        with translated():
            async with asyncio.timeout(_ANSWER):
                cursor = self._raw.cursor()
                await cursor.execute(text, filled)
                return list(await cursor.fetchall())

    async def many(self, statement: Hot, rows: Sequence[tuple[Any, ...]]) -> int:
        if not rows:
            return 0
        text = statement.text(self.dialect)
        with translated():
            async with asyncio.timeout(_ANSWER):
                cursor = self._raw.cursor()
                if len(rows) == 1:
                    await cursor.execute(text, rows[0])
                    return int(cursor.rowcount)
                text, values = _without_empty_columns(text, rows)
                if self._takes_all_at_once or text.startswith("INSERT"):
                    await cursor.executemany(text, values)
                    return int(cursor.rowcount)
                return await _in_few_messages(cursor, text, values)

    def moment(self, value: datetime | None) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    @property
    def _takes_all_at_once(self) -> bool:
        return bool(self._raw._bulk_supported)  # noqa: SLF001 - it does not say so otherwise


def _without_empty_columns(
    text: str, rows: Sequence[tuple[Any, ...]]
) -> tuple[str, Sequence[tuple[Any, ...]]]:
    """A column that is NULL in every row has no type, which a batch must have: say NULL."""
    first = rows[0]
    empty = tuple(
        at
        for at, value in enumerate(first)
        if value is None and all(row[at] is None for row in rows)
    )
    if not empty:
        return text, rows
    kept = [at for at in range(len(first)) if at not in empty]
    return _with_nulls(text, empty), [tuple(row[at] for at in kept) for row in rows]


@lru_cache(maxsize=512)
def _with_nulls(text: str, places: tuple[int, ...]) -> str:
    parts = text.split("%s")
    marks = ["NULL" if at in places else "%s" for at in range(len(parts) - 1)]
    return "".join([part + mark for part, mark in zip(parts, marks, strict=False)]) + parts[-1]


async def _in_few_messages(cursor: Any, text: str, rows: Sequence[tuple[Any, ...]]) -> int:
    touched = 0
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        await cursor.execute(";".join([cursor.mogrify(text, row) for row in some]))
        touched += cursor.rowcount
        while await cursor.nextset():
            touched += cursor.rowcount
    return touched


class MysqlDatabase(Database):
    def __init__(self, url: str, ids: Ids, *, pool: int, patience: float) -> None:
        """`pool` connections for units and as many for queries; `patience` seconds for one."""
        self._ids = ids
        self._most = pool
        shape: dict[str, Any] = {
            "pool_size": pool,
            "max_overflow": 0,
            "pool_timeout": patience,
            "pool_recycle": 1800,
        }
        self._writers = make_engine(url, _WRITING, **shape)
        self._readers = make_engine(url, _READING, **shape)
        self._tell: list[Callable[[], None]] = []
        self._units = 0

    def on_commit(self, tell: Callable[[], None]) -> None:
        self._tell.append(tell)

    async def run(self, work: Coroutine[Any, Any, T], *, lazy: bool = False) -> T:
        return await work

    @asynccontextmanager
    async def unit(self) -> AsyncIterator[Conn]:
        mark = self._ids.new()
        connection, raw = await self._begin(mark)
        try:
            try:
                yield _Conn(connection, raw)
            except BaseException:
                await _undo(connection, raw)
                raise
            await self._commit(connection, raw, mark)
        finally:
            await connection.close()
        for tell in self._tell:
            tell()

    async def _begin(self, mark: UUID) -> tuple[AsyncConnection, Any]:
        """A connection that answers, inside a transaction that holds its mark.

        A connection that lay idle may be dead: that shows here, where nothing is lost by it.
        """
        text = f"START TRANSACTION; INSERT INTO units (id) VALUES (x'{mark.hex}')"  # noqa: S608
        for again in range(self._most, -1, -1):
            with translated():
                connection = await self._writers.connect()
            try:
                async with asyncio.timeout(_ANSWER):
                    raw = await _raw(connection)
                    cursor = raw.cursor()
                    await cursor.execute(text)
                    while await cursor.nextset():
                        pass
            except BaseException as error:
                await connection.invalidate()
                await connection.close()
                if again and gone(error):
                    continue
                with translated():
                    raise
            else:
                return connection, raw
        raise AssertionError("unreachable")

    async def _commit(self, connection: AsyncConnection, raw: Any, mark: UUID) -> None:
        try:
            async with asyncio.timeout(_ANSWER):
                await raw.commit()
        except (errors.Error, OSError) as error:
            await connection.invalidate()
            if not gone(error):
                with translated():
                    raise
            if not await self._was_committed(mark):
                raise lost("the database's connection") from error
            return
        self._units += 1
        if self._units % _MARKS_DROPPED == 0:
            await self._drop_marks(raw, mark)

    async def _was_committed(self, mark: UUID) -> bool:
        """What became of a unit whose COMMIT got no answer.

        Reading the mark with a lock waits while that transaction is still alive on the server.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _DOUBT
        while True:
            try:
                with translated():
                    async with asyncio.timeout(_CONNECT * 2), self._writers.connect() as connection:
                        found = await connection.exec_driver_sql(
                            f"SELECT 1 FROM units WHERE id = x'{mark.hex}' FOR UPDATE"  # noqa: S608
                        )
                        return found.first() is not None
            except (StaleWrite, Unavailable) as error:
                if loop.time() > deadline:
                    raise Unavailable(
                        "It is not known whether this was stored; look before you try again."
                    ) from error
            await asyncio.sleep(0.05 + 0.1 * random.random())  # noqa: S311 - jitter

    async def _drop_marks(self, raw: Any, newest: UUID) -> None:
        # Ids of version 7 begin with their time in milliseconds.
        oldest = UUID(int=newest.int - (_MARKS_KEPT << 80)).hex
        with suppress(errors.Error, OSError):  # the next ones do it
            await raw.query(f"DELETE FROM units WHERE id < x'{oldest}' LIMIT 5000")  # noqa: S608

    async def read(self, work: Callable[[Conn], Coroutine[Any, Any, T]]) -> T:
        for again in range(self._most, -1, -1):
            with translated():
                connection = await self._readers.connect()
            try:
                raw = await _raw(connection)
                try:
                    return await work(_Conn(connection, raw))
                finally:
                    await _undo(connection, raw)
            except Unavailable as error:
                if not again or error.__cause__ is None or not gone(error.__cause__):
                    raise
            finally:
                with translated():  # it may go away as well while it is given back
                    await connection.close()
        raise AssertionError("unreachable")

    def busy(self) -> dict[str, float]:
        pools: dict[str, Any] = {"write": self._writers.pool, "read": self._readers.pool}
        return {what: float(pool.checkedout()) for what, pool in pools.items()}

    async def close(self) -> None:
        await self._writers.dispose()
        await self._readers.dispose()


async def _raw(connection: AsyncConnection) -> Any:
    return (await connection.get_raw_connection()).driver_connection


async def _undo(connection: AsyncConnection, raw: Any) -> None:
    """End the transaction; a connection that cannot is not used again."""
    try:
        async with asyncio.timeout(_CONNECT):
            await raw.rollback()
    except BaseException as error:
        await connection.invalidate()
        if not isinstance(error, errors.Error | OSError):
            raise
