"""Empty, migrated databases on the MySQL or MariaDB server, one for each test."""

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.pool import NullPool

from shop.adapters.sql.mysql import make_engine
from shop.adapters.sql.mysql_schema import MysqlSchema
from tests.kit.servers import MYSQL

T = TypeVar("T")


def apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run it on a loop of its own, whether or not the caller is on one."""
    found: list[T] = []
    failed: list[BaseException] = []

    def main() -> None:
        try:
            found.append(asyncio.run(work()))
        except BaseException as error:  # noqa: BLE001 - it is raised below
            failed.append(error)

    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return found[0]


async def on(url: str, work: Callable[[AsyncConnection], Coroutine[Any, Any, T]]) -> T:
    engine = make_engine(url, (), poolclass=NullPool, prepared=0)
    try:
        async with engine.connect() as connection:
            return await work(connection)
    finally:
        await engine.dispose()


async def query(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    async def work(connection: AsyncConnection) -> list[tuple[Any, ...]]:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        cursor = raw.cursor()
        await cursor.execute(statement, values or None)
        return [tuple(row) for row in await cursor.fetchall() or ()] if cursor.description else []

    return await on(url, work)


class Databases:
    """Making one takes half a second, emptying one some milliseconds: so they are used again."""

    def __init__(self) -> None:
        self._made = 0
        self._free: list[str] = []
        self._lent: list[str] = []
        self._seed: dict[str, list[tuple[Any, ...]]] = {}

    def lend(self, *, migrated: bool = True) -> str:
        """The URL of a database for this test; skips or fails it where there is no server."""
        server = MYSQL.wanted()
        if not migrated:
            return self._url(server, apart(lambda: on(server, self._create)))
        if self._free:
            name = self._free.pop()
            apart(lambda: on(self._url(server, name), self._empty))
        else:
            name = apart(lambda: on(server, self._create))
            apart(MysqlSchema(self._url(server, name)).migrate)
            if not self._seed:
                apart(lambda: on(self._url(server, name), self._remember))
        self._lent.append(name)
        return self._url(server, name)

    def copy(self, url: str) -> str:
        """One more with the same rows."""
        made = self.lend()
        source = sa.make_url(url).database

        async def fill(connection: AsyncConnection) -> None:
            raw: Any = (await connection.get_raw_connection()).driver_connection
            cursor = raw.cursor()
            text = "SET foreign_key_checks=0"
            for table in self._seed:
                text += f";REPLACE INTO `{table}` SELECT * FROM {source}.`{table}`"  # noqa: S608
            await cursor.execute(text)
            while await cursor.nextset():
                pass

        apart(lambda: on(made, fill))
        return made

    def keep(self) -> str:
        """One that outlives the test that asks for it."""
        url = self.lend()
        self._lent.pop()
        return url

    def take_back(self) -> None:
        self._free += self._lent
        self._lent = []

    def drop(self) -> None:
        """What was made on a server that stays."""
        if self._made and MYSQL.process is None:
            apart(lambda: on(MYSQL.url, self._drop))

    @staticmethod
    def _url(server: str, name: str) -> str:
        where = sa.make_url(server).set(database=name)
        return where.render_as_string(hide_password=False)

    async def _create(self, connection: AsyncConnection) -> str:
        self._made += 1
        name = f"shop_test_{os.getpid()}_{self._made}"
        await connection.exec_driver_sql(f"CREATE DATABASE {name}")
        return name

    async def _drop(self, connection: AsyncConnection) -> None:
        for number in range(1, self._made + 1):
            await connection.exec_driver_sql(
                f"DROP DATABASE IF EXISTS shop_test_{os.getpid()}_{number}"
            )

    async def _remember(self, connection: AsyncConnection) -> None:
        """The rows that a migrated database begins with."""
        for table in await self._tables(connection):
            rows = (await connection.exec_driver_sql(f"SELECT * FROM `{table}`")).all()  # noqa: S608
            self._seed[table] = [tuple(row) for row in rows]

    async def _empty(self, connection: AsyncConnection) -> None:
        raw: Any = (await connection.get_raw_connection()).driver_connection
        cursor = raw.cursor()
        text = ";".join(f"DELETE FROM `{table}`" for table in self._seed)  # noqa: S608
        await cursor.execute(f"SET foreign_key_checks=0;{text}")
        while await cursor.nextset():
            pass
        for table, rows in self._seed.items():
            for row in rows:
                marks = ", ".join(["%s"] * len(row))
                await cursor.execute(f"INSERT INTO `{table}` VALUES ({marks})", row)  # noqa: S608

    @staticmethod
    async def _tables(connection: AsyncConnection) -> list[str]:
        shown = await connection.exec_driver_sql("SHOW TABLES")
        return [name for (name,) in shown if name != "alembic_version"]


DATABASES = Databases()


@pytest.fixture(autouse=True)
def databases_come_back() -> Iterator[None]:
    yield
    DATABASES.take_back()


@pytest.fixture(scope="session", autouse=True)
def databases_go(servers_end: None) -> Iterator[None]:  # noqa: ARG001 - they end afterwards
    yield
    DATABASES.drop()
