"""Orders and refunds for the people who run the shop."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta, Struct

from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.fulfilment import Fulfilment, Tracking
from shop.core.checkout.lookup import OrderLookup
from shop.core.checkout.once import Attempt
from shop.core.checkout.refunds import Refunding, RequestRefund
from shop.core.kernel.access import Caller
from shop.core.kernel.ids import OrderId, PaymentId
from shop.core.kernel.money import Money
from shop.core.orders.model import OrderStatus
from shop.core.payments.model import Refund
from shop.core.users.postal import line
from shop.entrypoints.http.answers import Answer
from shop.entrypoints.http.api.fields import Cursor, Limit
from shop.entrypoints.http.api.orders import (
    OrderPage,
    attempt_of,
    encode_order,
    page_of,
)
from shop.entrypoints.http.api.views import OrderView, RefundView
from shop.entrypoints.http.json_body import JsonBody
from shop.entrypoints.http.raw import body as raw_body
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.orders import OrderFilter

_ORDER = {200: ResponseSpec(OrderView, description="The order as it is now.")}
_TRACKED = {201: ResponseSpec(OrderView, description="The order, with the news noted.")}
_REFUND = {201: ResponseSpec(RefundView, description="The refund that was asked for.")}

Short = Annotated[str, Meta(min_length=1, max_length=100)]


class ShipBody(Struct, forbid_unknown_fields=True):
    carrier: Short
    tracking_number: Short


class CancelBody(Struct, forbid_unknown_fields=True):
    reason: Annotated[str, Meta(max_length=200)] = ""


class TrackingBody(Struct, forbid_unknown_fields=True):
    status: Short
    description: Annotated[str, Meta(max_length=500)]
    occurred_at: Annotated[datetime, Meta(tz=True)]
    location: Annotated[str, Meta(max_length=200)] | None = None


class RefundBody(Struct, forbid_unknown_fields=True):
    """`amount` in minor units, or with its currency; left out: all that is left.

    `payment_id` is for money that came besides what paid the order.
    """

    reason: Annotated[str, Meta(min_length=1, max_length=255)]
    amount: int | Money | None = None
    payment_id: UUID | None = None


class AdminOrderController(Controller):
    path = "/api/v1/admin/orders"
    tags = ("Back office",)

    @get("/")
    @served
    async def every(
        self,
        caller: Caller,
        lookup: Given[OrderLookup],
        status: FromQuery[OrderStatus | None] = None,
        q: FromQuery[str] = "",
        placed_from: FromQuery[date | None] = None,
        placed_until: FromQuery[date | None] = None,
        limit: Limit = 24,
        cursor: Cursor = None,
    ) -> OrderPage:
        """All orders, newest first; `q` is the beginning of a number or an e-mail address."""
        which = OrderFilter(
            status=status, text=q.strip(), placed_from=placed_from, placed_until=placed_until
        )
        return page_of(await lookup.every(caller, which, limit, cursor))

    @post("/{order_id:uuid}/pack", status_code=200, responses=_ORDER)
    @served
    async def pack(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        fulfilment: Given[Fulfilment],
    ) -> Answer:
        """Packed: it waits for the carrier."""
        attempt = await _attempt(request, caller)
        body, replayed = await fulfilment.pack(caller, OrderId(order_id), encode_order, attempt)
        return Answer.once(body, replayed=replayed)

    @post("/{order_id:uuid}/ship", status_code=200, responses=_ORDER)
    @served
    async def ship(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        data: JSONBody[ShipBody],
        caller: Caller,
        fulfilment: Given[Fulfilment],
    ) -> Answer:
        """Handed to a carrier."""
        attempt = await _attempt(request, caller)
        parcel = (
            line(data.carrier, "carrier"),
            line(data.tracking_number, "tracking_number"),
        )
        body, replayed = await fulfilment.ship(
            caller, OrderId(order_id), parcel, encode_order, attempt
        )
        return Answer.once(body, replayed=replayed)

    @post("/{order_id:uuid}/deliver", status_code=200, responses=_ORDER)
    @served
    async def deliver(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        fulfilment: Given[Fulfilment],
    ) -> Answer:
        """Delivered; cash on delivery counts as paid with it."""
        attempt = await _attempt(request, caller)
        body, replayed = await fulfilment.deliver(caller, OrderId(order_id), encode_order, attempt)
        return Answer.once(body, replayed=replayed)

    @post("/{order_id:uuid}/cancel", status_code=200, responses=_ORDER)
    @served
    async def cancel(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        cancellation: Given[Cancellation],
    ) -> Answer:
        """Cancel before it is shipped; the body (`{reason}`) may be left out."""
        raw = await raw_body(request.scope, request.receive)
        reason = _cancel_reason(raw)
        attempt = await _attempt(request, caller)
        body, replayed = await cancellation.by_staff(
            caller, OrderId(order_id), reason, encode_order, attempt
        )
        return Answer.once(body, replayed=replayed)

    @post("/{order_id:uuid}/tracking-events", status_code=201, responses=_TRACKED)
    @served
    async def tracking_event(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        data: JSONBody[TrackingBody],
        caller: Caller,
        fulfilment: Given[Fulfilment],
    ) -> Answer:
        """What a carrier reports."""
        seen = Tracking(
            status=data.status,
            description=data.description,
            occurred_at=data.occurred_at,
            location=data.location or "",
        )
        attempt = await _attempt(request, caller)
        body, replayed = await fulfilment.track(
            caller, OrderId(order_id), seen, encode_order, attempt
        )
        return Answer.once(body, replayed=replayed, status=201)

    @post("/{order_id:uuid}/refunds", status_code=201, responses=_REFUND)
    @served
    async def refund(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        data: JSONBody[RefundBody],
        caller: Caller,
        refunding: Given[Refunding],
    ) -> Answer:
        """Send money back, in part or all that is left; never more than was paid."""
        asked = data.amount
        command = RequestRefund(
            order_id=OrderId(order_id),
            payment_id=PaymentId(data.payment_id) if data.payment_id else None,
            amount=asked.amount if isinstance(asked, Money) else asked,
            currency=asked.currency if isinstance(asked, Money) else None,
            reason=line(data.reason, "reason"),
        )
        attempt = await _attempt(request, caller)
        body, replayed = await refunding.request(caller, command, _encode_refund, attempt)
        return Answer.once(body, replayed=replayed, status=201)


class AdminRefundController(Controller):
    path = "/api/v1/admin/refunds"
    tags = ("Back office",)

    @get("/{refund_id:uuid}")
    @served
    async def show(
        self, refund_id: FromPath[UUID], caller: Caller, lookup: Given[OrderLookup]
    ) -> RefundView:
        """How a refund stands."""
        return RefundView.of(await lookup.refund(caller, refund_id))


async def _attempt(request: HttpRequest, caller: Caller) -> Attempt | None:
    return await attempt_of(request, caller.name)


def _encode_refund(refund: Refund) -> bytes:
    return msgspec.json.encode(RefundView.of(refund))


def _cancel_reason(raw: bytes) -> str:
    body: CancelBody = _CANCEL.parse(raw) if raw.strip() else CancelBody()
    return body.reason


_CANCEL = JsonBody(CancelBody)
