"""Payment links: made, made anew, looked after, and closed. The gateway is never asked inside a
unit of work."""

from asyncio import Lock
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from msgspec.structs import replace

from shop.core.checkout.books import Bookkeeping
from shop.core.checkout.once import Attempt, Once
from shop.core.checkout.settlement import AttemptFailed, Captured, Report, Settlement
from shop.core.checkout.steps import Answer, Answered
from shop.core.checkout.terms import Terms
from shop.core.kernel.ids import OrderId, PaymentId
from shop.core.kernel.insisting import insist
from shop.core.kernel.side_by_side import ask_each
from shop.core.orders.model import Order, OrderState, OrderStatus, PaymentMethod
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import UNPAID, Capture, Link, Payment, PaymentStatus
from shop.ports.orders import OrderReads
from shop.ports.payments import (
    Gateway,
    GatewayRefused,
    GatewayUnavailable,
    PaymentReads,
    Payments,
)
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork

_BATCH = 50
#: So many are asked about by whoever has taken them, and so long nobody else does.
_CHECKS = 10
_HELD = timedelta(minutes=4)
#: A checkout that is still being answered asks the gateway itself.
_GRACE = timedelta(seconds=10)
_LONGEST_PAUSE = timedelta(hours=6)
_OPEN = frozenset({PaymentStatus.CREATED, PaymentStatus.FAILED})


