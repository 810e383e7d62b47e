"""An order as its buyer sees it."""

from litestar.params import FromPath

from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.links import PaymentLinks
from shop.core.kernel.errors import Unauthenticated
from shop.core.kernel.ids import OrderId
from shop.core.orders.model import MOVES, Order, OrderNotFound, OrderState, OrderStatus
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import UNPAID
from shop.entrypoints.http.api.orders import encode_order
from shop.entrypoints.http.api.views import link_of
from shop.entrypoints.http.order_tokens import OrderTokens
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.replies import Reply, see
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit, visited
from shop.ports.documents import Documents
from shop.ports.orders import OrderReads
from shop.ports.payments import GatewayUnavailable, PaymentReads

#: How often the page after the gateway asks again by itself.
_LOOKS = 15


async def _opened(
    visit: Visit, number: str, reads: OrderReads, tokens: OrderTokens
) -> tuple[Order, Visitor]:
    """The order, for whoever may see it. Raises `Unauthenticated` or `OrderNotFound`."""
    token = visit.order_token(number)
    if visit.caller.user_id is None and not token:
        raise Unauthenticated("Please sign in to see this order.")
    order = await reads.by_number(number)
    visitor = _visitor(visit, order, tokens, token)
    visitor.to_see(order)
    return order, visitor


def _visitor(visit: Visit, order: Order, tokens: OrderTokens, token: str | None) -> Visitor:
    opened = OrderId(order.id) if token and tokens.check(order.id, token) else None
    return Visitor(caller=visit.caller, opened=opened)


@page("/orders/{number:str}")
@visited
async def show(
    number: FromPath[str],
    visit: Visit,
    reads: Given[OrderReads],
    payments: Given[PaymentReads],
    tokens: Given[OrderTokens],
) -> Reply:
    """A token in the address moves into a cookie, so that it is not passed on with the address."""
    given = visit.request.query_params
    token = given.get("order_token") or given.get("token")
    if token:
        await _take_token(visit, number, token, reads, tokens)
        return see(f"/orders/{number}")
    order, visitor = await _opened(visit, number, reads, tokens)
    paid = await payments.of_order(order.id)
    refunds = (await payments.refunds_of([order.id])).get(order.id, [])
    return await visit.page(
        "order.html",
        form_action=f"{visit.front.site_url} https:",
        order=order,
        mine=visitor.owns(order),
        link=link_of(order, paid),
        payable=order.status is OrderStatus.PENDING_PAYMENT,
        receipt=any(p.id == order.payment_id and p.status not in UNPAID for p in paid),
        refunds=refunds,
        cancellable=OrderStatus.CANCELLED in MOVES[order.status],
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
    reads: Given[OrderReads],
    payments: Given[PaymentReads],
    tokens: Given[OrderTokens],
    links: Given[PaymentLinks],
) -> Reply:
    """To the gateway, with a new link where the old one is of no use."""
    order, visitor = await _opened(visit, number, reads, tokens)
    try:
        order = await links.renew(visitor, order.id)
    except OrderState:
        return visit.see(f"/orders/{number}", "order-state")
    except GatewayUnavailable:
        return visit.see(f"/orders/{number}", "no-link")
    link = link_of(order, await payments.of_order(order.id))
    return see(link) if link else visit.see(f"/orders/{number}")


@form("/orders/{number:str}/cancel")
@visited
async def cancel(
    number: FromPath[str],
    visit: Visit,
    reads: Given[OrderReads],
    tokens: Given[OrderTokens],
    cancellation: Given[Cancellation],
) -> Reply:
    order, visitor = await _opened(visit, number, reads, tokens)
    try:
        await cancellation.by_customer(visitor, order.id, encode_order)
    except OrderState:
        return visit.see(f"/orders/{number}", "order-state")
    return visit.see(f"/orders/{number}", "cancelled")


@page("/orders/{number:str}/invoice.pdf")
@visited
async def invoice(
    number: FromPath[str],
    visit: Visit,
    reads: Given[OrderReads],
    tokens: Given[OrderTokens],
    documents: Given[Documents],
) -> Reply:
    order, _ = await _opened(visit, number, reads, tokens)
    if order.invoice_number is None:
        raise OrderNotFound("This order has no invoice yet.")
    return _pdf(await documents.invoice(order), f"invoice-{order.number}")


@page("/orders/{number:str}/receipt.pdf")
@visited
async def receipt(
    number: FromPath[str],
    visit: Visit,
    reads: Given[OrderReads],
    payments: Given[PaymentReads],
    tokens: Given[OrderTokens],
    documents: Given[Documents],
) -> Reply:
    order, _ = await _opened(visit, number, reads, tokens)
    payment = await payments.get(order.payment_id)
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
    visitor = _visitor(visit, order, tokens, visit.order_token(number))
    looked = visit.request.query_params.get("n", "0")
    count = int(looked) + 1 if looked.isascii() and looked.isdigit() and len(looked) < 3 else 1  # noqa: PLR2004 - two digits
    waiting = order.status is OrderStatus.PENDING_PAYMENT
    return await visit.page(
        "returned.html",
        number=order.number,
        status=order.status,
        mine=visitor.owns(order),
        waiting=waiting,
        again=count if waiting and count <= _LOOKS else 0,
    )


ROUTES = (show, pay, cancel, invoice, receipt, returned)
