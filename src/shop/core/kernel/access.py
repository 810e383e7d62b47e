"""Who is asking, and what they may do. Permissions are checked in the core, never in routes."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.acts import Act
from shop.core.kernel.errors import Denied, Unauthenticated
from shop.core.kernel.ids import SessionId, UserId


class Role(StrEnum):
    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"


class Permission(StrEnum):
    CATALOG_WRITE = "catalog:write"
    INVENTORY_WRITE = "inventory:write"
    ORDERS_READ = "orders:read"
    ORDERS_WRITE = "orders:write"
    REFUNDS_WRITE = "refunds:write"
    EMAILS_READ = "emails:read"
    EMAILS_WRITE = "emails:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    LOG_READ = "log:read"
    CLIENTS_WRITE = "clients:write"


_STAFF = frozenset(Permission) - {
    Permission.USERS_READ,
    Permission.USERS_WRITE,
    Permission.LOG_READ,
    Permission.CLIENTS_WRITE,
}

#: What each role may do, as data. A customer needs no permission for what is their own.
GRANTS: dict[Role, frozenset[Permission]] = {
    Role.CUSTOMER: frozenset(),
    Role.STAFF: _STAFF,
    Role.ADMIN: frozenset(Permission),
}


class Scope(StrEnum):
    """What a person lets a program do for them; `SHOP` is everything, and the shop's own alone.

    A scope may also be a permission: it opens the back office as far as the person's roles do.
    """

    SHOP = "shop"
    OPENID = "openid"
    PROFILE = "profile"
    EMAIL = "email"
    CART = "cart"
    ORDERS = "orders"
    ADDRESSES = "addresses"


class SecondFactorEnrolmentRequired(Denied):
    """Staff of this shop act only in sessions in which they showed a second factor."""

    code = "second-factor-enrolment-required"


class Caller(Struct, frozen=True, kw_only=True):
    """The person (or nobody) behind a call, or a program that acts for nobody but itself."""

    user_id: UserId | None = None
    session_id: SessionId | None = None
    roles: frozenset[Role] = frozenset()
    #: Of `Scope` and `Permission`: no program does more than it was let into.
    scope: frozenset[str] = frozenset({Scope.SHOP})
    #: Of a program that acts for itself. Its scope was given by an administrator.
    client_id: str | None = None
    #: Whether permissions wait until a second factor is shown.
    held_back: bool = False

    def may(self, permission: Permission) -> bool:
        if self.held_back:
            return False
        if Scope.SHOP not in self.scope and permission not in self.scope:
            return False
        granted = any(permission in GRANTS[role] for role in self.roles)
        return granted or self.client_id is not None

    def require(self, permission: Permission) -> None:
        """Raises `Unauthenticated` for nobody and `Denied` for somebody without the permission."""
        if self.user_id is None and self.client_id is None:
            raise Unauthenticated("Please sign in.")
        if self.held_back:
            raise SecondFactorEnrolmentRequired(
                "Staff need a second factor here: set one up, or sign in with the one you have.",
                permission=permission,
            )
        if not self.may(permission):
            raise Denied("You may not do this.", permission=permission)

    def lets(self, scope: Scope) -> bool:
        """Whether the token was given for that."""
        return Scope.SHOP in self.scope or scope in self.scope

    def person(self, scope: Scope = Scope.SHOP) -> UserId | None:
        """Who it is, or None; `scope` is what a program needs to do this for them.

        Raises `Denied` for a program that was not let into that. What names no scope is closed
        to all programs but the shop's own.
        """
        if self.client_id is not None:
            raise Denied("This token was given to a program, not to a person.")
        if self.user_id is not None and not self.lets(scope):
            raise Denied("This token was not given for that.", scope=scope)
        return self.user_id

    def known(self, scope: Scope = Scope.SHOP) -> UserId:
        """Like `person`, and raises `Unauthenticated` for nobody."""
        found = self.person(scope)
        if found is None:
            raise Unauthenticated("Please sign in.")
        return found

    @property
    def name(self) -> str:
        """To whom idempotency keys belong."""
        return person_name(self.user_id) if self.client_id is None else f"client:{self.client_id}"

    def did(self, action: str, object_id: object, at: datetime, detail: str = "") -> Act:
        """For `UnitOfWork.log`: whatever is done with a permission is written down there."""
        if self.client_id is not None:
            detail = f"by client {self.client_id} {detail}".strip()
        return Act(
            user_id=self.user_id, action=action, object_id=str(object_id), at=at, detail=detail
        )


NOBODY = Caller()

_PERSON = "user:"


def person_name(user_id: UserId | None) -> str:
    """Under this name a signed-in person owns a cart and idempotency keys."""
    return f"{_PERSON}{user_id}"


def person_named(name: str) -> UserId | None:
    """The inverse of `person_name`; None for the name of somebody or something else."""
    return UserId(UUID(name.removeprefix(_PERSON))) if name.startswith(_PERSON) else None
