"""What happens to accounts and sessions, as others are told of it."""

from uuid import UUID

from shop.core.kernel.events import Event
from shop.core.kernel.ids import SessionId, UserId


class _UserEvent(Event, frozen=True, kw_only=True):
    aggregate = "user"
    topic = "shop.users"

    user_id: UserId

    @property
    def subject(self) -> UUID:
        return self.user_id


class UserRegistered(_UserEvent, frozen=True, kw_only=True):
    fact = "registered"


class EmailVerified(_UserEvent, frozen=True, kw_only=True):
    fact = "email_verified"


class EmailChangeRequested(_UserEvent, frozen=True, kw_only=True):
    fact = "email_change_requested"


class EmailChanged(_UserEvent, frozen=True, kw_only=True):
    fact = "email_changed"


class ProfileChanged(_UserEvent, frozen=True, kw_only=True):
    fact = "profile_changed"


class PasswordChanged(_UserEvent, frozen=True, kw_only=True):
    fact = "password_changed"


class PasswordResetRequested(_UserEvent, frozen=True, kw_only=True):
    fact = "password_reset_requested"


class RolesChanged(_UserEvent, frozen=True, kw_only=True):
    fact = "roles_changed"

    roles: tuple[str, ...]


class SessionStarted(_UserEvent, frozen=True, kw_only=True):
    fact = "session_started"

    session_id: SessionId


class SessionEnded(_UserEvent, frozen=True, kw_only=True):
    fact = "session_ended"

    session_id: SessionId
    reason: str
