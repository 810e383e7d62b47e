"""Who is asking, and what they may do. Permissions are checked in the core, never in routes."""

from datetime import datetime
from enum import StrEnum

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


_STAFF = frozenset(Permission) - {
    Permission.USERS_READ,
    Permission.USERS_WRITE,
    Permission.LOG_READ,
}

#: What each role may do, as data. A customer needs no permission for what is their own.
GRANTS: dict[Role, frozenset[Permission]] = {
    Role.CUSTOMER: frozenset(),
    Role.STAFF: _STAFF,
    Role.ADMIN: frozenset(Permission),
}


class Caller(Struct, frozen=True, kw_only=True):
    """The person (or nobody) behind a call."""

    user_id: UserId | None = None
    session_id: SessionId | None = None
    roles: frozenset[Role] = frozenset()

    def may(self, permission: Permission) -> bool:
        return any(permission in GRANTS[role] for role in self.roles)

    def require(self, permission: Permission) -> None:
        """Raises `Unauthenticated` for nobody and `Denied` for somebody without the permission."""
        self.known()
        if not self.may(permission):
            raise Denied("You may not do this.", permission=permission)

    def known(self) -> UserId:
        """Return who it is, or raise `Unauthenticated`."""
        if self.user_id is None:
            raise Unauthenticated("Please sign in.")
        return self.user_id

    def did(self, action: str, object_id: object, at: datetime, detail: str = "") -> Act:
        """For `UnitOfWork.log`: whatever is done with a permission is written down there."""
        return Act(
            user_id=self.user_id, action=action, object_id=str(object_id), at=at, detail=detail
        )


NOBODY = Caller()
