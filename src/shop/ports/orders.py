"""Orders at rest."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Protocol

from msgspec import Struct

from shop.core.kernel.ids import OrderId, UserId
from shop.core.kernel.page import Page
from shop.core.orders.model import Order, OrderStatus


class Orders(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def add(self, orders: Sequence[Order]) -> None:
        """Store new orders. Raises `StaleWrite` if an order number is taken: draw another."""

    @abstractmethod
    async def get(self, order_id: OrderId) -> Order:
        """Return the order, locked against other units, or raise `OrderNotFound`."""

    @abstractmethod
    async def find(self, order_ids: Iterable[OrderId]) -> dict[OrderId, Order]:
        """Return those of the orders that exist, locked in the order of their ids."""

    @abstractmethod
    async def save(self, orders: Sequence[Order]) -> list[Order]:
        """Store changed orders and return them with their new versions. Raises `StaleWrite`."""

    @abstractmethod
    async def of_buyer(self, user_id: UserId) -> list[Order]:
        """All orders of that customer, locked in the order of their ids."""

    @abstractmethod
    async def forget_buyers(self, orders: Sequence[Order]) -> None:
        """Store orders as `Order.forget_buyer` made them. Raises `StaleWrite`."""


class Invoices(Protocol):
    """Consecutive numbers without gaps. Call last in a unit: it locks the series."""

    @abstractmethod
    async def draw(self, series: str, year: str, count: int) -> int:
        """Take `count` numbers of the series in that financial year; returns the first, from 1."""


class OrderFilter(Struct, frozen=True, kw_only=True):
    user_id: UserId | None = None
    status: OrderStatus | None = None
    text: str = ""  # an order number or an e-mail address, or the beginning of one
    placed_from: date | None = None
    placed_until: date | None = None


class OrderReads(Protocol):
    """Queries."""

    @abstractmethod
    async def get(self, order_id: OrderId) -> Order:
        """Raises `OrderNotFound`."""

    @abstractmethod
    async def find(self, order_ids: Iterable[OrderId]) -> dict[OrderId, Order]:
        """Those there are."""

    @abstractmethod
    async def by_number(self, number: str) -> Order:
        """Raises `OrderNotFound`."""

    @abstractmethod
    async def page(self, which: OrderFilter, limit: int, cursor: str | None) -> Page[Order]:
        """Newest first. Raises `Malformed` for a cursor that is none of ours."""

    @abstractmethod
    async def overdue(self, now: datetime, limit: int) -> list[Order]:
        """Unpaid orders whose hold has run out, the longest overdue first."""
