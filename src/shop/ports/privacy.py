"""All that the shop knows of a person, wherever it lies; and forgetting it."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from shop.core.cart.model import Cart
from shop.core.catalog.model import Review
from shop.core.kernel.ids import UserId
from shop.core.notifications.model import Email
from shop.core.users.factors import Factors


class PersonalReads(Protocol):
    """Queries about what has no query of its own elsewhere."""

    @abstractmethod
    async def cart(self, user_id: UserId) -> Cart | None: ...

    @abstractmethod
    async def reviews(self, user_id: UserId) -> list[Review]:
        """Oldest first."""

    @abstractmethod
    async def mails(self, about: Sequence[UUID]) -> list[Email]:
        """Those about one of these users or orders, oldest first."""

    @abstractmethod
    async def factors(self, user_id: UserId) -> Factors: ...


class Erasing(Protocol):
    """Call only inside an open unit of work. What is gone already is no error."""

    @abstractmethod
    async def administrators(self) -> list[UserId]:
        """At most two of them, locked: enough to know the last one."""

    @abstractmethod
    async def mails(self, about: Sequence[UUID]) -> None:
        """Empty the mails about these users or orders; that there was one stays known."""

    @abstractmethod
    async def refunds(self, orders: Sequence[UUID]) -> None:
        """Empty the reasons that staff wrote for refunds of these orders; the figures stay."""

    @abstractmethod
    async def reviews(self, user_id: UserId) -> None:
        """Keep what was said and forget who said it."""

    @abstractmethod
    async def traces(self, user_id: UserId, orders: Sequence[UUID]) -> None:
        """Drop the cart, and the answers remembered for idempotency keys: the person's own, and
        those that staff got about these orders."""

    @abstractmethod
    async def account(self, user_id: UserId) -> None:
        """Drop the account with all that hangs on it: sessions, addresses, profiles, factors,
        mailed secrets, codes."""
