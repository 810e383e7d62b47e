"""Programs that people let in, the codes on their way to them, and the keys that sign tokens."""

from abc import abstractmethod
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from shop.core.users.clients import AuthorizationCode, Client


class Clients(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def add(self, client: Client) -> None: ...

    @abstractmethod
    async def remove(self, client_id: str) -> None:
        """With its codes. Raises `ClientNotFound`."""


class ClientReads(Protocol):
    """Queries."""

    @abstractmethod
    async def find(self, client_id: str) -> Client | None: ...

    @abstractmethod
    async def all(self) -> list[Client]:
        """Oldest first."""

    @abstractmethod
    async def standing(self, client_id: str, token_id: str) -> bool:
        """Whether the client is registered and this token of its own was not revoked."""


class AuthorizationCodes(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def add(self, code: AuthorizationCode) -> None: ...

    @abstractmethod
    async def find(self, code_hash: bytes) -> AuthorizationCode | None:
        """The code, locked against other units."""

    @abstractmethod
    async def use(self, code: AuthorizationCode) -> None:
        """Store its session. Raises `StaleWrite` if somebody used it meanwhile."""

    @abstractmethod
    async def forget(self, before: datetime) -> int:
        """Drop those that expired before then; returns how many."""


class RevokedTokens(Protocol):
    """Access tokens that belong to no session. Call only inside an open unit of work."""

    @abstractmethod
    async def add(self, token_id: str, until: datetime) -> None:
        """Refuse it until it runs out by itself; doing it twice changes nothing."""

    @abstractmethod
    async def forget(self, before: datetime) -> int:
        """Drop those that expired before then; returns how many."""


class SigningKey(Struct, frozen=True):
    """The key itself is the secret of this number; number 0 was there from the beginning."""

    number: int
    made_at: datetime


class SigningKeys(Protocol):
    """Which keys sign tokens, shared by all processes of one database."""

    @abstractmethod
    async def all(self) -> list[SigningKey]:
        """Those that were rotated in, oldest first."""

    @abstractmethod
    async def add(self, key: SigningKey) -> None:
        """Raises `Conflict` when the number is taken."""
