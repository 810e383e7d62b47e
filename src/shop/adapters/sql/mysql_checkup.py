"""Whether the server is there, fits, and agrees about the time, for the doctor."""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from shop.adapters.sql import schema
from shop.adapters.sql.checkup import parts
from shop.adapters.sql.mysql import make_engine
from shop.adapters.sql.mysql_errors import TROUBLE, explained
from shop.adapters.sql.mysql_schema import too_old
from shop.ports.checkup import DatabaseCheckup, Unwell

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
                encrypted = await connection.run_sync(_cipher)
        except TROUBLE as error:
            raise Unwell(*explained(error, where)) from error
        finally:
            await engine.dispose()
        apart = abs((datetime.now(UTC).replace(tzinfo=None) - their).total_seconds())
        if apart > _MOST_APART:
            raise Unwell(
                f"its clock and ours are {apart:.0f} s apart", "let both follow a time server"
            )
        how = f"with {encrypted}" if encrypted else "without TLS"
        return f"{version} at {where.host}:{where.port or 3306} {how}, schema {revision}"


def _cipher(connection: sa.Connection) -> str:
    """The version of TLS in use; empty when there is none."""
    row = connection.exec_driver_sql("SHOW SESSION STATUS LIKE 'Ssl_version'").first()
    return "" if row is None else str(row[1])