class LinkKeeper:
    """Talks to the gateway about links and settles what was paid through them."""

    def __init__(
        self,
        uow: UnitOfWork,
        payments: Payments,
        gateway: Gateway,
        settlement: Settlement,
        clock: Clock,
        terms: Terms,
    ) -> None:
        self._uow = uow
        self._payments = payments
        self._gateway = gateway
        self._settlement = settlement
        self._clock = clock
        self._terms = terms

    async def close(self, payments: Iterable[Payment]) -> None:
        """As `close_all` does, for one order. Raises `GatewayUnavailable`."""
        for silence in (await self.close_all(payments)).values():
            raise silence

    async def close_all(self, payments: Iterable[Payment]) -> dict[OrderId, GatewayUnavailable]:
        """Cancel the links that are still open; returns the orders whose links may still be.

        Of all other orders nothing more can be paid through any link, and what was paid is settled.
        """
        ending = [one for one in payments if one.method == "online" and one.status in _OPEN]
        answers = await ask_each(partial(_answer, self._gateway.cancel_link), ending)
        silent: dict[OrderId, GatewayUnavailable] = {}
        links: dict[PaymentId, Link] = {}
        for payment, link in zip(ending, answers, strict=True):
            if isinstance(link, GatewayUnavailable):
                silent[payment.order_id] = link
            elif link is not None:  # else it knows no such link: nothing can come through it
                links[payment.id] = link
        await self._settle_links(links)
        # Where a link has no id its making may be under way: it is looked for once more.
        await self._check_again({id_: None for id_, link in links.items() if link.id})
        return silent

    async def take_to_check(self, now: datetime, until: datetime, limit: int) -> list[Payment]:
        """Call only inside an open unit of work; see `Payments`."""
        return await self._payments.take_to_check(now, until, limit)

    async def check_all(self, payments: Sequence[Payment]) -> int:
        """Ask how the links stand, and settle; returns how many the gateway answered for."""
        answers = await ask_each(partial(_answer, self._stands), payments)
        asked = dict(zip((payment.id for payment in payments), answers, strict=True))
        await self._settle_links({id_: one for id_, one in asked.items() if isinstance(one, Link)})
        now = self._clock.now()
        await self._check_again(
            {one.id: self._next_look(one, asked[one.id], now) for one in payments}
        )
        return sum(not isinstance(one, GatewayUnavailable) for one in answers)

    async def _stands(self, payment: Payment) -> Link:
        """A link that our books have closed is cancelled as well."""
        if payment.status in _OPEN:
            return await self.look(payment)
        return await self._gateway.cancel_link(payment)

    def _next_look(
        self, payment: Payment, link: Link | GatewayUnavailable | None, now: datetime
    ) -> datetime | None:
        if isinstance(link, GatewayUnavailable):
            return now + self._terms.check_after
        if link is None or link.status in {"paid", "cancelled", "expired"}:
            return None
        pause = max(self._terms.check_after, (now - payment.created_at) / 2)
        return now + min(pause, _LONGEST_PAUSE)

    async def look(self, payment: Payment) -> Link:
        """How the link of an open payment stands, once its money has been taken.

        A promise of another amount is left alone: it runs out by itself. Raises as `fetch_link`.
        """
        link = await self._gateway.fetch_link(payment)
        taken: list[Capture] = []
        for promised in link.authorized:
            if promised.amount == payment.amount:
                with suppress(GatewayRefused):  # it has run out
                    taken.append(await self._gateway.capture(promised))
        return replace(link, captures=(*link.captures, *taken), authorized=())

    async def make(self, order: Order, payment: Payment) -> Payment:
        """Make the link of a payment that has none, and store it. Raises `GatewayUnavailable`."""
        return await self.store(payment.id, await self.ask(order, payment))

    async def ask(self, order: Order, payment: Payment, *, again: bool = False) -> Link | None:
        """A new link; None if the gateway refuses it. Raises `GatewayUnavailable`."""
        try:
            return await self._gateway.create_link(
                self._terms.link_request(order, payment), again=again
            )
        except GatewayRefused:
            return None

    async def store(self, payment_id: PaymentId, link: Link | None) -> Payment:
        """Store what `ask` answered.

        A payment closed meanwhile keeps its link, to be cancelled. Where the gateway refused one,
        the order stays as it is: its buyer may ask for another link.
        """
        if link is None:
            await self._settle([AttemptFailed(payment_id=payment_id)])
            async with self._uow.begin():
                return await self._payments.get(payment_id)

        async def attach() -> Payment:
            async with self._uow.begin():
                stored = await self._payments.get(payment_id)
                if stored.link_id is not None:
                    return stored
                later = self._clock.now() + self._terms.check_after
                linked = stored.linked(link.id, link.url)
                if stored.status in UNPAID:
                    linked = replace(linked, check_at=later)
                [linked] = await self._payments.save([linked])
            return linked

        return await insist(attach)

    async def _settle_links(self, links: Mapping[PaymentId, Link]) -> None:
        """Settle what was captured through them. Harmless when it is known already."""
        reports = [
            Captured(payment_id=id_, capture=capture)
            for id_, link in links.items()
            for capture in link.captures
        ]
        if reports:
            await self._settle(reports)

    async def _settle(self, reports: Sequence[Report]) -> None:
        # Who loses a race need not ask the gateway anew.
        for answer in await insist(partial(self._settlement.settle_all, reports)):
            if isinstance(answer, Exception):
                raise answer

    async def _check_again(self, when: Mapping[PaymentId, datetime | None]) -> None:
        async def note() -> None:
            async with self._uow.begin():
                found = await self._payments.find(when)
                await self._payments.save(
                    [
                        replace(payment, check_at=when[id_])
                        for id_, payment in sorted(found.items())
                        if payment.check_at is not None and payment.status in UNPAID
                    ]
                )

        if when:
            await insist(note)


