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
    """There is a new account."""

    fact = "registered"


class EmailVerified(_UserEvent, frozen=True, kw_only=True):
    """The owner opened the link that was mailed to the address."""

    fact = "email_verified"


class EmailChangeRequested(_UserEvent, frozen=True, kw_only=True):
    """A link was mailed to the new address; the old one still holds."""

    fact = "email_change_requested"


class EmailChanged(_UserEvent, frozen=True, kw_only=True):
    """The account has a new address, which its owner proved."""

    fact = "email_changed"


class ProfileChanged(_UserEvent, frozen=True, kw_only=True):
    """Name, phone or the question for a reset is different."""

    fact = "profile_changed"


class PasswordChanged(_UserEvent, frozen=True, kw_only=True):
    """The account has a new password; its other sessions are ended."""

    fact = "password_changed"


class PasswordResetRequested(_UserEvent, frozen=True, kw_only=True):
    """Somebody asked for the mail that sets the password anew."""

    fact = "password_reset_requested"


class RolesChanged(_UserEvent, frozen=True, kw_only=True):
    """An administrator gave the account these roles."""

    fact = "roles_changed"

    roles: tuple[str, ...]


class SessionStarted(_UserEvent, frozen=True, kw_only=True):
    """Somebody signed in."""

    fact = "session_started"

    session_id: SessionId


class SessionEnded(_UserEvent, frozen=True, kw_only=True):
    """A session is over; `reason` says by whom or why."""

    fact = "session_ended"

    session_id: SessionId
    reason: str
