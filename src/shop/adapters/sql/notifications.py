"""Mails, queued and sent."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, Hot, one
from shop.adapters.sql.database import Database
from shop.adapters.sql.inserts import insert_new
from shop.adapters.sql.queues import Queue
from shop.adapters.sql.tables import emails
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.adapters.sql.versioned import overwrite
from shop.core.kernel.ids import EmailId
from shop.core.kernel.page import Page, last_id, paged
from shop.core.notifications.model import Email, EmailNotFound, EmailStatus
from shop.ports.mail import EmailFilter, EmailReads, Emails

_INSERT = Hot(insert_new(emails))
_GET = sa.select(emails).where(emails.c.id == bindparam("email"))
_LOCK = _GET.with_for_update()
_BY_DEDUPE = sa.select(emails).where(emails.c.dedupe == bindparam("cause"))
# The driver takes the values in the order of the text, and SET follows the order of the columns.
_UPDATE = Hot(
    emails.update()
    .values(
        text=bindparam("new_text"),
        html=bindparam("new_html"),
        status=bindparam("new_status"),
        attempts=bindparam("new_attempts"),
        next_try_at=bindparam("new_next_try_at"),
        error=bindparam("new_error"),
        sent_at=bindparam("new_sent_at"),
        version=bindparam("new_version"),
    )
    .where(emails.c.id == bindparam("email"), emails.c.version == bindparam("seen"))
)
_QUEUE = Queue(emails, emails.c.next_try_at)
_DUE = (
    sa.select(emails)
    .where(emails.c.next_try_at <= bindparam("now"))
    .order_by(emails.c.next_try_at)
    .limit(bindparam("most"))
)


class SqlEmails(Emails):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, emails: Sequence[Email]) -> None:
        conn = self._uow.conn
        await conn.many(_INSERT, [_to_row(conn, email) for email in emails])

    async def get(self, email_id: EmailId) -> Email:
        return _known(await one(self._uow.conn, _LOCK, {"email": email_id}))

    async def by_dedupe(self, dedupe: str) -> Email | None:
        row = await one(self._uow.conn, _BY_DEDUPE, {"cause": dedupe})
        return None if row is None else to_email(row)

    async def save(self, emails: Sequence[Email]) -> list[Email]:
        conn = self._uow.conn
        rows = [
            (
                email.text,
                email.html,
                email.status.value,
                email.attempts,
                conn.moment(email.next_try_at),
                email.error,
                conn.moment(email.sent_at),
                email.version + 1,
                email.id.bytes,
                email.version,
            )
            for email in emails
        ]
        await overwrite(conn, _UPDATE, rows, "this mail")
        return [replace(email, version=email.version + 1) for email in emails]

    async def take_due(self, now: datetime, until: datetime, limit: int) -> list[Email]:
        rows = await _QUEUE.take(self._uow.conn, now, until, limit)
        return [replace(to_email(row), next_try_at=until) for row in rows]


class SqlEmailReads(EmailReads):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, email_id: EmailId) -> Email:
        async def query(conn: Conn) -> Any:
            return await one(conn, _GET, {"email": email_id})

        return _known(await self._database.read(query))

    async def page(self, which: EmailFilter, limit: int, cursor: str | None) -> Page[Email]:
        params: dict[str, Any] = {}
        if which.status is not None:
            params["status"] = which.status.value
        if which.recipient:
            params["recipient"] = which.recipient.lower()
        if (after := last_id(cursor)) is not None:
            params["after"] = after
        statement = _page(frozenset(params))
        return paged(await self._emails(statement, params | {"most": limit + 1}), limit)

    async def due(self, now: datetime, limit: int) -> list[Email]:
        return await self._emails(_DUE, {"now": now, "most": limit})

    async def _emails(self, statement: sa.Executable, params: dict[str, Any]) -> list[Email]:
        async def query(conn: Conn) -> list[Email]:
            return [to_email(row) for row in await conn.rows(statement, params)]

        return await self._database.read(query)


_CONDITIONS: dict[str, sa.ColumnElement[bool]] = {
    "status": emails.c.status == bindparam("status"),
    "recipient": sa.func.lower(emails.c.recipient) == bindparam("recipient"),
    "after": emails.c.id < bindparam("after"),
}


@cache
def _page(names: frozenset[str]) -> sa.Select[Any]:
    """One statement for each combination of filters: ids sort by the time of queueing."""
    conditions = [condition for name, condition in _CONDITIONS.items() if name in names]
    newest = sa.select(emails).order_by(emails.c.id.desc())
    return newest.where(*conditions).limit(bindparam("most"))


def _known(row: Any) -> Email:
    if row is None:
        raise EmailNotFound("There is no such mail.")
    return to_email(row)


def _to_row(conn: Conn, email: Email) -> tuple[Any, ...]:
    return (
        email.id.bytes,
        email.dedupe,
        email.to,
        email.sender,
        email.subject,
        email.text,
        email.html,
        email.status.value,
        email.attempts,
        conn.moment(email.next_try_at),
        email.error,
        email.subject_id.bytes if email.subject_id else None,
        conn.moment(email.created_at),
        conn.moment(email.sent_at),
        email.version,
    )


def to_email(row: Any) -> Email:
    return Email(
        id=EmailId(row.id),
        dedupe=row.dedupe,
        to=row.recipient,
        sender=row.sender,
        subject=row.subject,
        text=row.text,
        html=row.html,
        created_at=row.created_at,
        subject_id=row.subject_id,
        status=EmailStatus(row.status),
        attempts=row.attempts,
        next_try_at=row.next_try_at,
        error=row.error,
        sent_at=row.sent_at,
        version=row.version,
    )
