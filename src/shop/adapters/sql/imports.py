"""Reports of imports."""

from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, one
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import imports
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.catalog.model import ImportNotFound
from shop.ports.catalog import ImportReads, ImportReport, Imports

_SAVE = (
    imports.update()
    .values(
        status=bindparam("new_status"), document=bindparam("report"), updated_at=bindparam("now")
    )
    .where(imports.c.id == bindparam("import"))
)
_GET = sa.select(imports.c.document).where(imports.c.id == bindparam("import"))
_UNFINISHED = sa.select(imports.c.document).where(imports.c.status.in_(["queued", "running"]))


class SqlImports(Imports):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def put(self, report: ImportReport) -> None:
        conn = self._uow.conn
        values = {
            "import": report.id,
            "new_status": report.status,
            "report": report,
            "now": report.updated_at,
        }
        if await conn.run(_SAVE, values) == 0:
            await conn.run(
                imports.insert(),
                {
                    "id": report.id,
                    "status": report.status,
                    "document": report,
                    "created_at": report.created_at,
                    "updated_at": report.updated_at,
                    "version": 0,
                },
            )

    async def unfinished(self) -> list[ImportReport]:
        rows = await self._uow.conn.rows(_UNFINISHED)
        return [msgspec.convert(row.document, ImportReport) for row in rows]


class SqlImportReads(ImportReads):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, import_id: UUID) -> ImportReport:
        async def query(conn: Conn) -> Any:
            return await one(conn, _GET, {"import": import_id})

        row = await self._database.read(query)
        if row is None:
            raise ImportNotFound("There is no such import.")
        return msgspec.convert(row.document, ImportReport)
