"""Accounts, for administrators: who is what in this shop, and help for lost second factors."""

from uuid import UUID

from litestar.params import FromPath

from shop.core.kernel.access import Permission, Role
from shop.core.kernel.errors import NotFound
from shop.core.kernel.ids import UserId
from shop.core.users.admins import UserAdmin
from shop.core.users.factor_reset import FactorAdmin, OwnFactors
from shop.core.users.factors import FactorMissing
from shop.core.users.model import OwnRole
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.pages.backoffice.entry import PAGE, cursor, staff
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited


def _keeper(visit: Visit) -> None:
    staff(visit)
    if not visit.caller.may(Permission.USERS_READ):
        raise NotFound("There is no such page.")


@page("/admin/users")
@visited
async def users(visit: Visit, admin: Given[UserAdmin]) -> Reply:
    _keeper(visit)
    text = visit.request.query_params.get("q", "").strip()[:254]
    found = await admin.page(visit.caller, text, PAGE, cursor(visit))
    return await visit.page(
        "admin/users.html", users=found.items, cursor=found.next_cursor, text=text
    )


@page("/admin/users/{user_id:uuid}")
@visited
async def user(user_id: FromPath[UUID], visit: Visit, admin: Given[UserAdmin]) -> Reply:
    _keeper(visit)
    found = await admin.get(visit.caller, UserId(user_id))
    return await visit.page("admin/user.html", user=found, roles=list(Role))


@form("/admin/users/{user_id:uuid}/roles")
@visited
async def assign(user_id: FromPath[UUID], visit: Visit, admin: Given[UserAdmin]) -> Reply:
    _keeper(visit)
    chosen = frozenset(role for role in Role if visit.form[f"role-{role}"])
    try:
        await admin.assign(visit.caller, UserId(user_id), chosen or frozenset({Role.CUSTOMER}))
    except OwnRole:
        return visit.see(f"/admin/users/{user_id}", "own-role")
    return visit.see(f"/admin/users/{user_id}", "saved")


@form("/admin/users/{user_id:uuid}/reset-factors")
@visited
async def reset_factors(
    user_id: FromPath[UUID], visit: Visit, factors: Given[FactorAdmin]
) -> Reply:
    _keeper(visit)
    note = "factors-reset"
    try:
        await factors.reset(visit.caller, UserId(user_id))
    except OwnFactors:
        note = "own-factors"
    except FactorMissing:
        note = "factors-none"
    return visit.see(f"/admin/users/{user_id}", note)


ROUTES = (users, user, assign, reset_factors)
