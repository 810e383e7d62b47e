"""The database itself, for dishka: a file, or a server."""

from collections.abc import AsyncIterator
from pathlib import Path

from dishka import Provider, Scope, alias, provide

from shop.adapters.sql.checkup import SqliteCheckup
from shop.adapters.sql.database import Database
from shop.adapters.sql.sqlite import SqliteDatabase
from shop.adapters.sql.sqlite_backup import SqliteBackup
from shop.ports.backup import DatabaseBackup
from shop.ports.checkup import DatabaseCheckup
from shop.ports.system import Schema


class SqliteFile(Provider):
    scope = Scope.APP

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    @provide
    async def sqlite(self) -> AsyncIterator[SqliteDatabase]:
        database = SqliteDatabase(self._path)
        yield database
        await database.close()

    database = alias(source=SqliteDatabase, provides=Database)
    schema = alias(source=SqliteDatabase, provides=Schema)

    @provide
    def checkup(self) -> DatabaseCheckup:
        return SqliteCheckup(self._path)

    @provide
    def backup(self) -> DatabaseBackup:
        return SqliteBackup(self._path)
