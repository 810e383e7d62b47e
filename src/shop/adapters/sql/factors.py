"""Second factors, and sign-ins half done."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import asdict, replace
from sqlalchemy import bindparam

from shop.adapters.sql.conn import one
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.tables import second_factors, sign_in_tickets
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.kernel.ids import UserId
from shop.core.users.factors import Factors, Passkey
from shop.core.users.tickets import Ticket
from shop.ports.factors import SecondFactors, Tickets

_FACTORS = (
    sa.select(second_factors)
    .where(second_factors.c.user_id == bindparam("whose"))
    .with_for_update()
)
_NEW_FACTORS = second_factors.insert()
_CHANGED_FACTORS = (
    second_factors.update()
    .where(
        second_factors.c.user_id == bindparam("whose"),
        second_factors.c.version == bindparam("seen"),
    )
    .values({c.name: bindparam(c.name) for c in second_factors.c if c.name != "user_id"})
)
_TICKET = (
    sa.select(sign_in_tickets)
    .where(sign_in_tickets.c.hash == bindparam("wanted"))
    .with_for_update()
)
_NEW_TICKET = sign_in_tickets.insert()
_CHANGED_TICKET = (
    sign_in_tickets.update()
    .where(
        sign_in_tickets.c.hash == bindparam("wanted"),
        sign_in_tickets.c.version == bindparam("seen"),
    )
    .values(
        challenge=bindparam("challenge"),
        failures=bindparam("failures"),
        used_at=bindparam("used_at"),
        version=bindparam("version"),
    )
)
_OLD_TICKETS = sign_in_tickets.delete().where(sign_in_tickets.c.expires_at < bindparam("before"))


class SqlSecondFactors(SecondFactors):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def of(self, user_id: UserId) -> Factors:
        row = await one(self._uow.conn, _FACTORS, {"whose": user_id})
        return Factors(user_id=user_id) if row is None else to_factors(row)

    async def save(self, factors: Factors) -> Factors:
        saved = replace(factors, version=factors.version + 1)
        row = asdict(saved)
        if factors.version == 0:
            try:
                await self._uow.conn.run(_NEW_FACTORS, row)
            except Taken as error:
                raise lost("these second factors") from error
            return saved
        row["whose"], row["seen"] = row.pop("user_id"), factors.version
        if await self._uow.conn.run(_CHANGED_FACTORS, row) != 1:
            raise lost("these second factors")
        return saved


class SqlTickets(Tickets):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def add(self, ticket: Ticket) -> None:
        await self._uow.conn.run(_NEW_TICKET, asdict(ticket))

    async def find(self, ticket_hash: bytes) -> Ticket | None:
        row = await one(self._uow.conn, _TICKET, {"wanted": ticket_hash})
        return None if row is None else _to_ticket(row)

    async def save(self, ticket: Ticket) -> Ticket:
        saved = replace(ticket, version=ticket.version + 1)
        row = {
            "wanted": ticket.hash,
            "seen": ticket.version,
            "challenge": saved.challenge,
            "failures": saved.failures,
            "used_at": saved.used_at,
            "version": saved.version,
        }
        if await self._uow.conn.run(_CHANGED_TICKET, row) != 1:
            raise lost("this sign-in")
        return saved

    async def forget(self, before: datetime) -> int:
        return await self._uow.conn.run(_OLD_TICKETS, {"before": before})


def to_factors(row: Any) -> Factors:
    return Factors(
        user_id=UserId(row.user_id),
        totp=_bytes(row.totp),
        totp_since=row.totp_since,
        totp_step=row.totp_step,
        pending_totp=_bytes(row.pending_totp),
        pending_challenge=_bytes(row.pending_challenge),
        pending_until=row.pending_until,
        recovery=msgspec.convert(row.recovery, tuple[bytes, ...]),
        passkeys=msgspec.convert(row.passkeys, tuple[Passkey, ...]),
        failures=row.failures,
        wait_until=row.wait_until,
        version=row.version,
    )


def _to_ticket(row: Any) -> Ticket:
    return Ticket(
        hash=bytes(row.hash),
        user_id=None if row.user_id is None else UserId(row.user_id),
        password_mark=_bytes(row.password_mark),
        first=row.first,
        challenge=_bytes(row.challenge),
        failures=row.failures,
        expires_at=row.expires_at,
        used_at=row.used_at,
        version=row.version,
    )


def _bytes(value: Any) -> bytes | None:
    return None if value is None else bytes(value)
