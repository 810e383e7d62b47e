"""The real wiring over each storage, with time in the test's hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa
from dishka import AsyncContainer, Provider, Scope, provide
from msgspec.structs import replace

from shop.adapters.sql import schema
from shop.entrypoints.actors.desks import CheckoutDesk
from shop.ports.system import Clock, Schema
from shop.settings import Data, Database, Mail, Media, Settings, Url
from shop.wiring import make_container
from tests.kit.clock import ManualClock

STORAGES = ("memory", "sqlite", "mysql")


class FakeSystem(Provider):
    """Replaces the clock; tests ask the container for `Clock` and get a `ManualClock`."""

    @provide(scope=Scope.APP, override=True)
    def clock(self) -> Clock:
        return ManualClock()


def settings_for(storage: str, folder: Path, **changes: Any) -> Settings:
    """The defaults, on that storage, below that folder; a new database is migrated already."""
    memory = storage == "memory"
    if storage == "sqlite" and not (file := folder / "shop.db").exists():
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(_migrated())
    settings = Settings(
        data=Data(dir=str(folder)),
        database=Database(url=Url(_database_url(storage))),
        mail=Mail(url=Url("memory:" if memory else "")),
        media=Media(url=Url("memory:" if memory else "")),
    )
    return replace(settings, **changes)


@cache
def _migrated() -> bytes:
    """The file of a migrated SQLite database: to migrate takes longer than most tests."""
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        schema.migrate(connection)
    with engine.connect() as connection:
        raw = cast(Any, connection.connection.driver_connection)
        file: bytes = raw.serialize()
    engine.dispose()
    return file


def _database_url(storage: str) -> str:
    if storage == "mysql":
        # A plugin of the tests, which pytest must be the first to import.
        from tests.kit.databases import DATABASES  # noqa: PLC0415

        return DATABASES.lend()
    return "memory:" if storage == "memory" else ""


@asynccontextmanager
async def running(settings: Settings, *overrides: Provider) -> AsyncIterator[AsyncContainer]:
    """A migrated shop without actors."""
    container = make_container(settings, FakeSystem(), *overrides)
    try:
        await (await container.get(Schema)).migrate()
        await container.get(CheckoutDesk)  # as at a real start: what it needs exists before use
        yield container
    finally:
        await container.close()
