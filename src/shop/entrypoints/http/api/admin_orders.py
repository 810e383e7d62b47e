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
from shop.core.checkout.refunds import Refunding, RequestRefund
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import OrderId, RefundId
from shop.core.kernel.money import Money
from shop.core.orders.model import OrderStatus
from shop.core.payments.model import Refund
from shop.entrypoints.http.answers import Answer
from shop.entrypoints.http.api.orders import (
    Limit,
    OrderPage,
    attempt_of,
    encode_order,
    json_answer,
    page_of,
    view_of,
)
from shop.entrypoints.http.api.views import OrderView, RefundView
from shop.entrypoints.http.json_body import JsonBody
from shop.entrypoints.http.raw import body as raw_body
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.orders import OrderFilter, OrderReads
from shop.ports.payments import PaymentReads

_ORDER = {200: ResponseSpec(OrderView, description="The order as it is now.")}
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
    """`amount` in minor units, or with its currency; left out: all that is left."""

    reason: Annotated[str, Meta(max_length=255)]
    amount: int | Money | None = None


class AdminOrderController(Controller):
    path = "/api/v1/admin/orders"
    tags = ("Back office",)

    @get("/")
    @served
    async def every(
        self,
        caller: Caller,
        reads: Given[OrderReads],
        payments: Given[PaymentReads],
        status: FromQuery[OrderStatus | None] = None,
        q: FromQuery[str] = "",
        placed_from: FromQuery[date | None] = None,
        placed_until: FromQuery[date | None] = None,
        limit: Limit = 24,
        cursor: FromQuery[str | None] = None,
    ) -> OrderPage:
        """All orders, newest first; `q` is the beginning of a number or an e-mail address."""
        caller.require(Permission.ORDERS_READ)
        which = OrderFilter(
            status=status, text=q.strip(), placed_from=placed_from, placed_until=placed_until
        )
        return await page_of(reads, payments, which, limit, cursor)

    @post("/{order_id:uuid}/pack", status_code=200)
    @served
    async def pack(
        self,
        order_id: FromPath[UUID],
        caller: Caller,
        fulfilment: Given[Fulfilment],
        payments: Given[PaymentReads],
    ) -> OrderView:
        return await view_of(await fulfilment.pack(caller, OrderId(order_id)), payments)

    @post("/{order_id:uuid}/ship", status_code=200)
    @served
    async def ship(
        self,
        order_id: FromPath[UUID],
        data: JSONBody[ShipBody],
        caller: Caller,
        fulfilment: Given[Fulfilment],
        payments: Given[PaymentReads],
    ) -> OrderView:
        order = await fulfilment.ship(caller, OrderId(order_id), data.carrier, data.tracking_number)
        return await view_of(order, payments)

    @post("/{order_id:uuid}/deliver", status_code=200)
    @served
    async def deliver(
        self,
        order_id: FromPath[UUID],
        caller: Caller,
        fulfilment: Given[Fulfilment],
        payments: Given[PaymentReads],
    ) -> OrderView:
        """Delivered; cash on delivery counts as paid with it."""
        return await view_of(await fulfilment.deliver(caller, OrderId(order_id)), payments)

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
        attempt = await attempt_of(request, caller.name)
        body, replayed = await cancellation.by_staff(
            caller, OrderId(order_id), reason, encode_order, attempt
        )
        return json_answer(body, replayed=replayed)

    @post("/{order_id:uuid}/tracking-events", status_code=201)
    @served
    async def tracking_event(
        self,
        order_id: FromPath[UUID],
        data: JSONBody[TrackingBody],
        caller: Caller,
        fulfilment: Given[Fulfilment],
        payments: Given[PaymentReads],
    ) -> OrderView:
        """What a carrier reports."""
        seen = Tracking(
            status=data.status,
            description=data.description,
            occurred_at=data.occurred_at,
            location=data.location or "",
        )
        return await view_of(await fulfilment.track(caller, OrderId(order_id), seen), payments)

    @post("/{order_id:uuid}/refunds", status_code=201, responses=_REFUND)
    @served
    async def refund(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        data: JSONBody[RefundBody],
        caller: Caller,
        refunding: Given[Refunding],
        reads: Given[OrderReads],
    ) -> Answer:
        """Send money back, in part or all that is left; never more than was paid."""
        caller.require(Permission.REFUNDS_WRITE)
        amount = data.amount
        if isinstance(amount, Money):
            order = await reads.get(OrderId(order_id))
            if amount.currency != order.breakdown.total.currency:
                raise Malformed("Not the order's currency.", field="amount.currency")
            amount = amount.amount
        command = RequestRefund(order_id=OrderId(order_id), amount=amount, reason=data.reason)
        attempt = await attempt_of(request, caller.name)
        body, replayed = await refunding.request(caller, command, _encode_refund, attempt)
        return json_answer(body, replayed=replayed, status=201)


class AdminRefundController(Controller):
    path = "/api/v1/admin/refunds"
    tags = ("Back office",)

    @get("/{refund_id:uuid}")
    @served
    async def show(
        self, refund_id: FromPath[UUID], caller: Caller, payments: Given[PaymentReads]
    ) -> RefundView:
        caller.require(Permission.ORDERS_READ)
        return RefundView.of(await payments.refund(RefundId(refund_id)))


def _encode_refund(refund: Refund) -> bytes:
    return msgspec.json.encode(RefundView.of(refund))


def _cancel_reason(raw: bytes) -> str:
    body: CancelBody = _CANCEL.parse(raw) if raw.strip() else CancelBody()
    return body.reason


_CANCEL = JsonBody(CancelBody)
