"""A customer's or a guest's orders."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody
from litestar.response import Stream
from msgspec import Meta, Struct

from shop.core.cart.model import MOST_OF_ONE
from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.fulfilment import Fulfilment, ReturnWish
from shop.core.checkout.links import PaymentLinks
from shop.core.checkout.lookup import Account, OrderLookup
from shop.core.checkout.once import Attempt
from shop.core.kernel.access import Caller
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import OrderId, VariantId
from shop.core.kernel.page import Page
from shop.core.orders.model import Order, OrderState, ReturnedItem
from shop.core.payments.model import UNPAID, Payment, PaymentState, Refund
from shop.entrypoints.http.answers import Answer
from shop.entrypoints.http.api.fields import Cursor, Limit
from shop.entrypoints.http.api.live import Streams, follow
from shop.entrypoints.http.api.views import CheckoutView, OrderView, TimelineView, TrackingView
from shop.entrypoints.http.edge import LameDuck
from shop.entrypoints.http.idempotency import digest_of, key_of
from shop.entrypoints.http.order_tokens import OrderTokens
from shop.entrypoints.http.served import Given, HttpRequest, caller_of, served
from shop.ports.documents import Documents

_ORDER = {200: ResponseSpec(OrderView, description="The order as it is now.")}
_LINK = {200: ResponseSpec(CheckoutView, description="The order, and where to pay now.")}
_RETURN = {201: ResponseSpec(OrderView, description="The order, with the wish noted.")}
_PDF = "application/pdf"


class OrderPage(Struct):
    items: list[OrderView]
    next_cursor: str | None


class OrderTracking(Struct):
    tracking: TrackingView
    timeline: list[TimelineView]


class ReturnItemBody(Struct, forbid_unknown_fields=True):
    variant_id: UUID
    quantity: Annotated[int, Meta(ge=1, le=MOST_OF_ONE)] = 1


class ReturnBody(Struct, forbid_unknown_fields=True):
    items: Annotated[list[ReturnItemBody], Meta(min_length=1, max_length=200)]
    reason: Annotated[str, Meta(max_length=1000)] = ""


def encode_order(order: Order, payments: Sequence[Payment], refunds: Sequence[Refund]) -> bytes:
    return msgspec.json.encode(OrderView.of(order, payments, refunds))


async def attempt_of(request: HttpRequest, who: str) -> Attempt | None:
    key = key_of(request, who)
    return Attempt(key=key, digest=await digest_of(request)) if key else None


def view_of(account: Account) -> OrderView:
    return OrderView.of(account.order, account.payments, account.refunds)


def page_of(page: Page[Account]) -> OrderPage:
    return OrderPage([view_of(account) for account in page.items], page.next_cursor)


def _encode_link(order: Order, payments: Sequence[Payment], refunds: Sequence[Refund]) -> bytes:
    return msgspec.json.encode(CheckoutView.of(OrderView.of(order, payments, refunds)))


class OrderController(Controller):
    path = "/api/v1/orders"
    tags = ("Orders",)

    @get("/")
    @served
    async def mine(
        self,
        caller: Caller,
        lookup: Given[OrderLookup],
        limit: Limit = 24,
        cursor: Cursor = None,
    ) -> OrderPage:
        """The caller's orders, newest first."""
        return page_of(await lookup.mine(caller, limit, cursor))

    @get("/{order_id:uuid}", responses=_ORDER)
    @served
    async def show(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        lookup: Given[OrderLookup],
    ) -> Answer:
        """An order of one's own, or one that its token opens."""
        found = await lookup.account(OrderId(order_id), tokens.looker(request, caller))
        return Answer.of(view_of(found))

    @get("/{order_id:uuid}/tracking")
    @served
    async def tracking(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        lookup: Given[OrderLookup],
    ) -> OrderTracking:
        """Carrier and everything that happened to the order."""
        order = await lookup.order(OrderId(order_id), tokens.looker(request, caller))
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
        lookup: Given[OrderLookup],
        duck: Given[LameDuck],
        streams: Given[Streams],
    ) -> Stream:
        """The timeline live; `Last-Event-ID` resumes it."""

        async def look() -> Order:
            now = await caller_of(request)
            return await lookup.order(OrderId(order_id), tokens.looker(request, now))

        await lookup.order(OrderId(order_id), tokens.looker(request, caller))
        last = request.headers.get("last-event-id", "").strip() or "0"
        if not (last.isascii() and last.isdigit() and len(last) < 10):  # noqa: PLR2004
            raise Malformed("Not an id of this stream.", field="Last-Event-ID", kind="format")
        streams.room()
        return Stream(
            streams.counted(follow(look, int(last), duck)),
            media_type="text/event-stream",
            headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    @post("/{order_id:uuid}/payment-link", status_code=200, responses=_LINK)
    @served
    async def payment_link(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        links: Given[PaymentLinks],
    ) -> Answer:
        """A new payment link for an unpaid order; the old one is cancelled."""
        visitor = tokens.visitor(request, caller, OrderId(order_id))
        attempt = await attempt_of(request, visitor.name)
        body, replayed = await links.renew(visitor, OrderId(order_id), _encode_link, attempt)
        return Answer.once(body, replayed=replayed)

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
        attempt = await attempt_of(request, visitor.name)
        body, replayed = await cancellation.by_customer(
            visitor, OrderId(order_id), encode_order, attempt
        )
        return Answer.once(body, replayed=replayed)

    @post("/{order_id:uuid}/returns", status_code=201, responses=_RETURN)
    @served
    async def ask_return(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        data: JSONBody[ReturnBody],
        caller: Caller,
        tokens: Given[OrderTokens],
        fulfilment: Given[Fulfilment],
    ) -> Answer:
        """Ask to send back items of a delivered order."""
        visitor = tokens.visitor(request, caller, OrderId(order_id))
        items = (
            ReturnedItem(variant_id=VariantId(item.variant_id), quantity=item.quantity)
            for item in data.items
        )
        wish = ReturnWish(items=tuple(items), reason=data.reason)
        attempt = await attempt_of(request, visitor.name)
        body, replayed = await fulfilment.ask_return(
            visitor, OrderId(order_id), wish, encode_order, attempt
        )
        return Answer.once(body, replayed=replayed, status=201)

    @get("/{order_id:uuid}/invoice.pdf", media_type=_PDF)
    @served
    async def invoice(
        self,
        request: HttpRequest,
        order_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        lookup: Given[OrderLookup],
        documents: Given[Documents],
    ) -> bytes:
        """The tax invoice of a confirmed order."""
        order = await lookup.order(OrderId(order_id), tokens.looker(request, caller))
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
        lookup: Given[OrderLookup],
        documents: Given[Documents],
    ) -> bytes:
        """The receipt for what was paid."""
        found = await lookup.account(OrderId(order_id), tokens.looker(request, caller))
        order, payment = found.order, found.payment
        if payment.status in UNPAID:
            raise NotPaid("This order has not been paid.", status=order.status)
        return await documents.receipt(order, payment)


class NotPaid(PaymentState):
    code = "order-state"
