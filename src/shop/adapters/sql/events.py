"""Events on their way: the outbox, the log that is the embedded bus, and who has seen what."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, Hot, among, one
from shop.adapters.sql.database import Database, insistently
from shop.adapters.sql.errors import lost
from shop.adapters.sql.inserts import insert_new
from shop.adapters.sql.tables import cursors, dead_letters, event_log, inbox, outbox
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.kernel.ids import EventId, id_of
from shop.ports.bus import DeadLetter, DeadLetters, EventBus, Subscriptions
from shop.ports.outbox import Envelope, Inbox, Outbox

#: The most events read at once.
_MOST = 500


def _wire(table: sa.Table) -> list[sa.Column[Any]]:
    return [table.c.id, table.c.topic, table.c.key, table.c.kind, table.c.body]


_FIRST = sa.select(sa.func.min(outbox.c.seq) + sa.literal_column(str(_MOST))).scalar_subquery()
_OLDEST = Hot(sa.select(*_wire(outbox)).where(outbox.c.seq < _FIRST).order_by(outbox.c.seq))
_WAITING = sa.select(sa.func.count()).select_from(outbox)
_DONE = Hot(outbox.delete().where(outbox.c.id == bindparam("event")))
_PUBLISH = Hot(insert_new(event_log, "seq"))

_CURSOR = (
    sa.select(cursors.c.seq).where(cursors.c.consumer == bindparam("consumer")).scalar_subquery()
)
_UNSEEN = event_log.c.seq > sa.func.coalesce(_CURSOR, sa.literal_column("0"))
#: Once everybody has seen it, an event may be forgotten: then the cursor stands where it was.
_AFTER = sa.select(event_log.c.seq).where(event_log.c.id == bindparam("event")).scalar_subquery()
_BEYOND = event_log.c.seq > sa.func.coalesce(_AFTER, _CURSOR, sa.literal_column("0"))


def _some(unseen: sa.ColumnElement[bool]) -> Hot:
    return Hot(
        sa.select(*_wire(event_log))
        .where(unseen)
        .order_by(event_log.c.seq)
        .limit(sa.literal_column(str(_MOST)))
        .offset(sa.literal_column("0"))  # SQLAlchemy would bind it, behind what `fetch` binds
    )


_NEXT = _some(_UNSEEN)
_NEXT_AFTER = _some(_BEYOND)
_LAG = sa.select(sa.func.count()).select_from(event_log).where(_UNSEEN)
_PLACE = sa.select(event_log.c.seq).where(event_log.c.id == bindparam("event"))
_SEEN_BY_ALL = sa.select(sa.func.min(cursors.c.seq)).scalar_subquery()
#: MySQL deletes from no table that a subquery reads, unless that stands in a table of its own.
_FIRST_KEPT = sa.select(sa.func.min(event_log.c.seq).label("seq")).subquery("first_kept")
_SOME = sa.select(_FIRST_KEPT.c.seq + 5_000).scalar_subquery()
_PRUNE_LOG = event_log.delete().where(
    event_log.c.id < bindparam("before"), event_log.c.seq <= _SEEN_BY_ALL, event_log.c.seq < _SOME
)
_PRUNE_INBOX = inbox.delete().where(inbox.c.event_id < bindparam("before"))
_MOVE = (
    cursors.update()
    .values(seq=bindparam("place"))
    .where(cursors.c.consumer == bindparam("whose"), cursors.c.seq < bindparam("place_again"))
)
_OPEN = Hot(insert_new(cursors))
_TAKEN = sa.select(inbox.c.event_id).where(
    inbox.c.consumer == bindparam("consumer"),
    among(inbox.c.event_id, "events"),
)
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
            return [_to_envelope(row) for row in (await conn.fetch(_OLDEST))[:limit]]

        return await self._database.read(query)

    async def done(self, sent: Sequence[Envelope]) -> None:
        rows = [(event.id.bytes,) for event in sent]

        async def forget() -> None:
            async with self._database.unit() as conn:
                await conn.many(_DONE, rows)

        await insistently(self._database, forget, lazy=True)

    async def waiting(self) -> int:
        return await _count(self._database, _WAITING, {})


class SqlInbox(Inbox):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def take(self, consumer: str, events: Iterable[EventId]) -> set[EventId]:
        wanted, conn = set(events), self._uow.conn
        if not wanted:
            return set()
        which = {"consumer": consumer, "events": sorted(wanted)}
        fresh = wanted - {EventId(row.event_id) for row in await conn.rows(_TAKEN, which)}
        rows = [(consumer, event.bytes) for event in sorted(fresh)]
        if await conn.many(_TAKE, rows) != len(rows):
            raise lost("this event")
        return fresh


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

        await insistently(self._database, append, lazy=True)

    async def fetch(
        self, consumer: str, limit: int, after: Envelope | None = None
    ) -> list[Envelope]:
        async def query(conn: Conn) -> list[Envelope]:
            if after is None:
                rows = await conn.fetch(_NEXT, [consumer])
            else:
                rows = await conn.fetch(_NEXT_AFTER, [after.id.bytes, consumer])
            return [_to_envelope(row) for row in rows[:limit]]

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

        await insistently(self._database, move, lazy=True)

    async def lag(self, consumer: str) -> int:
        return await _count(self._database, _LAG, {"consumer": consumer})

    async def forget(self, before: datetime) -> int:
        # Ids of version 7 begin with their time, so they are as good as a column of it.
        oldest = UUID(int=int(before.timestamp() * 1000) << 80)

        async def prune() -> int:
            async with self._database.unit() as conn:
                await conn.run(_PRUNE_INBOX, {"before": oldest})
                return await conn.run(_PRUNE_LOG, {"before": oldest})

        return await insistently(self._database, prune, lazy=True)


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

        await insistently(self._database, bury)

    async def all(self, limit: int = 100) -> list[DeadLetter]:
        async def query(conn: Conn) -> list[DeadLetter]:
            return [_to_letter(row) for row in await conn.rows(_DEAD, {"most": limit})]

        return await self._database.read(query)

    async def remove(self, consumer: str, event: EventId) -> None:
        async def drop() -> None:
            async with self._database.unit() as conn:
                await conn.run(_RAISE, {"whose": consumer, "event": event})

        await insistently(self._database, drop)


async def _count(database: Database, statement: sa.Executable, params: dict[str, Any]) -> int:
    async def query(conn: Conn) -> int:
        [row] = await conn.rows(statement, params)
        count: int = row[0]
        return count

    return await database.read(query)


def _to_envelope(row: tuple[Any, ...]) -> Envelope:
    id_, topic, key, kind, body = row
    return Envelope(EventId(id_of(id_)), topic, id_of(key), kind, body)


def _to_letter(row: Any) -> DeadLetter:
    return DeadLetter(
        consumer=row.consumer,
        event=Envelope(EventId(row.event_id), row.topic, row.key, row.kind, row.body),
        reason=row.reason,
        attempts=row.attempts,
        at=row.at,
    )
