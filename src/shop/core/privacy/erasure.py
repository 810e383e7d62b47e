"""Deleting an account: what the law lets go is forgotten, what it wants kept stays without a name
to sign in with."""

from collections.abc import Sequence
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.access import Caller, Role
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import UserId
from shop.core.orders.model import OPEN, Order
from shop.core.payments.model import Payment
from shop.core.privacy.model import LastAdministrator, OrdersOpen, UserErased
from shop.core.users.liveness import Liveness
from shop.core.users.model import User
from shop.core.users.presence import Presence
from shop.core.users.signing_in import Credentials
from shop.ports.orders import Orders
from shop.ports.payments import Payments
from shop.ports.privacy import Erasing
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import Sessions, UserReads, Users


class DeleteAccount(Struct, frozen=True, kw_only=True):
    """`address` is where the call comes from."""

    current_password: str | None = None
    address: str = ""

    def __repr__(self) -> str:
        return "DeleteAccount()"


class Resolve:
    """Whether it is the person who wants this, and not only somebody at their device."""

    def __init__(self, reads: UserReads, credentials: Credentials, presence: Presence) -> None:
        self._reads = reads
        self._credentials = credentials
        self._presence = presence

    async def by_password(self, caller: Caller, command: DeleteAccount) -> User:
        """Raises `Malformed`, `BadCredentials` or `TooManyFailures`; asks nothing of an account
        without a password."""
        user = await self._reads.get(caller.known())
        if user.password_hash is None:
            return user
        if not command.current_password:
            raise Malformed(
                "The present password is needed.", field="current_password", kind="missing"
            )
        return await self._credentials.confirm(user.id, command.current_password, command.address)

    async def by_sign_in(self, caller: Caller, user: User, checked: User) -> None:
        """Call only inside an open unit of work, with what `by_password` returned. Raises
        `BadCredentials` or `SignInAgain`."""
        user.still_as(checked)
        if user.password_hash is None:
            await self._presence.confirm(caller)


class OrderErasure:
    """Call only inside an open unit of work."""

    def __init__(self, orders: Orders, payments: Payments) -> None:
        self._orders = orders
        self._payments = payments

    async def forget(self, user_id: UserId) -> list[UUID]:
        """Take the person out of their orders; returns which. Raises `OrdersOpen`."""
        orders = await self._orders.of_buyer(user_id)
        payments = await self._payments.of_orders(order.id for order in orders)
        open_ = [one.number for one in orders if _is_open(one, payments.get(one.id, []))]
        if open_:
            raise OrdersOpen(
                "Some orders are not finished: cancel them, or wait until they have arrived and "
                "all money is where it belongs.",
                orders=sorted(open_),
            )
        await self._orders.forget_buyers([order.forget_buyer() for order in orders])
        return [order.id for order in orders]


class AccountErasure:
    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        sessions: Sessions,
        erasing: Erasing,
        orders: OrderErasure,
        resolve: Resolve,
        liveness: Liveness,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._sessions = sessions
        self._erasing = erasing
        self._orders = orders
        self._resolve = resolve
        self._liveness = liveness
        self._clock = clock

    async def erase(self, caller: Caller, command: DeleteAccount) -> None:
        """All of it or nothing. The e-mail address is free again, and every session has ended.

        Raises `BadCredentials`, `TooManyFailures`, `SignInAgain`, `OrdersOpen` or
        `LastAdministrator`.
        """
        user_id = caller.known()
        checked = await self._resolve.by_password(caller, command)
        now = self._clock.now()
        async with self._uow.begin():
            user = await self._users.get(user_id)
            await self._resolve.by_sign_in(caller, user, checked)
            if Role.ADMIN in user.roles and await self._erasing.administrators() == [user_id]:
                raise LastAdministrator(
                    "Somebody must run the shop: make another administrator first."
                )
            orders = await self._orders.forget(user_id)
            await self._erasing.mails([user_id, *orders])
            await self._erasing.refunds(orders)
            await self._erasing.reviews(user_id)
            await self._erasing.traces(user_id, orders)
            ended = await self._sessions.end_all(user_id, now)
            await self._erasing.account(user_id)
            self._uow.emit(UserErased(user_id=user_id, at=now))
        await self._liveness.ended(*(session.id for session in ended))


def _is_open(order: Order, payments: Sequence[Payment]) -> bool:
    """Goods on their way, money that may still arrive, or money on its way back."""
    return order.status in OPEN or any(
        payment.check_at is not None or payment.refunding != payment.refunded
        for payment in payments
    )
