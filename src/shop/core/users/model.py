"""People, where they are signed in, and the secrets mailed to them."""

from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import ClassVar

from msgspec import Struct
from msgspec.structs import replace

from shop.core.kernel.access import Role, Scope
from shop.core.kernel.errors import (
    Conflict,
    Gone,
    Invalid,
    Limited,
    Malformed,
    NotFound,
    ShopError,
    Unauthenticated,
)
from shop.core.kernel.ids import AddressId, SessionId, UserId
from shop.core.kernel.postal import PostalAddress
from shop.core.users.facts import (
    EmailChanged,
    EmailChangeRequested,
    EmailVerified,
    PasswordChanged,
    RolesChanged,
    SessionEnded,
    SessionStarted,
    UserRegistered,
)

#: The client that `/login` signs in to: the shop's own.
FIRST_PARTY = "shop"


class UserNotFound(NotFound):
    code = "user-not-found"


class SessionNotFound(NotFound):
    code = "session-not-found"


class AddressNotFound(NotFound):
    code = "address-not-found"


class TooManyAddresses(Conflict):
    code = "too-many-addresses"


class EmailTaken(Conflict):
    code = "email-taken"


class OwnRole(Conflict):
    code = "own-role"


class WeakPassword(Invalid):
    code = "weak-password"


class ResetAnswerWrong(Invalid):
    code = "reset-answer-wrong"


class BadCredentials(Unauthenticated):
    """The same for an unknown e-mail and a wrong password."""

    code = "bad-credentials"


class TooManyFailures(Limited):
    """`code` is that of every limit."""

    def __init__(self, wait: timedelta) -> None:
        seconds = ceil(wait.total_seconds())
        span = f"{seconds} s" if seconds <= 60 else f"{ceil(seconds / 60)} minutes"  # noqa: PLR2004
        super().__init__(f"Too many attempts. Please try again in {span}.", retry_after=seconds)


class TokenInvalid(ShopError):
    code = "token-invalid"


class TokenExpired(Gone):
    code = "token-expired"


class GrantInvalid(ShopError):
    """A refresh token that is unknown, used up, expired or of an ended session."""

    code = "invalid-grant"


class EmailAddress(Struct, frozen=True):
    """`written` is what people read and mails are sent to; equal `key`s are one mailbox."""

    written: str
    key: str


class User(Struct, frozen=True, kw_only=True):
    """Somebody with an account. A new e-mail waits in `pending_email` until it is verified.

    Who signs in by a linked profile only has no password.
    """

    id: UserId
    email: EmailAddress
    name: str
    contact: str | None = None  # E.164
    password_hash: str | None
    verified_at: datetime | None = None
    pending_email: str | None = None
    reset_question: str | None = None
    reset_answer_hash: str | None = None
    roles: frozenset[Role] = frozenset({Role.CUSTOMER})
    created_at: datetime
    version: int = 0

    def __repr__(self) -> str:
        return f"User({self.id})"

    def register(self) -> tuple["User", UserRegistered]:
        return self, UserRegistered(user_id=self.id, at=self.created_at)

    def verify_email(self, at: datetime) -> tuple["User", EmailVerified]:
        verified = replace(self, verified_at=self.verified_at or at)
        return verified, EmailVerified(user_id=self.id, at=at)

    def ask_for_email(self, email: str, at: datetime) -> tuple["User", EmailChangeRequested]:
        asked = replace(self, pending_email=email)
        return asked, EmailChangeRequested(user_id=self.id, at=at)

    def change_email(self, email: EmailAddress, at: datetime) -> tuple["User", EmailChanged]:
        changed = replace(self, email=email, pending_email=None, verified_at=at)
        return changed, EmailChanged(user_id=self.id, at=at)

    def change_password(self, password_hash: str, at: datetime) -> tuple["User", PasswordChanged]:
        """Whoever knew the old one may also have asked for another e-mail address."""
        changed = replace(self, password_hash=password_hash, pending_email=None)
        return changed, PasswordChanged(user_id=self.id, at=at)

    def still_as(self, checked: "User") -> None:
        """Raises `BadCredentials` where the password that was checked is not this one any more.

        To check one takes long, and is done before the unit of work that acts on it.
        """
        if self.password_hash != checked.password_hash:
            raise BadCredentials("The password was changed a moment ago.")

    def rehash(self, password_hash: str) -> "User":
        """The same password under today's parameters: nothing happened that others must know."""
        return replace(self, password_hash=password_hash)

    def assign(self, roles: frozenset[Role], at: datetime) -> tuple["User", RolesChanged]:
        if not roles:
            raise Malformed("Somebody without any role could do nothing.", field="roles")
        named = tuple(sorted(roles))
        return replace(self, roles=roles), RolesChanged(user_id=self.id, roles=named, at=at)


