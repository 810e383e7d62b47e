"""What checkout asks of others."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from shop.core.kernel.ids import AddressId, UserId
from shop.core.kernel.postal import PostalAddress
from shop.core.orders.model import Order
from shop.core.payments.model import Payment


class Buyer(Struct, frozen=True, kw_only=True):
    email: str
    addresses: dict[AddressId, PostalAddress]


class Buyers(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def find(self, users: Iterable[UserId]) -> dict[UserId, Buyer]:
        """The signed-in buyers with their addresses, who stay until the unit ends.

        Whoever has deleted their account is not among them.
        """


class Answers(Protocol):
    @abstractmethod
    def placed(self, order: Order, payments: Sequence[Payment]) -> bytes:
        """The body that the caller of checkout gets, now and on every repeat of its key."""
