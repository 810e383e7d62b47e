"""Accounts in the back office."""

from typing import Annotated
from uuid import UUID

from litestar import Controller, delete, get, put
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta, Struct

from shop.core.kernel.access import Caller, Role
from shop.core.kernel.ids import UserId
from shop.core.users.admins import UserAdmin
from shop.core.users.factor_reset import FactorAdmin
from shop.core.users.model import User
from shop.entrypoints.http.api.fields import Cursor, Limit
from shop.entrypoints.http.api.identity import UserView
from shop.entrypoints.http.served import Given, served


class UserPage(Struct):
    items: list[UserView]
    next_cursor: str | None
    total: int | None


class RolesBody(Struct, forbid_unknown_fields=True):
    roles: Annotated[list[Role], Meta(min_length=1, max_length=len(Role))]


class RolesView(Struct):
    id: UserId
    roles: list[Role]

    @classmethod
    def of(cls, user: User) -> "RolesView":
        return cls(id=user.id, roles=sorted(user.roles))


class UserAdminController(Controller):
    path = "/api/v1/admin/users"
    tags = ("Back office",)

    @get()
    @served
    async def page(
        self,
        caller: Caller,
        admin: Given[UserAdmin],
        q: Annotated[str, QueryParameter(max_length=254)] = "",
        limit: Limit = 24,
        cursor: Cursor = None,
    ) -> UserPage:
        """Accounts, newest first; `q` is the beginning of an e-mail address."""
        found = await admin.page(caller, q, limit, cursor)
        return UserPage([UserView.of(u) for u in found.items], found.next_cursor, found.total)

    @get("/{user_id:uuid}/roles")
    @served
    async def roles(
        self, user_id: FromPath[UUID], caller: Caller, admin: Given[UserAdmin]
    ) -> RolesView:
        """What somebody is in this shop."""
        return RolesView.of(await admin.get(caller, UserId(user_id)))

    @put("/{user_id:uuid}/roles")
    @served
    async def assign(
        self,
        user_id: FromPath[UUID],
        data: JSONBody[RolesBody],
        caller: Caller,
        admin: Given[UserAdmin],
    ) -> RolesView:
        """Make somebody customer, staff or admin; it holds from their next call on."""
        assigned = await admin.assign(caller, UserId(user_id), frozenset(data.roles))
        return RolesView.of(assigned)

    @delete("/{user_id:uuid}/factors")
    @served
    async def reset_factors(
        self, user_id: FromPath[UUID], caller: Caller, factors: Given[FactorAdmin]
    ) -> None:
        """Let somebody in again who lost their second factor: all are taken away, every session
        ends, and the owner is told by mail. Make sure first who is asking."""
        await factors.reset(caller, UserId(user_id))
