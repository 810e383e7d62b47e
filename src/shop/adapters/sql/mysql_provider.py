"""A MySQL or MariaDB server, for dishka."""

from collections.abc import AsyncIterator

from dishka import Provider, Scope, provide

from shop.adapters.sql.database import Database
from shop.adapters.sql.mysql import MysqlDatabase
from shop.adapters.sql.mysql_backup import MysqlBackup
from shop.adapters.sql.mysql_checkup import MysqlCheckup
from shop.adapters.sql.mysql_schema import MysqlSchema
from shop.ports.backup import DatabaseBackup
from shop.ports.checkup import DatabaseCheckup
from shop.ports.system import Ids, Schema


class MysqlServer(Provider):
    scope = Scope.APP

    def __init__(self, url: str, *, pool: int, patience: float) -> None:
        super().__init__()
        self._url = url
        self._pool = pool
        self._patience = patience

    @provide
    async def database(self, ids: Ids) -> AsyncIterator[Database]:
        database = MysqlDatabase(self._url, ids, pool=self._pool, patience=self._patience)
        yield database
        await database.close()

    @provide
    def schema(self) -> Schema:
        return MysqlSchema(self._url)

    @provide
    def checkup(self) -> DatabaseCheckup:
        return MysqlCheckup(self._url)

    @provide
    def backup(self) -> DatabaseBackup:
        return MysqlBackup(self._url)
