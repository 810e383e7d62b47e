"""Payments at rest, and the gateway."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from msgspec import Struct

from shop.core.kernel.errors import Unavailable
from shop.core.kernel.ids import OrderId, PaymentId, RefundId
from shop.core.kernel.money import Money
from shop.core.payments.model import Capture, Link, Payment, Refund


class GatewayUnavailable(Unavailable):
    """The gateway did not answer, or not in a way to rely on: the outcome is unknown."""

    code = "payment-gateway-unavailable"


class GatewayRefused(Exception):
    """The gateway will never do this, however often it is asked. The text may be stored."""


class Payments(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def add(self, payments: Sequence[Payment]) -> None:
        """Raises `StaleWrite` if the id or the provider's payment id is taken."""

    @abstractmethod
    async def get(self, payment_id: PaymentId) -> Payment:
        """Raises `PaymentNotFound`."""

    @abstractmethod
    async def find(self, payment_ids: Iterable[PaymentId]) -> dict[PaymentId, Payment]: ...

    @abstractmethod
    async def by_provider(self, provider_payment_ids: Iterable[str]) -> dict[str, Payment]:
        """Those that recorded one of the gateway's payments, by its id."""

    @abstractmethod
    async def of_orders(self, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Payment]]:
        """All payments of those orders, oldest first."""

    @abstractmethod
    async def save(self, payments: Sequence[Payment]) -> list[Payment]:
        """Raises `StaleWrite`."""

    @abstractmethod
    async def take_to_check(self, now: datetime, until: datetime, limit: int) -> list[Payment]:
        """Payments whose link the gateway is to be asked about by now, the longest due first.

        They are the caller's until `until`: nobody else is given them before.
        """


class Refunds(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def add(self, refunds: Sequence[Refund]) -> None: ...

    @abstractmethod
    async def get(self, refund_id: RefundId) -> Refund:
        """Raises `RefundNotFound`."""

    @abstractmethod
    async def by_provider(self, provider_refund_ids: Iterable[str]) -> dict[str, Refund]:
        """Those the gateway knows by one of these ids."""

    @abstractmethod
    async def save(self, refunds: Sequence[Refund]) -> list[Refund]:
        """Raises `StaleWrite`."""

    @abstractmethod
    async def take_due(self, now: datetime, until: datetime, limit: int) -> list[Refund]:
        """Refunds to ask for by now, the longest due first; the caller's until `until`."""


class WebhookLog(Protocol):
    """Which webhook events were recorded. Call only inside an open unit of work."""

    @abstractmethod
    async def fresh(self, event_ids: Sequence[str], at: datetime) -> set[str]:
        """Record the ids and return those not seen before."""

    @abstractmethod
    async def forget(self, before: datetime, limit: int) -> int:
        """Drop ids recorded before then, at most so many; returns how many that were."""


class PaymentReads(Protocol):
    """Queries."""

    @abstractmethod
    async def get(self, payment_id: PaymentId) -> Payment:
        """Raises `PaymentNotFound`."""

    @abstractmethod
    async def of_order(self, order_id: OrderId) -> list[Payment]:
        """Oldest first."""

    @abstractmethod
    async def of_orders(self, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Payment]]: ...

    @abstractmethod
    async def refund(self, refund_id: RefundId) -> Refund:
        """Raises `RefundNotFound`."""

    @abstractmethod
    async def refunds_of(self, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Refund]]:
        """Oldest first."""

    @abstractmethod
    async def refunds_due(self, now: datetime, limit: int) -> list[Refund]: ...

    @abstractmethod
    async def unlinked(self, before: datetime, limit: int) -> list[Payment]:
        """Open online payments made before then that have no link yet."""

    @abstractmethod
    async def to_check(self, now: datetime, limit: int) -> list[Payment]:
        """Payments whose link the gateway is to be asked about by now, oldest first."""


class LinkRequest(Struct, frozen=True, kw_only=True):
    """What the gateway has to know. `reference` makes a repeat harmless."""

    reference: str
    amount: Money
    description: str
    callback_url: str
    expires_at: datetime
    email: str
    phone: str
    name: str


class Claim(Struct, frozen=True, kw_only=True):
    """What a browser that comes back from the gateway claims, under a signature that holds.

    It names neither amount nor time: ask the gateway before anything counts as paid.
    """

    link_id: str
    reference: str
    status: str
    provider_payment_id: str


class Gateway(Protocol):
    """A payment gateway that speaks Razorpay's language."""

    @abstractmethod
    def link_now(self, request: LinkRequest) -> Link | None:
        """The link, when it can be had without asking anybody (the sandbox); else None."""

    @abstractmethod
    async def create_link(self, request: LinkRequest, *, again: bool = False) -> Link:
        """Make a link, or return the one made before for this reference.

        `again`: it was asked for before, and nobody knows what became of that. Raises
        `GatewayUnavailable` or `GatewayRefused`.
        """

    @abstractmethod
    async def fetch_link(self, payment: Payment) -> Link:
        """How the link stands, with the money that came through it.

        One that was never made stands as `created`, without an id. Raises `GatewayUnavailable`,
        and `GatewayRefused` for a link that the gateway does not know.
        """

    @abstractmethod
    async def cancel_link(self, payment: Payment) -> Link:
        """Close the link if it is still open; the answer tells whether it had been paid.

        Raises as `fetch_link` does.
        """

    @abstractmethod
    async def capture(self, authorized: Capture) -> Capture:
        """Take the money a buyer's bank has promised, once however often asked.

        Raises `GatewayUnavailable`, and `GatewayRefused` when it is not there to be taken.
        """

    @abstractmethod
    async def refund(self, refund: Refund, provider_payment_id: str) -> Refund:
        """Send money back, once however often asked; returns the refund as the gateway sees it.

        Raises `GatewayUnavailable` or `GatewayRefused`.
        """

    @abstractmethod
    def callback(self, query: dict[str, str]) -> Claim | None:
        """The claim in the callback's query, or None when its signature does not hold."""

    @abstractmethod
    def webhook(self, body: bytes, signature: str | None) -> bool:
        """Whether the signature of the raw body holds."""
