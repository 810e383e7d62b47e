"""The schema of a server, which several versions of the shop use while one replaces the other."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from shop.adapters.sql import schema
from shop.adapters.sql.mysql import make_engine
from shop.adapters.sql.mysql_errors import TROUBLE, explained, translated
from shop.core.kernel.errors import StaleWrite, Unavailable
from shop.ports.system import Schema

#: Seconds to wait while another `shop migrate` is at work, and for a table that is in use: all who
#: want to use it meanwhile wait as well.
_PATIENCE = 60
_TABLE_PATIENCE = 3
#: About so many seconds are left to those who waited as well, before the next try.
_RESTS = (2.0, 4.0)
_MYSQL = (8, 0, 16)
_MARIADB = (10, 6)
_TOO_OLD = "{found} is too old; shop needs MySQL 8.0.16 or MariaDB 10.6, or newer."
_SETTINGS = (f"SET SESSION lock_wait_timeout={_TABLE_PATIENCE}",)


class MysqlSchema(Schema):
    """Only `migrate` changes it, never a start.

    A migration only adds, or puts a better index in place of one. So a shop that has found its
    schema serves on while a newer version migrates; a shop that starts refuses a newer one
    (`problem` raises `SchemaNewer`), unless that one says that it serves it.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._fitted = False

    async def migrate(self) -> bool:
        async with self._connected() as connection:
            if (old := await too_old(connection)) is not None:
                raise Unavailable(old)
            database = await connection.scalar(sa.text("SELECT DATABASE()"))
            lock = {"name": lock_of(str(database))}
            wait = lock | {"seconds": _PATIENCE}
            if await connection.scalar(sa.text("SELECT GET_LOCK(:name, :seconds)"), wait) != 1:
                raise Unavailable(
                    f"Another `shop migrate` has been at work for {_PATIENCE} seconds; "
                    "try again when it has ended."
                )
            # The lock goes with the connection, however this ends.
            for rest in _RESTS:
                try:
                    return await _migrated(connection)
                except StaleWrite:
                    await connection.rollback()
                    await asyncio.sleep(rest * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            try:
                return await _migrated(connection)
            except StaleWrite as error:
                raise Unavailable(
                    "A table was not to be had, as somebody reads it for long (a backup?); "
                    "try again when that has ended."
                ) from error

    async def problem(self) -> str | None:
        async with self._connected() as connection:
            if (old := await too_old(connection)) is not None:
                return old
            found = await connection.run_sync(schema.problem)
            if found is not None and await connection.run_sync(schema.is_newer):
                if self._fitted:
                    return None
                raise schema.SchemaNewer(found)
            self._fitted = self._fitted or found is None
            return found

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """A connection of its own: its statements may take longer than a customer waits."""
        engine = make_engine(self._url, _SETTINGS, poolclass=NullPool, prepared=0)
        try:
            connection = engine.connect()
            try:
                await connection.start()
            except TROUBLE as error:
                wrong, cure = explained(error, make_url(self._url))
                raise Unavailable(f"No database: {wrong}; {cure}.") from error
            try:
                with translated():
                    yield connection
            finally:
                await connection.close()
        finally:
            await engine.dispose()


def lock_of(database: str) -> str:
    """Locks have short names, and belong to the whole server."""
    return f"shop:{sha256(database.encode()).hexdigest()[:32]}"


async def _migrated(connection: AsyncConnection) -> bool:
    """Raises `StaleWrite` for a table that is in use; the next call goes on from there."""
    with translated():
        return await connection.run_sync(_migrate)


def _migrate(connection: sa.Connection) -> bool:
    if schema.current(connection) is None:
        prepare(connection)
    return schema.migrate(connection)


def prepare(connection: sa.Connection) -> None:
    """Whatever the server's own defaults: text compares byte by byte, as it does in SQLite."""
    name = connection.dialect.identifier_preparer.quote(
        str(connection.scalar(sa.text("SELECT DATABASE()")))
    )
    connection.exec_driver_sql(f"ALTER DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_bin")


async def too_old(connection: AsyncConnection) -> str | None:
    """CHECK constraints keep the stock and the money right; older servers ignore them."""
    text = str(await connection.scalar(sa.text("SELECT VERSION()")))
    numbers = tuple(int(part) for part in re.findall(r"\d+", text)[:3])
    mariadb = "mariadb" in text.lower()
    if numbers >= (_MARIADB if mariadb else _MYSQL):
        return None
    return _TOO_OLD.format(found=f"{'MariaDB' if mariadb else 'MySQL'} {text.partition('-')[0]}")
