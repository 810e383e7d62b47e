"""The sandbox gateway's own books. The shop itself never looks into them."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from shop.core.kernel.money import Money


class SandboxLink(Struct, frozen=True, kw_only=True):
    """A link that somebody has used: paid, failed to pay or cancelled. Unused ones have no row."""

    id: str
    reference: str
    amount: Money
    callback_url: str
    description: str
    expires_at: datetime
    status: str = "created"  # created, paid, cancelled
    payment_id: str | None = None  # of the payment that was captured
    paid_at: datetime | None = None
    failures: int = 0
    version: int = 0


class SandboxRefund(Struct, frozen=True, kw_only=True):
    id: str
    key: str  # of idempotency
    payment_id: str
    amount: Money
    created_at: datetime


class SandboxHook(Struct, frozen=True, kw_only=True):
    """A webhook on its way to the shop; `id` is the event's."""

    id: str
    body: bytes
    next_try_at: datetime
    attempts: int = 0


class SandboxBooks(Protocol):
    """Each call is a transaction of its own, as with a gateway elsewhere."""

    @abstractmethod
    async def link(self, reference: str) -> SandboxLink | None: ...

    @abstractmethod
    async def paid_link(self, payment_id: str) -> SandboxLink | None:
        """The link through which this payment was captured."""

    @abstractmethod
    async def put(self, link: SandboxLink, hooks: Sequence[SandboxHook] = ()) -> None:
        """Store the link and queue what is to be reported. Raises `StaleWrite`."""

    @abstractmethod
    async def refund(self, key: str) -> SandboxRefund | None: ...

    @abstractmethod
    async def refunds_of(self, payment_id: str) -> list[SandboxRefund]: ...

    @abstractmethod
    async def add_refund(self, refund: SandboxRefund, hooks: Sequence[SandboxHook]) -> None:
        """Raises `StaleWrite` if the key is taken."""

    @abstractmethod
    async def due(self, now: datetime, limit: int) -> list[SandboxHook]:
        """Webhooks to be sent by now, the longest waiting first."""

    @abstractmethod
    async def take_due(self, now: datetime, until: datetime, limit: int) -> list[SandboxHook]:
        """The same, for the caller alone until `until`: nobody else is given them before."""

    @abstractmethod
    async def sent(self, done: Sequence[str], again: Sequence[SandboxHook]) -> None:
        """Forget the webhooks that arrived (or never will), and put off the others."""
