"""The SQL adapters, for dishka."""

from collections.abc import AsyncIterator
from pathlib import Path

from dishka import Provider, Scope, alias, provide

from shop.adapters.sql.database import Database
from shop.adapters.sql.sqlite import SqliteDatabase
from shop.adapters.sql.uow import SqlUnitOfWork, SqlUnits
from shop.ports.outbox import Sealer
from shop.ports.uow import UnitOfWork, Units


class SqlStorage(Provider):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    @provide(scope=Scope.APP)
    async def database(self) -> AsyncIterator[Database]:
        database = SqliteDatabase(self._path)
        yield database
        await database.close()

    @provide(scope=Scope.APP)
    def units(self, database: Database) -> Units:
        return SqlUnits(database)

    @provide(scope=Scope.REQUEST)
    def unit(self, database: Database, sealer: Sealer) -> SqlUnitOfWork:
        return SqlUnitOfWork(database, sealer)

    uow = alias(source=SqlUnitOfWork, provides=UnitOfWork)
