"""Tells buyers by mail what became of their orders, and staff what a buyer wishes."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NewType
from uuid import UUID

from msgspec import Struct, field

from shop.core.kernel.events import Event
from shop.core.kernel.ids import EventId, OrderId
from shop.core.notifications.model import Email
from shop.core.notifications.queueing import QueuedPost
from shop.core.orders.model import (
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderDelivered,
    OrderExpired,
    OrderNotFound,
    OrderReturnRequested,
    OrderShipped,
)
from shop.core.payments.model import PaymentRefunded
from shop.ports.mail import Emails
from shop.ports.notifications import Letter
from shop.ports.orders import OrderReads
from shop.ports.outbox import Inbox
from shop.ports.uow import UnitOfWork, Units

#: The name of this reaction on the bus, and what it wants to hear of.
CONSUMER = "order-mails"
HEARS: tuple[type[Event], ...] = (
    OrderConfirmed,
    OrderShipped,
    OrderDelivered,
    OrderCancelled,
    OrderExpired,
    OrderReturnRequested,
    PaymentRefunded,
)

#: The address that staff read.
StaffMailbox = NewType("StaffMailbox", str)


class News(Struct, frozen=True):
    """A fact, and the event that brought it."""

    event_id: EventId
    fact: Event


def confirmation_of(order_id: UUID) -> str:
    """What names the one confirmation of an order among all mails."""
    return f"order-confirmed:{order_id.hex}"


class _About(Struct, frozen=True):
    """The part of `cause` before the colon is also the name of the template."""

    order_id: OrderId
    cause: str
    data: dict[str, Any] = field(default_factory=dict)
    for_staff: bool = False


class OrderMails:
    """Each fact makes one mail, however often it is heard of."""

    def __init__(
        self,
        uow: UnitOfWork,
        units: Units,
        inbox: Inbox,
        emails: Emails,
        orders: OrderReads,
        post: QueuedPost,
        staff: StaffMailbox,
    ) -> None:
        self._uow = uow
        self._units = units
        self._inbox = inbox
        self._emails = emails
        self._orders = orders
        self._post = post
        self._staff = staff

    async def react_all(self, news: Sequence[News]) -> None:
        """Load the orders, write their mails, then store all of them in one unit."""
        abouts = [(one.event_id, _about(one)) for one in news]
        orders = await self._orders.find({about.order_id for _, about in abouts})
        written: dict[EventId, Email | None] = {}
        for id_, about in abouts:
            written[id_] = self._compose(about, orders)
            await asyncio.sleep(0)  # a hundred take long enough to keep everybody else waiting
        await self._units.run(self._store(written))

    async def _store(self, written: Mapping[EventId, Email | None]) -> None:
        async with self._uow.begin():
            fresh = await self._inbox.take(CONSUMER, written)
            mails = [mail for id_, mail in written.items() if mail is not None and id_ in fresh]
            await self._emails.add(mails)

    def _compose(self, about: _About, orders: Mapping[OrderId, Order]) -> Email | None:
        """None when whoever bought it has deleted their account since."""
        order = orders.get(about.order_id)
        if order is None:
            raise OrderNotFound("There is no such order.")
        if not order.email:
            return None
        letter = Letter(
            dedupe=about.cause,
            to=self._staff if about.for_staff else order.email,
            template=about.cause.partition(":")[0],
            data={"order": order, **about.data},
            subject_id=about.order_id,
        )
        return self._post.compose(letter)


def _about(news: News) -> _About:
    if isinstance(news.fact, OrderReturnRequested):  # one order may have several
        cause = f"return-requested:{news.event_id.hex}"
        wish = {"items": news.fact.items, "reason": news.fact.reason}
        return _About(news.fact.order_id, cause, wish, for_staff=True)
    return _to_buyer(news.fact)


def _to_buyer(fact: Event) -> _About:
    match fact:
        case OrderConfirmed():
            return _About(fact.order_id, confirmation_of(fact.order_id))
        case OrderShipped():
            data = {"carrier": fact.carrier, "tracking_number": fact.tracking_number}
            return _About(fact.order_id, f"order-shipped:{fact.order_id.hex}", data)
        case OrderDelivered():
            return _About(fact.order_id, f"order-delivered:{fact.order_id.hex}")
        case OrderCancelled():
            cause = f"order-cancelled:{fact.order_id.hex}"
            return _About(fact.order_id, cause, {"reason": fact.reason})
        case OrderExpired():
            return _About(fact.order_id, f"order-expired:{fact.order_id.hex}")
        case PaymentRefunded():
            cause = f"order-refunded:{fact.refund_id.hex}"
            return _About(fact.order_id, cause, {"amount": fact.amount})
        case _:
            raise ValueError(f"There is no mail about {fact.kind()}.")
