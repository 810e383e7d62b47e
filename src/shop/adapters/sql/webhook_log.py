"""The webhook events that were taken up already."""

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Hot, among
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.tables import webhook_events
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.ports.payments import WebhookLog

_SEEN = Hot(sa.select(webhook_events.c.id).where(among(webhook_events.c.id)))
_INSERT = Hot(webhook_events.insert())
_OLD = (
    sa.select(webhook_events.c.id)
    .where(webhook_events.c.at < bindparam("before"))
    .limit(bindparam("most"))
)
_DELETE = webhook_events.delete().where(among(webhook_events.c.id))


class SqlWebhookLog(WebhookLog):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def fresh(self, event_ids: Sequence[str], at: datetime) -> set[str]:
        conn = self._uow.conn
        wanted = sorted(set(event_ids))
        if not wanted:
            return set()
        seen = {row[0] for row in await conn.fetch(_SEEN, wanted)}
        new = [event_id for event_id in wanted if event_id not in seen]
        moment = conn.moment(at)
        try:
            await conn.many(_INSERT, [(event_id, moment) for event_id in new])
        except Taken as error:
            raise lost("this webhook event") from error
        return set(new)

    async def forget(self, before: datetime, limit: int) -> int:
        conn = self._uow.conn
        old = [row.id for row in await conn.rows(_OLD, {"before": before, "most": limit})]
        if old:
            await conn.run(_DELETE, {"ids": old})
        return len(old)
