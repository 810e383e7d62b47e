"""Carts at rest, and those kept at hand to be shown."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
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


#: How long a cart is kept at hand.
SHOWN_FOR = timedelta(minutes=1)


class CartCache(Protocol):
    """Carts as they are stored, common to all replicas; they may be forgotten at any moment.

    Good for showing a cart, never for deciding about one. No call raises, and none takes longer
    than a moment. An older cart is found in place of a newer one for `SHOWN_FOR` at most, and
    only where whoever stored the newer one could not tell.
    """

    @abstractmethod
    async def find(self, owners: Iterable[str]) -> dict[str, Cart]: ...

    @abstractmethod
    async def keep(self, carts: Sequence[Cart]) -> None:
        """To be told of what was committed; never takes the place of what is newer."""
