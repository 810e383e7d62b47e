"""Everything that the shop keeps about a person, for that person."""

from collections.abc import AsyncIterator
from math import ceil

from msgspec import Struct

from shop.core.cart.model import Cart
from shop.core.catalog.model import Review
from shop.core.kernel.access import Caller
from shop.core.kernel.errors import Limited
from shop.core.kernel.ids import UserId
from shop.core.notifications.model import Email
from shop.core.orders.model import Order
from shop.core.payments.model import Payment, Refund
from shop.core.users.factors import Factors
from shop.core.users.linked import LinkedProfile
from shop.core.users.model import Address, IdentityRules, Session, User
from shop.ports.cache import RateLimiter
from shop.ports.orders import OrderFilter, OrderReads
from shop.ports.payments import PaymentReads
from shop.ports.privacy import PersonalReads
from shop.ports.social import ProfileReads
from shop.ports.users import UserReads

#: Orders that are read at a time, however many there are.
_PAGE = 50
_AN_HOUR = 3600
_TIMES = 10


class Person(Struct, frozen=True, kw_only=True):
    """All but the orders, of which there may be many."""

    user: User
    addresses: list[Address]
    sessions: list[Session]
    profiles: list[LinkedProfile]
    factors: Factors
    cart: Cart | None
    reviews: list[Review]
    mails: list[Email]


class OrderFile(Struct, frozen=True, kw_only=True):
    order: Order
    payments: list[Payment]
    refunds: list[Refund]
    mails: list[Email]


class Export:
    def __init__(
        self,
        users: UserReads,
        profiles: ProfileReads,
        personal: PersonalReads,
        orders: OrderReads,
        payments: PaymentReads,
        limiter: RateLimiter,
        rules: IdentityRules,
    ) -> None:
        self._users = users
        self._profiles = profiles
        self._personal = personal
        self._orders = orders
        self._payments = payments
        self._limiter = limiter
        self._limited = rules.throttled

    async def person(self, caller: Caller) -> Person:
        """Raises `Limited` for who asks again and again."""
        user_id = caller.known()
        if self._limited:
            verdict = await self._limiter.hit(f"export:{user_id}", _TIMES, _AN_HOUR)
            if verdict.wait:
                raise Limited(
                    f"{_TIMES} times an hour are enough; please wait.",
                    retry_after=ceil(verdict.wait),
                )
        return Person(
            user=await self._users.get(user_id),
            addresses=await self._users.addresses(user_id),
            sessions=await self._users.kept_sessions(user_id),
            profiles=await self._profiles.of(user_id),
            factors=await self._personal.factors(user_id),
            cart=await self._personal.cart(user_id),
            reviews=await self._personal.reviews(user_id),
            mails=await self._personal.mails([user_id]),
        )

    async def orders(self, user_id: UserId) -> AsyncIterator[list[OrderFile]]:
        """Newest first, some at a time."""
        cursor: str | None = None
        while True:
            page = await self._orders.page(OrderFilter(user_id=user_id), _PAGE, cursor)
            ids = [order.id for order in page.items]
            if ids:
                payments = await self._payments.of_orders(ids)
                refunds = await self._payments.refunds_of(ids)
                mails = await self._personal.mails(ids)
                yield [
                    OrderFile(
                        order=order,
                        payments=payments.get(order.id, []),
                        refunds=refunds.get(order.id, []),
                        mails=[mail for mail in mails if mail.subject_id == order.id],
                    )
                    for order in page.items
                ]
            cursor = page.next_cursor
            if cursor is None:
                return
