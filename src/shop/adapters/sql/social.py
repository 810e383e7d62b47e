"""Linked profiles, and the states of sign-ins that were finished."""

from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, one
from shop.adapters.sql.database import Database
from shop.adapters.sql.errors import Taken
from shop.adapters.sql.inserts import insert_new
from shop.adapters.sql.tables import linked_profiles, spent_states
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.kernel.ids import ProfileId, UserId
from shop.core.users.linked import LinkedProfile, ProfileTaken
from shop.ports.social import ProfileReads, Profiles, SpentStates

_BY_SUBJECT = sa.select(linked_profiles).where(
    linked_profiles.c.subject == bindparam("its_subject"),
    linked_profiles.c.issuer == bindparam("its_issuer"),
)
_OF = (
    sa.select(linked_profiles)
    .where(linked_profiles.c.user_id == bindparam("whose"))
    .order_by(linked_profiles.c.id)
)
_NEW = linked_profiles.insert()
_REMOVE = linked_profiles.delete().where(linked_profiles.c.id == bindparam("which"))
_SPEND = insert_new(spent_states)
_FORGET = spent_states.delete().where(spent_states.c.expires_at < bindparam("before"))


class SqlProfiles(Profiles):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def find(self, issuer: str, subject: str) -> LinkedProfile | None:
        which = {"its_issuer": issuer, "its_subject": subject}
        row = await one(self._uow.conn, _BY_SUBJECT, which)
        return None if row is None else _to_profile(row)

    async def of(self, user_id: UserId) -> list[LinkedProfile]:
        return [_to_profile(row) for row in await self._uow.conn.rows(_OF, {"whose": user_id})]

    async def add(self, profile: LinkedProfile) -> None:
        try:
            await self._uow.conn.run(_NEW, msgspec.structs.asdict(profile))
        except Taken as error:
            raise ProfileTaken("This profile signs in to another account.") from error

    async def remove(self, profile: LinkedProfile) -> None:
        await self._uow.conn.run(_REMOVE, {"which": profile.id})


class SqlProfileReads(ProfileReads):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, user_id: UserId) -> list[LinkedProfile]:
        async def query(conn: Conn) -> list[LinkedProfile]:
            return [_to_profile(row) for row in await conn.rows(_OF, {"whose": user_id})]

        return await self._database.read(query)


class SqlSpentStates(SpentStates):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def spend(self, state_hash: bytes, expires_at: datetime) -> bool:
        return await self._uow.conn.run(_SPEND, {"hash": state_hash, "expires_at": expires_at}) == 1

    async def forget(self, before: datetime) -> int:
        return await self._uow.conn.run(_FORGET, {"before": before})


def _to_profile(row: Any) -> LinkedProfile:
    return LinkedProfile(
        id=ProfileId(row.id),
        user_id=UserId(row.user_id),
        provider=row.provider,
        issuer=row.issuer,
        subject=row.subject,
        email=row.email,
        linked_at=row.linked_at,
    )
