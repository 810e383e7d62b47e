"""Whether the server is there, fits, and agrees about the time, for the doctor."""

from datetime import UTC, datetime

import sqlalchemy as sa
from asyncmy import errors
from sqlalchemy import exc
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from shop.adapters.sql import schema
from shop.adapters.sql.checkup import parts
from shop.adapters.sql.mysql import make_engine
from shop.adapters.sql.mysql_schema import too_old
from shop.ports.checkup import DatabaseCheckup, Unwell

#: Error numbers: a wrong name or password, no right to the database, no such database.
_DENIED = frozenset({1044, 1045, 1698})
_NO_DATABASE = 1049
_MOST_APART = 5.0


class MysqlCheckup(DatabaseCheckup):
    def __init__(self, url: str) -> None:
        self._url = url

    async def examine(self) -> str:
        engine = make_engine(self._url, (), poolclass=NullPool, prepared=0)
        where = make_url(self._url)
        try:
            async with engine.connect() as connection:
                if (old := await too_old(connection)) is not None:
                    raise Unwell(*parts(old))
                if (problem := await connection.run_sync(schema.problem)) is not None:
                    raise Unwell(*parts(problem))
                revision = await connection.run_sync(schema.current)
                version = await connection.scalar(sa.text("SELECT VERSION()"))
                their = await connection.scalar(sa.text("SELECT UTC_TIMESTAMP(6)"))
        except (exc.DBAPIError, errors.Error, OSError, TimeoutError) as error:
            raise _explained(error, where) from error
        finally:
            await engine.dispose()
        apart = abs((datetime.now(UTC).replace(tzinfo=None) - their).total_seconds())
        if apart > _MOST_APART:
            raise Unwell(
                f"its clock and ours are {apart:.0f} s apart", "let both follow a time server"
            )
        return f"{version} at {where.host}:{where.port or 3306}, schema {revision}"


def _explained(error: Exception, where: sa.URL) -> Unwell:
    cause = getattr(error, "orig", error)
    number = cause.args[0] if cause is not None and cause.args else 0
    if number in _DENIED:
        return Unwell(
            f"{where.host} refuses the user {where.username}",
            "see the name, the password and the rights in SHOP_DATABASE_URL",
        )
    if number == _NO_DATABASE:
        return Unwell(
            f"there is no database {where.database}",
            "create it, and give that user all rights to it",
        )
    return Unwell(
        f"{where.host}:{where.port or 3306} cannot be reached",
        "see that the server runs, and the way to it",
    )
