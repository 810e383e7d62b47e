"""An order as its buyer sees it."""

from litestar.params import FromPath

from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.fulfilment import Fulfilment, ReturnRefused, ReturnWish
from shop.core.checkout.links import PaymentLinks
from shop.core.checkout.lookup import Account, Looker, OrderLookup
from shop.core.kernel.errors import Malformed, Unauthenticated
from shop.core.kernel.ids import OrderId
from shop.core.orders.model import (
    MOVES,
    OrderNotFound,
    OrderState,
    OrderStatus,
    ReturnedItem,
)
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import UNPAID
from shop.core.users.postal import line as told
from shop.entrypoints.http.api.orders import encode_order
from shop.entrypoints.http.api.views import link_of
from shop.entrypoints.http.order_tokens import OrderTokens
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form
from shop.entrypoints.http.web.replies import Reply, see
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.documents import Documents
from shop.ports.orders import OrderReads
from shop.ports.payments import GatewayUnavailable

#: How often the page after the gateway asks again by itself.
_LOOKS = 15
_UNFIT = 422


async def _opened(
    visit: Visit, number: str, lookup: OrderLookup, tokens: OrderTokens
) -> tuple[Account, Visitor]:
    """The order, for whoever may see it. Raises `Unauthenticated` or `OrderNotFound`."""
    token = visit.order_token(number)
    if visit.caller.user_id is None and not token:
        raise Unauthenticated("Please sign in to see this order.")
    looker = _looker(visit, tokens, token)
    account = await lookup.by_number(number, looker)
    return account, looker(account.order.id)


def _looker(visit: Visit, tokens: OrderTokens, token: str | None) -> Looker:
    def look(order_id: OrderId) -> Visitor:
        opened = order_id if token and tokens.check(order_id, token) else None
        return Visitor(caller=visit.caller, opened=opened)

    return look


@page("/orders/{number:str}")
@visited
async def show(
    number: FromPath[str],
    visit: Visit,
    lookup: Given[OrderLookup],
    reads: Given[OrderReads],
    tokens: Given[OrderTokens],
) -> Reply:
    """A token in the address moves into a cookie, so that it is not passed on with the address."""
    given = visit.request.query_params
    token = given.get("order_token") or given.get("token")
    if token:
        await _take_token(visit, number, token, reads, tokens)
        return see(f"/orders/{number}")
    account, visitor = await _opened(visit, number, lookup, tokens)
    form = Form(key=visit.new_secret())
    return await _page(visit, account, mine=visitor.owns(account.order), form=form)


async def _page(
    visit: Visit, account: Account, *, mine: bool, form: Form, errors: Errors | None = None
) -> Reply:
    order = account.order
    left = order.not_asked_back()
    return await visit.page(
        "order.html",
        http_status=_UNFIT if errors else 200,
        form_action=f"{visit.front.site_url} https:",
        order=order,
        mine=mine,
        link=link_of(order, account.payments),
        payable=order.status is OrderStatus.PENDING_PAYMENT,
        receipt=account.payment.status not in UNPAID,
        refunds=account.refunds,
        cancellable=OrderStatus.CANCELLED in MOVES[order.status],
        returnable=order.status is OrderStatus.DELIVERED and (any(left.values()) or bool(errors)),
        left=left,
        form=form,
        errors=errors or Errors(),
    )


async def _take_token(
    visit: Visit, number: str, token: str, reads: OrderReads, tokens: OrderTokens
) -> None:
    try:
        order = await reads.by_number(number)
    except OrderNotFound:
        return  # like a wrong token
    if tokens.check(order.id, token):
        visit.open_order(order.number, token)


@form("/orders/{number:str}/pay")
@visited
async def pay(
    number: FromPath[str],
    visit: Visit,
    lookup: Given[OrderLookup],
    tokens: Given[OrderTokens],
    links: Given[PaymentLinks],
) -> Reply:
    """To the gateway, with a new link where the old one is of no use."""
    account, visitor = await _opened(visit, number, lookup, tokens)
    try:
        await links.renew(visitor, account.order.id, encode_order)
    except OrderState:
        return visit.see(f"/orders/{number}", "order-state")
    except GatewayUnavailable:
        return visit.see(f"/orders/{number}", "no-link")
    account, _ = await _opened(visit, number, lookup, tokens)
    link = link_of(account.order, account.payments)
    return see(link) if link else visit.see(f"/orders/{number}")


