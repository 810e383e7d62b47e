"""Events on their way: the outbox, the log that is the embedded bus, and who has seen what."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, Hot, one
from shop.adapters.sql.database import Database
from shop.adapters.sql.inserts import insert_new
from shop.adapters.sql.tables import cursors, dead_letters, event_log, inbox, outbox
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.kernel.ids import EventId
from shop.ports.bus import DeadLetter, DeadLetters, EventBus, Subscriptions
from shop.ports.outbox import Envelope, Inbox, Outbox


def _wire(table: sa.Table) -> list[sa.Column[Any]]:
    return [table.c.id, table.c.topic, table.c.key, table.c.kind, table.c.body]


_OLDEST = sa.select(*_wire(outbox)).order_by(outbox.c.seq).limit(bindparam("most"))
_WAITING = sa.select(sa.func.count()).select_from(outbox)
_DONE = Hot(outbox.delete().where(outbox.c.id == bindparam("event")))
_PUBLISH = Hot(insert_new(event_log, "seq"))

_CURSOR = (
    sa.select(cursors.c.seq).where(cursors.c.consumer == bindparam("consumer")).scalar_subquery()
)
_UNSEEN = event_log.c.seq > sa.func.coalesce(_CURSOR, 0)
_NEXT = sa.select(*_wire(event_log)).where(_UNSEEN).order_by(event_log.c.seq)
_NEXT = _NEXT.limit(bindparam("most"))
_LAG = sa.select(sa.func.count()).select_from(event_log).where(_UNSEEN)
_PLACE = sa.select(event_log.c.seq).where(event_log.c.id == bindparam("event"))
_MOVE = (
    cursors.update()
    .values(seq=bindparam("place"))
    .where(cursors.c.consumer == bindparam("whose"), cursors.c.seq < bindparam("place_again"))
)
_OPEN = Hot(insert_new(cursors))
_TAKE = Hot(insert_new(inbox))

_BURY = Hot(insert_new(dead_letters))
_DEAD = sa.select(dead_letters).order_by(dead_letters.c.at, dead_letters.c.event_id)
_DEAD = _DEAD.limit(bindparam("most"))
_RAISE = dead_letters.delete().where(
    dead_letters.c.consumer == bindparam("whose"), dead_letters.c.event_id == bindparam("event")
)


class SqlOutbox(Outbox):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def oldest(self, limit: int) -> list[Envelope]:
        async def query(conn: Conn) -> list[Envelope]:
            return [Envelope(*row) for row in await conn.rows(_OLDEST, {"most": limit})]

        return await self._database.read(query)

    async def done(self, sent: Sequence[Envelope]) -> None:
        rows = [(event.id.bytes,) for event in sent]

        async def forget() -> None:
            async with self._database.unit() as conn:
                await conn.many(_DONE, rows)

        await self._database.run(forget())

    async def waiting(self) -> int:
        return await _count(self._database, _WAITING, {})


class SqlInbox(Inbox):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def take(self, consumer: str, event: EventId) -> bool:
        return await self._uow.conn.many(_TAKE, [(consumer, event.bytes)]) == 1


class SqlEventLog(EventBus, Subscriptions):
    """The embedded bus. Only the relay writes it, so numbers appear in order: a cursor that has
    passed one will never have skipped another."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def publish(self, batch: Sequence[Envelope]) -> None:
        rows = [(e.id.bytes, e.topic, e.key.bytes, e.kind, e.body) for e in batch]

        async def append() -> None:
            async with self._database.unit() as conn:
                await conn.many(_PUBLISH, rows)

        await self._database.run(append())

    async def fetch(self, consumer: str, limit: int) -> list[Envelope]:
        async def query(conn: Conn) -> list[Envelope]:
            rows = await conn.rows(_NEXT, {"consumer": consumer, "most": limit})
            return [Envelope(*row) for row in rows]

        return await self._database.read(query)

    async def ack(self, consumer: str, last: Envelope) -> None:
        async def move() -> None:
            async with self._database.unit() as conn:
                row = await one(conn, _PLACE, {"event": last.id})
                if row is None:
                    return
                if await conn.many(_OPEN, [(consumer, row.seq)]):
                    return
                place = {"whose": consumer, "place": row.seq, "place_again": row.seq}
                await conn.run(_MOVE, place)

        await self._database.run(move())

    async def lag(self, consumer: str) -> int:
        return await _count(self._database, _LAG, {"consumer": consumer})


class SqlDeadLetters(DeadLetters):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, letter: DeadLetter) -> None:
        event = letter.event

        async def bury() -> None:
            async with self._database.unit() as conn:
                row = (
                    letter.consumer,
                    event.id.bytes,
                    event.topic,
                    event.key.bytes,
                    event.kind,
                    event.body,
                    letter.reason[:500],
                    letter.attempts,
                    conn.moment(letter.at),
                )
                await conn.many(_BURY, [row])

        await self._database.run(bury())

    async def all(self, limit: int = 100) -> list[DeadLetter]:
        async def query(conn: Conn) -> list[DeadLetter]:
            return [_to_letter(row) for row in await conn.rows(_DEAD, {"most": limit})]

        return await self._database.read(query)

    async def remove(self, consumer: str, event: EventId) -> None:
        async def drop() -> None:
            async with self._database.unit() as conn:
                await conn.run(_RAISE, {"whose": consumer, "event": event})

        await self._database.run(drop())


async def _count(database: Database, statement: sa.Executable, params: dict[str, Any]) -> int:
    async def query(conn: Conn) -> int:
        [row] = await conn.rows(statement, params)
        count: int = row[0]
        return count

    return await database.read(query)


def _to_letter(row: Any) -> DeadLetter:
    return DeadLetter(
        consumer=row.consumer,
        event=Envelope(EventId(row.event_id), row.topic, row.key, row.kind, row.body),
        reason=row.reason,
        attempts=row.attempts,
        at=row.at,
    )
