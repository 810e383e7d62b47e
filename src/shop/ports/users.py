"""Accounts, sessions and addresses at rest; passwords and tokens."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from shop.core.kernel.access import Role
from shop.core.kernel.ids import AddressId, SessionId, UserId
from shop.core.kernel.page import Page
from shop.core.users.model import (
    FIRST_PARTY,
    Address,
    EmailAddress,
    MailToken,
    Purpose,
    Session,
    User,
)


class Users(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def add(self, user: User) -> None:
        """Raises `EmailTaken`."""

    @abstractmethod
    async def get(self, user_id: UserId) -> User:
        """Return the user, locked against other units, or raise `UserNotFound`."""

    @abstractmethod
    async def by_email(self, key: str) -> User | None: ...

    @abstractmethod
    async def save(self, user: User) -> User:
        """Raises `EmailTaken` or `StaleWrite`."""


class Sessions(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def add(self, session: Session) -> None: ...

    @abstractmethod
    async def find(self, session_id: SessionId) -> Session | None:
        """The session, locked against other units."""

    @abstractmethod
    async def save(self, session: Session) -> Session:
        """Raises `StaleWrite`."""

    @abstractmethod
    async def end_all(
        self, user_id: UserId, at: datetime, *, but: SessionId | None = None
    ) -> list[Session]:
        """End every live session of the user; returns those, ended."""

    @abstractmethod
    async def end_client(self, client_id: str, at: datetime) -> list[SessionId]:
        """End every live session that people gave to a program; returns which."""

    @abstractmethod
    async def forget(self, before: datetime) -> int:
        """Drop those that expired before then; returns how many."""


class MailTokens(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def add(self, token: MailToken) -> None: ...

    @abstractmethod
    async def find(self, token_hash: bytes) -> MailToken | None:
        """The token, locked against other units."""

    @abstractmethod
    async def use(self, token: MailToken) -> None:
        """Store that it was used. Raises `StaleWrite` if somebody used it meanwhile."""

    @abstractmethod
    async def void(self, user_id: UserId, purpose: Purpose, at: datetime) -> None:
        """Make those still unused worthless."""

    @abstractmethod
    async def forget(self, before: datetime) -> int:
        """Drop those that expired before then; returns how many."""


class Addresses(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def of(self, user_id: UserId) -> list[Address]:
        """Oldest first, locked against other units."""

    @abstractmethod
    async def get(self, user_id: UserId, address_id: AddressId) -> Address:
        """Raises `AddressNotFound`, also for somebody else's."""

    @abstractmethod
    async def add(self, address: Address) -> None: ...

    @abstractmethod
    async def save(self, addresses: Sequence[Address]) -> list[Address]:
        """Raises `StaleWrite`."""

    @abstractmethod
    async def remove(self, address: Address) -> None: ...


class Standing(Struct, frozen=True):
    """What somebody may do in a session, and whether they showed two factors there."""

    roles: frozenset[Role]
    two_factors: bool


class UserReads(Protocol):
    """Queries."""

    @abstractmethod
    async def get(self, user_id: UserId) -> User:
        """Raises `UserNotFound`."""

    @abstractmethod
    async def by_email(self, key: str) -> User | None: ...

    @abstractmethod
    async def page(self, text: str, limit: int, cursor: str | None) -> Page[User]:
        """Newest first; `text` is the beginning of an e-mail address, or empty.

        Raises `Malformed` for a cursor that is none of ours.
        """

    @abstractmethod
    async def addresses(self, user_id: UserId) -> list[Address]:
        """Oldest first."""

    @abstractmethod
    async def sessions(self, user_id: UserId, at: datetime, limit: int) -> list[Session]:
        """Those alive then, the one used last first."""

    @abstractmethod
    async def kept_sessions(self, user_id: UserId) -> list[Session]:
        """Those that are over too, until they are forgotten; the one used last first."""

    @abstractmethod
    async def standing(self, session_id: SessionId, at: datetime) -> Standing | None:
        """As it is now, of whoever is signed in there; None when the session is not alive."""


class Passwords(Protocol):
    """Slow hashes. Raises `Unavailable` when too many wait."""

    @property
    @abstractmethod
    def queued(self) -> int:
        """Passwords being hashed now, and those that wait for it."""

    @abstractmethod
    async def hash(self, password: str) -> str: ...

    @abstractmethod
    async def verify(self, password: str, hashed: str | None) -> bool:
        """Without a hash it takes as long, and says False."""

    @abstractmethod
    def outdated(self, hashed: str) -> bool:
        """Whether the hash was made with other parameters than today's."""


class Strength(Struct, frozen=True):
    """`score` is 0 (guessed at once) to 4; `common` is a password of lists that all have."""

    score: int
    common: bool


class Guessing(Protocol):
    @abstractmethod
    async def strength(self, password: str) -> Strength:
        """How well it withstands those who guess. Raises `Unavailable` when too many wait."""


class Access(Struct, frozen=True, kw_only=True):
    """What an access token says; one without a user is a program's own."""

    user_id: UserId | None
    session_id: SessionId | None
    client_id: str = FIRST_PARTY
    token_id: str
    roles: frozenset[Role]
    scope: str
    issued_at: datetime
    expires_at: datetime


class IdentityClaims(Struct, frozen=True, kw_only=True):
    """What an ID token says, and the access token that goes with it."""

    user_id: UserId
    client_id: str
    nonce: str
    authenticated_at: datetime
    amr: tuple[str, ...]
    access_token: str
    issued_at: datetime
    expires_at: datetime

    def __repr__(self) -> str:
        return f"IdentityClaims({self.client_id})"


class Tokens(Protocol):
    """Signed access tokens."""

    @abstractmethod
    async def issue(self, access: Access) -> str: ...

    @abstractmethod
    async def identify(self, claims: IdentityClaims) -> str:
        """An ID token (OpenID Connect Core, section 2)."""

    @abstractmethod
    async def verify(self, token: str) -> Access:
        """Raises `Unauthenticated`. Says nothing about whether the session still lives."""

    @abstractmethod
    async def jwks(self) -> dict[str, Any]:
        """The public keys, as RFC 7517 has them."""


class EmailAddresses(Protocol):
    @abstractmethod
    def parse(self, text: str) -> EmailAddress:
        """Normalise, without asking anybody. Raises `Malformed` (field `email`)."""
