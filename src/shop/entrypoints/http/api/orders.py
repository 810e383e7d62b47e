"""A customer's or a guest's orders."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Stream
from msgspec import Meta, Struct

from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.fulfilment import Fulfilment
from shop.core.checkout.links import PaymentLinks
from shop.core.checkout.once import Attempt
from shop.core.kernel.access import Caller, Scope
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import OrderId, VariantId
from shop.core.orders.model import Order, OrderState, ReturnedItem
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import UNPAID, Payment, PaymentState, Refund
from shop.entrypoints.http.answers import Answer
from shop.entrypoints.http.api.live import follow
from shop.entrypoints.http.api.views import CheckoutView, OrderView, TimelineView, TrackingView
from shop.entrypoints.http.edge import LameDuck
from shop.entrypoints.http.idempotency import digest_of, key_of
from shop.entrypoints.http.order_tokens import OrderTokens
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.documents import Documents
from shop.ports.orders import OrderFilter, OrderReads
from shop.ports.payments import PaymentReads

_REPLAYED = (b"idempotent-replayed", b"true")
_ORDER = {200: ResponseSpec(OrderView, description="The order as it is now.")}
_PDF = "application/pdf"

Limit = Annotated[int, QueryParameter(ge=1, le=100)]


class OrderPage(Struct):
    items: list[OrderView]
    next_cursor: str | None


class OrderTracking(Struct):
    tracking: TrackingView
    timeline: list[TimelineView]


class ReturnItemBody(Struct, forbid_unknown_fields=True):
    variant_id: UUID
    quantity: Annotated[int, Meta(ge=1, le=99)] = 1


class ReturnBody(Struct, forbid_unknown_fields=True):
    items: Annotated[list[ReturnItemBody], Meta(min_length=1, max_length=200)]
    reason: Annotated[str, Meta(max_length=1000)] = ""


def encode_order(order: Order, payments: Sequence[Payment], refunds: Sequence[Refund]) -> bytes:
    return msgspec.json.encode(OrderView.of(order, payments, refunds))


async def attempt_of(request: HttpRequest, who: str) -> Attempt | None:
    key = key_of(request, who)
    return Attempt(key=key, digest=await digest_of(request)) if key else None


def caller_name(visitor: Visitor) -> str:
    """To whom an idempotency key belongs: the user, else whoever the order's token was given to."""
    user = visitor.caller.user_id
    return f"user:{user}" if user else f"order:{visitor.opened}"


def json_answer(body: bytes, *, replayed: bool, status: int = 200) -> Answer:
    return Answer(body, *([_REPLAYED] if replayed else []), status=status)


async def view_of(order: Order, payments: PaymentReads) -> OrderView:
    of_order = await payments.of_order(order.id)
    refunds = (await payments.refunds_of([order.id])).get(order.id, [])
    return OrderView.of(order, of_order, refunds)


async def page_of(
    reads: OrderReads, payments: PaymentReads, which: OrderFilter, limit: int, cursor: str | None
) -> OrderPage:
    page = await reads.page(which, limit, cursor)
    ids = [order.id for order in page.items]
    paid, refunds = await payments.of_orders(ids), await payments.refunds_of(ids)
    views = [OrderView.of(o, paid.get(o.id, ()), refunds.get(o.id, ())) for o in page.items]
    return OrderPage(views, page.next_cursor)


