"""Work that only one may do at a time, among all processes of a database."""

from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Hot
from shop.adapters.sql.database import Database, insistently
from shop.adapters.sql.inserts import insert_new
from shop.adapters.sql.tables import leases
from shop.ports.system import Clock, Lease

_RENEW = (
    leases.update()
    .values(holder=bindparam("who"), until=bindparam("ends"))
    .where(
        leases.c.name == bindparam("what"),
        sa.or_(leases.c.holder == bindparam("still"), leases.c.until <= bindparam("now")),
    )
)
_TAKE = Hot(insert_new(leases))
_RELEASE = leases.delete().where(
    leases.c.name == bindparam("what"), leases.c.holder == bindparam("who")
)


class SqlLease(Lease):
    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def hold(self, name: str, holder: str, span: timedelta) -> bool:
        now = self._clock.now()
        renewal = {"what": name, "who": holder, "still": holder, "now": now, "ends": now + span}

        async def hold() -> bool:
            async with self._database.unit() as conn:
                if await conn.run(_RENEW, renewal):
                    return True
                return bool(await conn.many(_TAKE, [(name, holder, conn.moment(now + span))]))

        return await insistently(self._database, hold, lazy=True)

    async def release(self, name: str, holder: str) -> None:
        async def release() -> None:
            async with self._database.unit() as conn:
                await conn.run(_RELEASE, {"what": name, "who": holder})

        await insistently(self._database, release, lazy=True)
