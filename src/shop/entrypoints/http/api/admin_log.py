"""What staff did, for administrators."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.params import FromQuery, QueryParameter
from msgspec import Struct

from shop.core.kernel.access import Caller
from shop.core.kernel.acts import Entry
from shop.core.kernel.ids import UserId
from shop.core.users.deeds import Deeds
from shop.entrypoints.http.api.fields import Cursor, Limit
from shop.entrypoints.http.served import Given, served
from shop.ports.admin_log import EntryFilter


class EntryView(Struct, kw_only=True):
    """`user_id` is null for whoever ran a command on the machine."""

    id: UUID
    at: datetime
    user_id: UUID | None
    action: str
    object_id: str
    detail: str
    request_id: str
    address: str

    @classmethod
    def of(cls, entry: Entry) -> "EntryView":
        return cls(**{name: getattr(entry, name) for name in cls.__struct_fields__})


class EntryPage(Struct):
    items: list[EntryView]
    next_cursor: str | None


def entry_filter(
    user_id: UUID | None, action: str, object_id: str, since: date | None, until: date | None
) -> EntryFilter:
    """Days are whole days, in UTC."""
    end = _begin(until) if until else None
    if end is not None:
        end += timedelta(days=1) if until != date.max else timedelta(0)
    return EntryFilter(
        user_id=UserId(user_id) if user_id else None,
        action=action,
        object_id=object_id,
        since=_begin(since) if since else None,
        before=end,
    )


def _begin(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


class AdminLogController(Controller):
    path = "/api/v1/admin/log"
    tags = ("Back office",)

    @get()
    @served
    async def page(
        self,
        caller: Caller,
        deeds: Given[Deeds],
        user_id: FromQuery[UUID | None] = None,
        action: Annotated[
            str,
            QueryParameter(max_length=64, description="How it begins: `order` or `order.ship`."),
        ] = "",
        object_id: Annotated[str, QueryParameter(max_length=64)] = "",
        since: FromQuery[date | None] = None,
        until: FromQuery[date | None] = None,
        limit: Limit = 24,
        cursor: Cursor = None,
    ) -> EntryPage:
        """What staff did, newest first; administrators only. Days are in UTC."""
        which = entry_filter(user_id, action, object_id, since, until)
        found = await deeds.page(caller, which, limit, cursor)
        return EntryPage([EntryView.of(entry) for entry in found.items], found.next_cursor)
