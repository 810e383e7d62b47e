"""Second factors at rest, what checks them, and sign-ins half done."""

from abc import abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from shop.core.kernel.ids import UserId
from shop.core.users.factors import Factors, Passkey
from shop.core.users.model import User
from shop.core.users.tickets import Ticket


class SecondFactors(Protocol):
    """Call only inside an open unit of work, with the user locked where something changes."""

    @abstractmethod
    async def of(self, user_id: UserId) -> Factors:
        """Those without any get an empty set that was never stored."""

    @abstractmethod
    async def save(self, factors: Factors) -> Factors:
        """Raises `StaleWrite`."""


class Tickets(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def add(self, ticket: Ticket) -> None: ...

    @abstractmethod
    async def find(self, ticket_hash: bytes) -> Ticket | None:
        """The ticket, locked against other units."""

    @abstractmethod
    async def save(self, ticket: Ticket) -> Ticket:
        """Raises `StaleWrite`."""

    @abstractmethod
    async def forget(self, before: datetime) -> int:
        """Drop those that expired before then; returns how many."""


class OneTimeCodes(Protocol):
    """Codes that an app shows (RFC 6238)."""

    @abstractmethod
    def secret(self, random: bytes) -> str:
        """What the app is told, in the letters people can type."""

    @abstractmethod
    def uri(self, secret: str, account: str) -> str:
        """What its QR code holds."""

    @abstractmethod
    def at(self, secret: str, step: int) -> str:
        """The six digits of that step."""


class NewPasskey(Struct, frozen=True, kw_only=True):
    """What an authenticator says of a key pair it has made."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...] = ()


class Shown(Struct, frozen=True, kw_only=True):
    """Which key an assertion claims to be of, before anything is verified."""

    credential_id: bytes
    user_handle: bytes | None


class PasskeyCeremonies(Protocol):
    """WebAuthn, for the site's own name and origin. The dicts are its JSON forms."""

    @abstractmethod
    def creation(self, user: User, challenge: bytes, known: tuple[Passkey, ...]) -> dict[str, Any]:
        """What `navigator.credentials.create` takes as `publicKey`."""

    @abstractmethod
    def created(self, answer: Mapping[str, Any], challenge: bytes) -> NewPasskey:
        """Raises `PasskeyRefused`."""

    @abstractmethod
    def request(
        self, challenge: bytes, known: tuple[Passkey, ...], *, alone: bool
    ) -> dict[str, Any]:
        """What `navigator.credentials.get` takes; `alone`: no password comes with it."""

    @abstractmethod
    def shown(self, answer: Mapping[str, Any]) -> Shown:
        """Raises `PasskeyRefused` for what is no assertion at all."""

    @abstractmethod
    def asserted(
        self, answer: Mapping[str, Any], challenge: bytes, passkey: Passkey, *, alone: bool
    ) -> int:
        """The new sign count. Raises `PasskeyRefused`, also when the key seems to be a copy."""