class PaymentLinks:
    def __init__(
        self,
        uow: UnitOfWork,
        books: Bookkeeping,
        keeper: LinkKeeper,
        once: Once,
        orders: OrderReads,
        payments: PaymentReads,
        gateway: Gateway,
        clock: Clock,
        ids: Ids,
        terms: Terms,
    ) -> None:
        self._uow = uow
        self._books = books
        self._keeper = keeper
        self._once = once
        self._orders = orders
        self._payments = payments
        self._gateway = gateway
        self._clock = clock
        self._ids = ids
        self._terms = terms

    async def renew(
        self, visitor: Visitor, order_id: OrderId, answer: Answer, attempt: Attempt | None = None
    ) -> Answered:
        """Give an unpaid order a new link in place of the old one.

        An order that turns out to be paid comes back confirmed and gets none. Raises `OrderState`
        where there is nothing to pay.
        """
        visitor.to_own(await self._orders.get(order_id))
        half_done = False
        if attempt is not None:
            async with self._uow.begin():
                half_done = await self._once.abandoned(attempt, self._clock.now())
                known = None if half_done else await self._once.answered(attempt)
            if known is not None:
                return known, True
        if not half_done:
            known = await self._replace(order_id, attempt)
            if known is not None:
                return known, True
        body = await self._answer(order_id, answer)
        if attempt is not None:
            async with self._uow.begin():
                await self._once.finish(attempt, body)
        return body, half_done

    async def _replace(self, order_id: OrderId, attempt: Attempt | None) -> bytes | None:
        """Close the old link and make the new one; an answer comes from a twin that was first."""
        order = await self._orders.get(order_id)
        _payable(order, self._clock.now())
        await self._keeper.close(await self._payments.of_order(order_id))
        known, fresh = await insist(lambda: self._begin_anew(order_id, attempt))
        if fresh is not None and fresh[1].link_id is None:
            # `create_missing` goes on trying; the order shows the link once it is there.
            with suppress(GatewayUnavailable):
                await self._keeper.make(*fresh)
        return known

    async def _begin_anew(
        self, order_id: OrderId, attempt: Attempt | None
    ) -> tuple[bytes | None, tuple[Order, Payment] | None]:
        """A twin's answer, or else the order with its new payment, if one is still needed."""
        async with self._uow.begin():
            # Who waited here for its own twin sees the answer of that.
            books = await self._books.open([order_id], self._clock.now())
            known = await self._once.answered(attempt)
            if known is not None:
                return known, None
            order = books.order(order_id)
            await self._once.keep(attempt, order_id, None, 200, books.now)
            if order.status is OrderStatus.CONFIRMED:
                return None, None
            _payable(order, books.now)
            for old in books.of(order_id):
                if old.status in _OPEN:
                    books.put_payment(old.close(PaymentStatus.CANCELLED))
            payment = self._payment(order, books.now)
            books.put(replace(order, payment_id=payment.id).paid(payment.status))
            books.put_payment(payment)
            await self._books.write(books)
        return None, (order, payment)

    async def _answer(self, order_id: OrderId, answer: Answer) -> bytes:
        order = await self._orders.get(order_id)
        refunds = (await self._payments.refunds_of([order_id])).get(order_id, [])
        return answer(order, await self._payments.of_order(order_id), refunds)

    async def create_missing(self) -> int:
        """Make the links that the gateway was too slow to make at checkout; returns how many."""
        waiting = await self._payments.unlinked(self._clock.now() - _GRACE, _BATCH)
        orders = await self._orders.find({payment.order_id for payment in waiting})
        storing = Lock()

        async def make(payment: Payment) -> bool:
            try:
                link = await self._keeper.ask(orders[payment.order_id], payment, again=True)
            except GatewayUnavailable:
                return False
            async with storing:  # at once, for the buyer waits; there is one unit of work
                await self._keeper.store(payment.id, link)
            return True

        return sum(await ask_each(make, waiting))

    async def check_due(self) -> int:
        """Ask about links that are unpaid after minutes: a webhook may never come."""
        now = self._clock.now()
        if not await self._payments.to_check(now, 1):  # a look costs less than a write
            return 0
        async with self._uow.begin():
            due = await self._keeper.take_to_check(now, now + _HELD, _CHECKS)
        return await self._keeper.check_all(due)

    def _payment(self, order: Order, now: datetime) -> Payment:
        payment = Payment(
            id=PaymentId(self._ids.new()),
            order_id=order.id,
            amount=order.breakdown.total,
            method="online",
            created_at=now,
            expires_at=self._terms.link_expiry(now),
            check_at=now + self._terms.check_after,
        )
        link = self._gateway.link_now(self._terms.link_request(order, payment))
        return payment.linked(link.id, link.url) if link is not None else payment


async def _answer(
    ask: Callable[[Payment], Awaitable[Link]], payment: Payment
) -> Link | GatewayUnavailable | None:
    """None for a link that the gateway does not know; its silence is an answer as well."""
    try:
        return await ask(payment)
    except GatewayRefused:
        return None
    except GatewayUnavailable as silence:
        return silence


def _payable(order: Order, now: datetime) -> None:
    unpaid = order.status is OrderStatus.PENDING_PAYMENT
    if not unpaid or order.payment_method is not PaymentMethod.ONLINE:
        raise OrderState("There is nothing to pay for this order.", status=order.status)
    if order.hold_until is not None and order.hold_until <= now:
        raise OrderState("The time to pay for this order is over.", status=order.status)
