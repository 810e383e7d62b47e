"""What staff did, for administrators."""

from contextlib import suppress
from datetime import date
from uuid import UUID

from shop.core.kernel.ids import UserId
from shop.core.users.admins import UserAdmin
from shop.core.users.deeds import Deeds
from shop.core.users.model import UserNotFound
from shop.entrypoints.http.api.admin_log import entry_filter
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.pages.backoffice.entry import PAGE, cursor, staff
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited


@page("/admin/log")
@visited
async def log(visit: Visit, deeds: Given[Deeds], people: Given[UserAdmin]) -> Reply:
    staff(visit)
    who, action, object_id = (_given(visit, name) for name in ("who", "action", "object_id"))
    since, until = _given(visit, "since"), _given(visit, "until")
    which = entry_filter(_id(who), action, object_id, _day(since), _day(until))
    found = await deeds.page(visit.caller, which, PAGE, cursor(visit))
    return await visit.page(
        "admin/log.html",
        entries=found.items,
        cursor=found.next_cursor,
        names=await _names(visit, people, {one.user_id for one in found.items if one.user_id}),
        who=who,
        action=action,
        object_id=object_id,
        since=since,
        until=until,
    )


def _given(visit: Visit, name: str) -> str:
    return visit.request.query_params.get(name, "").strip()[:64]


async def _names(visit: Visit, people: UserAdmin, ids: set[UserId]) -> dict[UserId, str]:
    """A page has few different authors; an account that is gone keeps its id."""
    names = {}
    for id_ in ids:
        with suppress(UserNotFound):
            names[id_] = (await people.get(visit.caller, id_)).email.written
    return names


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


ROUTES = (log,)