@form("/orders/{number:str}/cancel")
@visited
async def cancel(
    number: FromPath[str],
    visit: Visit,
    lookup: Given[OrderLookup],
    tokens: Given[OrderTokens],
    cancellation: Given[Cancellation],
) -> Reply:
    account, visitor = await _opened(visit, number, lookup, tokens)
    try:
        await cancellation.by_customer(visitor, account.order.id, encode_order)
    except OrderState:
        return visit.see(f"/orders/{number}", "order-state")
    return visit.see(f"/orders/{number}", "cancelled")


@form("/orders/{number:str}/return")
@visited
async def send_back(
    number: FromPath[str],
    visit: Visit,
    lookup: Given[OrderLookup],
    tokens: Given[OrderTokens],
    fulfilment: Given[Fulfilment],
) -> Reply:
    """Ask for a return; the key in the form makes a second press harmless."""
    account, visitor = await _opened(visit, number, lookup, tokens)
    order, errors = account.order, Errors()
    items = []
    for line in order.lines:
        name = f"return_{line.variant_id}"
        with errors.gathered():
            count = visit.form.count(name) if visit.form.text(name) else 0
            if count < 0:
                raise Malformed("How many? 0 for none.", field=name)
            if count:
                items.append(ReturnedItem(variant_id=line.variant_id, quantity=count))
    try:
        with errors.gathered():
            reason = told(visit.form["reason"][:1000], "reason")
            if not errors:
                wish = ReturnWish(items=tuple(items), reason=reason)
                attempt = visit.attempt(f"return {order.id}", visitor)
                await fulfilment.ask_return(visitor, order.id, wish, encode_order, attempt)
    except OrderState:
        return visit.see(f"/orders/{number}", "order-state")
    except ReturnRefused as no:
        errors[""] = no.detail
    if errors:
        return await _page(visit, account, mine=True, form=visit.form, errors=errors)
    return visit.see(f"/orders/{number}", "return-asked")


@page("/orders/{number:str}/invoice.pdf")
@visited
async def invoice(
    number: FromPath[str],
    visit: Visit,
    lookup: Given[OrderLookup],
    tokens: Given[OrderTokens],
    documents: Given[Documents],
) -> Reply:
    account, _ = await _opened(visit, number, lookup, tokens)
    order = account.order
    if order.invoice_number is None:
        raise OrderNotFound("This order has no invoice yet.")
    return _pdf(await documents.invoice(order), f"invoice-{order.number}")


@page("/orders/{number:str}/receipt.pdf")
@visited
async def receipt(
    number: FromPath[str],
    visit: Visit,
    lookup: Given[OrderLookup],
    tokens: Given[OrderTokens],
    documents: Given[Documents],
) -> Reply:
    account, _ = await _opened(visit, number, lookup, tokens)
    order, payment = account.order, account.payment
    if payment.status in UNPAID:
        raise OrderNotFound("This order has not been paid.")
    return _pdf(await documents.receipt(order, payment), f"receipt-{order.number}")


def _pdf(body: bytes, name: str) -> Reply:
    return Reply(
        200,
        body,
        (b"content-type", b"application/pdf"),
        (b"content-disposition", f'inline; filename="{name}.pdf"'.encode()),
        (b"cache-control", b"no-store"),
    )


@page("/checkout/return/{number:str}")
@visited
async def returned(
    number: FromPath[str],
    visit: Visit,
    reads: Given[OrderReads],
    tokens: Given[OrderTokens],
) -> Reply:
    """Back from the gateway: for a stranger it shows number and status, and nothing else."""
    order = await reads.by_number(number)
    visitor = _looker(visit, tokens, visit.order_token(number))(order.id)
    looked = visit.request.query_params.get("n", "0")
    count = int(looked) + 1 if looked.isascii() and looked.isdigit() and len(looked) < 3 else 1  # noqa: PLR2004 - two digits
    waiting = order.status is OrderStatus.PENDING_PAYMENT
    return await visit.page(
        "returned.html",
        form_action=f"{visit.front.site_url} https:",
        number=order.number,
        status=order.status,
        mine=visitor.owns(order),
        waiting=waiting,
        failed=waiting and order.payment_status == "failed",
        again=count if waiting and count <= _LOOKS else 0,
    )


ROUTES = (show, pay, cancel, send_back, invoice, receipt, returned)
