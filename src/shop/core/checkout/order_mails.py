"""Tells buyers by mail what became of their orders."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from msgspec import Struct

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
    PaymentRefunded,
)


class News(Struct, frozen=True):
    """A fact, and the event that brought it."""

    event_id: EventId
    fact: Event


def confirmation_of(order_id: UUID) -> str:
    """What names the one confirmation of an order among all mails."""
    return f"order-confirmed:{order_id.hex}"


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
    ) -> None:
        self._uow = uow
        self._units = units
        self._inbox = inbox
        self._emails = emails
        self._orders = orders
        self._post = post

    async def react_all(self, news: Sequence[News]) -> None:
        """Write the mails, then store all of them in one unit."""
        written = [(one.event_id, await self._compose(one.fact)) for one in news]
        await self._units.run(self._store(written))

    async def _store(self, written: Sequence[tuple[EventId, Email | None]]) -> None:
        async with self._uow.begin():
            fresh = [mail for id_, mail in written if await self._inbox.take(CONSUMER, id_)]
            await self._emails.add([mail for mail in fresh if mail is not None])

    async def _compose(self, fact: Event) -> Email | None:
        match fact:
            case OrderConfirmed():
                return await self._about(fact.order_id, confirmation_of(fact.order_id))
            case OrderShipped():
                data = {"carrier": fact.carrier, "tracking_number": fact.tracking_number}
                return await self._about(fact.order_id, f"order-shipped:{fact.order_id.hex}", data)
            case OrderDelivered():
                return await self._about(fact.order_id, f"order-delivered:{fact.order_id.hex}")
            case OrderCancelled():
                data = {"reason": fact.reason}
                cause = f"order-cancelled:{fact.order_id.hex}"
                return await self._about(fact.order_id, cause, data)
            case OrderExpired():
                return await self._about(fact.order_id, f"order-expired:{fact.order_id.hex}")
            case PaymentRefunded():
                cause = f"order-refunded:{fact.refund_id.hex}"
                return await self._about(fact.order_id, cause, {"amount": fact.amount})
            case _:
                raise ValueError(f"There is no mail about {fact.kind()}.")

    async def _about(
        self, order_id: OrderId, cause: str, data: dict[str, Any] | None = None
    ) -> Email | None:
        """The part of the cause before the colon is also the name of the template.

        None when whoever bought it has deleted their account since.
        """
        order: Order = await self._orders.get(order_id)
        if not order.email:
            return None
        letter = Letter(
            dedupe=cause,
            to=order.email,
            template=cause.partition(":")[0],
            data={"order": order, **(data or {})},
            subject_id=order_id,
        )
        return self._post.compose(letter)
