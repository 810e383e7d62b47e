"""Carts at rest."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from shop.core.cart.model import Cart


class Carts(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def find(self, owners: Iterable[str]) -> dict[str, Cart]:
        """Return the carts of those owners who have one."""

    @abstractmethod
    async def add(self, carts: Sequence[Cart]) -> None:
        """Store new carts. Raises `StaleWrite` if an owner got one meanwhile."""

    @abstractmethod
    async def save(self, carts: Sequence[Cart]) -> list[Cart]:
        """Store changed carts and return them with their new versions. Raises `StaleWrite`."""

    @abstractmethod
    async def forget(self, before: datetime, limit: int) -> int:
        """Drop carts nobody touched since then, at most `limit`; returns how many."""