class Session(Struct, frozen=True, kw_only=True):
    """One sign-in. Only the newest refresh token counts, of which a SHA-256 is kept."""

    #: A client whose answer was lost may repeat its last refresh within this time.
    GRACE: ClassVar[timedelta] = timedelta(seconds=10)

    id: SessionId
    user_id: UserId
    refresh_hash: bytes
    previous_hash: bytes | None = None
    rotated_at: datetime | None = None
    client_id: str = FIRST_PARTY
    scope: str = Scope.SHOP.value
    device: str = ""
    amr: str = ""  # how it was begun, in the words of RFC 8176
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    ended_at: datetime | None = None
    version: int = 0

    def __repr__(self) -> str:
        return f"Session({self.id})"

    @property
    def two_factors(self) -> bool:
        return two_factors(self.amr)

    def proved(self, how: str) -> "Session":
        """Its owner has shown a second factor since it began."""
        words = dict.fromkeys([*self.amr.split(), *how.split()])
        return replace(self, amr=" ".join(words))

    def alive(self, at: datetime) -> bool:
        return self.ended_at is None and at < self.expires_at

    def start(self) -> tuple["Session", SessionStarted]:
        return self, SessionStarted(user_id=self.user_id, session_id=self.id, at=self.created_at)

    def repeats(self, refresh_hash: bytes, at: datetime) -> bool:
        """Whether this is the token just used up, sent once more."""
        return (
            self.rotated_at is not None
            and refresh_hash == self.previous_hash
            and at - self.rotated_at <= self.GRACE
        )

    def rotate(self, new_hash: bytes, at: datetime, rules: "IdentityRules") -> "Session":
        """Take the next refresh token; the present one is used up."""
        return replace(
            self,
            refresh_hash=new_hash,
            previous_hash=self.refresh_hash,
            rotated_at=at,
            last_used_at=at,
            expires_at=rules.expiry(self.created_at, at),
        )

    def end(self, reason: str, at: datetime) -> tuple["Session", SessionEnded]:
        ended = replace(self, ended_at=self.ended_at or at)
        fact = SessionEnded(user_id=self.user_id, session_id=self.id, reason=reason, at=at)
        return ended, fact


def two_factors(amr: str) -> bool:
    """Whether somebody showed more than one factor (RFC 8176)."""
    return "mfa" in amr.split()


class Purpose(StrEnum):
    VERIFY = "verify"
    RESET = "reset"


class MailToken(Struct, frozen=True, kw_only=True):
    """A secret that was mailed, by its SHA-256: whoever sends it back reads that mailbox."""

    hash: bytes
    user_id: UserId
    purpose: Purpose
    email: str  # the mailbox it went to
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None

    def use(self, purpose: Purpose, at: datetime) -> "MailToken":
        """Raises `TokenInvalid` or `TokenExpired`."""
        if self.purpose is not purpose:
            raise TokenInvalid("This link is not meant for that.")
        if self.used_at is not None:
            raise TokenExpired("This link was used already, or a newer one was sent.")
        if at >= self.expires_at:
            raise TokenExpired("This link has expired; please ask for a new one.")
        return replace(self, used_at=at)


class Address(Struct, frozen=True, kw_only=True):
    """One of a customer's addresses."""

    MOST: ClassVar[int] = 50

    id: AddressId
    user_id: UserId
    postal: PostalAddress
    is_default: bool = False
    created_at: datetime
    version: int = 0


class IdentityRules(Struct, frozen=True, kw_only=True):
    """What a deployment may choose."""

    site_url: str
    development: bool = False
    access_lasts: timedelta = timedelta(minutes=15)
    #: A session that nobody uses ends after the first, any session after the second.
    refresh_lasts: timedelta = timedelta(days=30)
    session_lasts: timedelta = timedelta(days=180)
    verify_lasts: timedelta = timedelta(days=2)
    reset_lasts: timedelta = timedelta(hours=1)
    #: The fewest characters of a password, and of one without special characters.
    password_from: int = 10
    passphrase_from: int = 16
    #: How hard it must be to guess, from 0 to 4.
    password_score: int = 3
    #: How long a session is believed to be alive without asking the database. Zero where several
    #: processes serve without a common cache.
    alive_lasts: timedelta = timedelta(seconds=5)
    #: Whether repeated failures slow a caller down.
    throttled: bool = True
    #: Whether staff may use their permissions only after showing a second factor.
    staff_second_factor: bool = False

    def expiry(self, started: datetime, used: datetime) -> datetime:
        """When a session ends by itself."""
        return min(used + self.refresh_lasts, started + self.session_lasts)