class OrderController(Controller):
    path = "/api/v1/orders"
    tags = ("Orders",)

    @get("/")
    @served
    async def mine(
        self,
        caller: Caller,
        reads: Given[OrderReads],
        payments: Given[PaymentReads],
        limit: Limit = 24,
        cursor: FromQuery[str | None] = None,
    ) -> OrderPage:
        """The caller's orders, newest first."""
        which = OrderFilter(user_id=caller.known(Scope.ORDERS))
        return await page_of(reads, payments, which, limit, cursor)

    @get("/{order_id:uuid}", responses=_ORDER)
    @served
    async def show(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        reads: Given[OrderReads],
        payments: Given[PaymentReads],
    ) -> Answer:
        order = await _seen(request, caller, tokens, reads, order_id)
        return Answer.of(await view_of(order, payments))

    @get("/{order_id:uuid}/tracking")
    @served
    async def tracking(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        reads: Given[OrderReads],
    ) -> OrderTracking:
        """Carrier and everything that happened to the order."""
        order = await _seen(request, caller, tokens, reads, order_id)
        timeline = [TimelineView.of(entry) for entry in order.timeline]
        return OrderTracking(TrackingView.of(order), timeline)

    @get("/{order_id:uuid}/events", media_type="text/event-stream")
    @served
    async def events(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        reads: Given[OrderReads],
        duck: Given[LameDuck],
    ) -> Stream:
        """The timeline live; `Last-Event-ID` resumes it."""
        order = await _seen(request, caller, tokens, reads, order_id)
        last = request.headers.get("last-event-id", "").strip() or "0"
        if not (last.isascii() and last.isdigit() and len(last) < 10):  # noqa: PLR2004
            raise Malformed("Not an id of this stream.", field="Last-Event-ID", kind="format")
        return Stream(
            follow(reads, order.id, int(last), duck),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @post("/{order_id:uuid}/payment-link", status_code=200)
    @served
    async def payment_link(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        links: Given[PaymentLinks],
        payments: Given[PaymentReads],
    ) -> CheckoutView:
        """A new payment link for an unpaid order; the old one is cancelled."""
        visitor = tokens.visitor(request, caller, OrderId(order_id))
        order = await links.renew(visitor, OrderId(order_id))
        return CheckoutView.of(await view_of(order, payments))

    @post("/{order_id:uuid}/cancel", status_code=200, responses=_ORDER)
    @served
    async def cancel(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        cancellation: Given[Cancellation],
    ) -> Answer:
        """Cancel before it is shipped: stock returns, and so does what was paid."""
        visitor = tokens.visitor(request, caller, OrderId(order_id))
        attempt = await attempt_of(request, caller_name(visitor))
        body, replayed = await cancellation.by_customer(
            visitor, OrderId(order_id), encode_order, attempt
        )
        return json_answer(body, replayed=replayed)

    @post("/{order_id:uuid}/returns", status_code=201)
    @served
    async def ask_return(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        data: JSONBody[ReturnBody],
        caller: Caller,
        tokens: Given[OrderTokens],
        fulfilment: Given[Fulfilment],
        payments: Given[PaymentReads],
    ) -> OrderView:
        """Ask to send back items of a delivered order."""
        visitor = tokens.visitor(request, caller, OrderId(order_id))
        items = [
            ReturnedItem(variant_id=VariantId(item.variant_id), quantity=item.quantity)
            for item in data.items
        ]
        order = await fulfilment.ask_return(visitor, OrderId(order_id), items, data.reason)
        return await view_of(order, payments)

    @get("/{order_id:uuid}/invoice.pdf", media_type=_PDF)
    @served
    async def invoice(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        reads: Given[OrderReads],
        documents: Given[Documents],
    ) -> bytes:
        """The tax invoice of a confirmed order."""
        order = await _seen(request, caller, tokens, reads, order_id)
        if order.invoice_number is None:
            raise OrderState("This order has no invoice yet.", status=order.status)
        return await documents.invoice(order)

    @get("/{order_id:uuid}/receipt.pdf", media_type=_PDF)
    @served
    async def receipt(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        reads: Given[OrderReads],
        payments: Given[PaymentReads],
        documents: Given[Documents],
    ) -> bytes:
        """The receipt for what was paid."""
        order = await _seen(request, caller, tokens, reads, order_id)
        payment = await payments.get(order.payment_id)
        if payment.status in UNPAID:
            raise NotPaid("This order has not been paid.", status=order.status)
        return await documents.receipt(order, payment)


class NotPaid(PaymentState):
    code = "order-state"


async def _seen(
    request: HttpRequest, caller: Caller, tokens: OrderTokens, reads: OrderReads, order_id: UUID
) -> Order:
    order = await reads.get(OrderId(order_id))
    tokens.visitor(request, caller, order.id).to_see(order)
    return order
