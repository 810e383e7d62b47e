"""Profiles at other services (OpenID providers) that sign in to an account."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.errors import Conflict, Denied, NotFound, ShopError, Unavailable
from shop.core.kernel.events import Event
from shop.core.kernel.ids import ProfileId, UserId


class ProviderNotFound(NotFound):
    code = "provider-not-found"


class ProfileNotFound(NotFound):
    code = "profile-not-found"


class ProviderDown(Unavailable):
    """The provider does not answer, or not in a way to rely on; `cause` is for the log alone."""

    code = "provider-unavailable"

    def __init__(self, detail: str, *, cause: str = "") -> None:
        super().__init__(detail)
        self.cause = cause


class SocialRefused(ShopError):
    """What came back from the provider proves nothing; `cause` is for the log alone."""

    code = "social-sign-in-refused"

    def __init__(self, detail: str, *, cause: str = "") -> None:
        super().__init__(detail)
        self.cause = cause


class ConsentDenied(ShopError):
    """The person said no at the provider; `next` and `linking` say where they were going."""

    code = "consent-denied"

    def __init__(self, detail: str, *, to: str, linking: bool) -> None:
        super().__init__(detail)
        self.next = to
        self.linking = linking


class EmailUnproven(ShopError):
    """A new account needs an e-mail address that the provider has verified."""

    code = "email-unproven"


class ProfileTaken(Conflict):
    """The profile signs in to another account."""

    code = "profile-taken"


class PasswordFirst(Conflict):
    """There is an account with a password: its owner signs in with it before anything is linked."""

    code = "password-first"


class LastWayIn(Conflict):
    code = "last-way-in"


class TooManyProfiles(Conflict):
    code = "too-many-profiles"


class SignInAgain(Denied):
    """What cannot be taken back asks for a sign-in of a moment ago."""

    code = "fresh-sign-in-needed"


class _ProfileEvent(Event, frozen=True, kw_only=True):
    aggregate = "user"
    topic = "shop.users"

    user_id: UserId
    provider: str

    @property
    def subject(self) -> UUID:
        return self.user_id


class ProfileLinked(_ProfileEvent, frozen=True, kw_only=True):
    """The account can be signed in to with the provider."""

    fact = "profile_linked"


class ProfileUnlinked(_ProfileEvent, frozen=True, kw_only=True):
    """It no longer can."""

    fact = "profile_unlinked"


class LinkedProfile(Struct, frozen=True, kw_only=True):
    """Known by issuer and subject alone; `provider` and `email` only tell its owner which it is."""

    MOST: ClassVar[int] = 20

    id: ProfileId
    user_id: UserId
    provider: str
    issuer: str
    subject: str
    email: str | None
    linked_at: datetime

    def __repr__(self) -> str:
        return f"LinkedProfile({self.id})"

    def link(self) -> tuple["LinkedProfile", ProfileLinked]:
        fact = ProfileLinked(user_id=self.user_id, provider=self.provider, at=self.linked_at)
        return self, fact

    def unlink(self, at: datetime) -> ProfileUnlinked:
        return ProfileUnlinked(user_id=self.user_id, provider=self.provider, at=at)
