"""Who somebody is, as another service says; and the profiles that sign in to an account."""

from abc import abstractmethod
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from shop.core.kernel.ids import UserId
from shop.core.users.linked import LinkedProfile


class Provider(Struct, frozen=True):
    """`name` stands in addresses and settings, `title` on the button."""

    name: str
    title: str


class Asking(Struct, frozen=True, kw_only=True):
    """What makes one sign-in at a provider this one. `verifier` is that of PKCE (RFC 7636)."""

    state: str
    nonce: str
    verifier: str
    callback_url: str

    def __repr__(self) -> str:
        return "Asking()"


class Claimed(Struct, frozen=True, kw_only=True):
    """Who it is, sworn by the provider. `email` counts only when it is `email_verified`."""

    provider: str
    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    name: str = ""

    def __repr__(self) -> str:
        return f"Claimed({self.provider})"


class Providers(Protocol):
    """The OpenID providers of this shop. Raises `ProviderNotFound` for others.

    Each call has an end within seconds; `ProviderDown` says that the provider did not answer well.
    """

    @abstractmethod
    def all(self) -> tuple[Provider, ...]:
        """In the order of the settings."""

    @abstractmethod
    async def address(self, name: str, asking: Asking) -> str:
        """Where to send the browser. Raises `ProviderDown`."""

    @abstractmethod
    async def redeem(self, name: str, asking: Asking, code: str, issuer: str | None) -> Claimed:
        """Swap the code that the browser brought back for who it is.

        `issuer` is what the answer said it came from (RFC 9207). Raises `ProviderDown`, or
        `SocialRefused` when anything about the answer or the ID token does not hold.
        """


class Profiles(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def find(self, issuer: str, subject: str) -> LinkedProfile | None: ...

    @abstractmethod
    async def of(self, user_id: UserId) -> list[LinkedProfile]:
        """The one linked first comes first."""

    @abstractmethod
    async def add(self, profile: LinkedProfile) -> None:
        """Raises `ProfileTaken`."""

    @abstractmethod
    async def remove(self, profile: LinkedProfile) -> None: ...


class ProfileReads(Protocol):
    """Queries."""

    @abstractmethod
    async def of(self, user_id: UserId) -> list[LinkedProfile]:
        """The one linked first comes first."""


class SpentStates(Protocol):
    """Answers that were taken already. Call only inside an open unit of work."""

    @abstractmethod
    async def spend(self, state_hash: bytes, expires_at: datetime) -> bool:
        """False when it was spent before."""

    @abstractmethod
    async def forget(self, before: datetime) -> int:
        """Drop those that expired before then; returns how many."""
