"""What the database says about itself, read for the audit alone."""

from abc import abstractmethod
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.ids import OrderId, PaymentId, VariantId
from shop.core.orders.model import OrderStatus
from shop.core.payments.model import PaymentStatus, RefundStatus

T = TypeVar("T")
Quantities = dict[VariantId, int]


class RefundRecord(Struct, frozen=True, kw_only=True):
    payment_id: PaymentId
    amount: int
    status: RefundStatus
    next_try_at: datetime | None


class PaymentRecord(Struct, frozen=True, kw_only=True):
    id: PaymentId
    amount: int
    currency: str
    method: str
    status: PaymentStatus
    refunding: int
    refunded: int


class OrderRecord(Struct, frozen=True, kw_only=True):
    """An order with everything that must agree with it.

    `sold` and `returned` are what the ledger says; `confirmations` counts moves to confirmed in
    the timeline, `mails` the confirmations by mail.
    """

    id: OrderId
    number: str
    status: OrderStatus
    payment_status: str
    payment_method: str
    payment_id: PaymentId
    total: int
    currency: str
    refunded: int
    invoice_number: str | None
    hold_until: datetime | None
    confirmations: int
    confirmed_at: datetime | None
    lines: Quantities
    sold: Quantities
    returned: Quantities
    payments: tuple[PaymentRecord, ...]
    refunds: tuple[RefundRecord, ...]
    mails: int


class StockRecord(Struct, frozen=True, kw_only=True):
    """`moved` is the sum of the ledger, `pending` what unpaid orders want."""

    variant_id: VariantId
    sku: str
    on_hand: int
    held: int
    moved: int
    pending: int


class Flow(Struct, frozen=True, kw_only=True):
    """Events and mails on their way; `confirmed` are orders whose event has not been heard yet.

    `late_mails` have been due since before the moment that was asked for.
    """

    outbox: int
    oldest_event: datetime | None
    unheard: int
    confirmed: frozenset[UUID]
    dead_letters: int
    mails: int
    queued_mails: int
    late_mails: int
    failed_mails: int


class Snapshot(Protocol):
    """One moment of the database. Pages come by id, after the one given."""

    @abstractmethod
    async def orders(self, after: OrderId | None, limit: int) -> list[OrderRecord]: ...

    @abstractmethod
    async def stock(self, after: VariantId | None, limit: int) -> list[StockRecord]: ...

    @abstractmethod
    async def invoices(self) -> dict[tuple[str, str], int]:
        """The last number drawn, by series and financial year."""

    @abstractmethod
    async def stray_moves(self) -> int:
        """Lines of the ledger about orders that do not exist."""

    @abstractmethod
    async def flow(self, consumer: str, late: datetime) -> Flow: ...


class Books(Protocol):
    @abstractmethod
    async def read(self, examine: Callable[[Snapshot], Coroutine[Any, Any, T]]) -> T:
        """Run `examine` on one moment of a shop that goes on. It waits for nothing else."""
