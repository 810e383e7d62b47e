"""Orders, from payment to the door, and the money that goes back."""

from uuid import UUID

import msgspec
from litestar.params import FromPath

from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.fulfilment import Fulfilment
from shop.core.checkout.lookup import Account, OrderLookup
from shop.core.checkout.refunds import Refunding, RequestRefund
from shop.core.kernel.errors import Malformed, NotFound
from shop.core.kernel.ids import OrderId, PaymentId
from shop.core.kernel.money import Money
from shop.core.orders.model import MOVES, OrderState, OrderStatus
from shop.core.payments.model import Refund, RefundTooLarge
from shop.core.users.postal import line
from shop.entrypoints.http.api.orders import encode_order
from shop.entrypoints.http.api.views import RefundView
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import Errors, Form, amount
from shop.entrypoints.http.web.pages.backoffice.entry import PAGE, UNFIT, cursor, looker, staff
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.orders import OrderFilter


@page("/admin/orders")
@visited
async def orders(visit: Visit, lookup: Given[OrderLookup]) -> Reply:
    staff(visit)
    given = visit.request.query_params
    status, text = given.get("status", ""), given.get("text", "").strip()[:200]
    which = OrderFilter(
        status=OrderStatus(status) if status in set(OrderStatus) else None, text=text
    )
    found = await lookup.every(visit.caller, which, PAGE, cursor(visit))
    return await visit.page(
        "admin/orders.html",
        orders=[account.order for account in found.items],
        cursor=found.next_cursor,
        status=status,
        text=text,
        statuses=list(OrderStatus),
    )


@page("/admin/orders/{number:str}")
@visited
async def order(number: FromPath[str], visit: Visit, lookup: Given[OrderLookup]) -> Reply:
    staff(visit)
    return await _page(visit, await lookup.by_number(number, looker(visit)), Errors())


async def _page(visit: Visit, account: Account, errors: Errors) -> Reply:
    order = account.order
    # What paid goes first; others hold money only where their refund was refused.
    paid = sorted(account.payments, key=lambda one: one.id != order.payment_id)
    left = [(one.id, Money(one.refundable, one.amount.currency)) for one in paid if one.refundable]
    return await visit.page(
        "admin/order.html",
        http_status=UNFIT if errors else 200,
        order=order,
        payments=account.payments,
        refunds=account.refunds,
        moves=MOVES[order.status],
        refundable=left,
        form=visit.form if errors else Form(key=visit.new_secret()),
        errors=errors,
    )


@form("/admin/orders/{number:str}/{move:str}")
@visited
async def move_order(
    number: FromPath[str],
    move: FromPath[str],
    visit: Visit,
    lookup: Given[OrderLookup],
    fulfilment: Given[Fulfilment],
    cancellation: Given[Cancellation],
    refunding: Given[Refunding],
) -> Reply:
    staff(visit)
    account = await lookup.by_number(number, looker(visit))
    caller, id_ = visit.caller, account.order.id
    here = f"/admin/orders/{account.order.number}"
    errors, done = Errors(), "order-moved"
    try:
        with errors.gathered():
            match move:
                case "pack":
                    await fulfilment.pack(caller, id_, encode_order)
                case "ship":
                    await _ship(visit, id_, fulfilment, errors)
                case "deliver":
                    await fulfilment.deliver(caller, id_, encode_order)
                case "return":
                    await _take_back(visit, id_, fulfilment)
                case "cancel":
                    reason = line(visit.form["reason"][:200], "reason", empty=True)
                    await cancellation.by_staff(caller, id_, reason, encode_order)
                case "refund":
                    await _refund(visit, id_, refunding)
                    done = "refund-asked"
                case _:
                    raise NotFound("There is no such page.")
    except OrderState:
        return visit.see(here, "order-state")
    except RefundTooLarge:
        return visit.see(here, "refund-large")
    if errors:
        return await _page(visit, account, errors)
    return visit.see(here, done)


async def _ship(visit: Visit, order_id: OrderId, fulfilment: Fulfilment, errors: Errors) -> None:
    errors.missing(visit.form, "carrier", "tracking_number")
    if errors:
        return
    carrier = line(visit.form["carrier"][:100], "carrier")
    tracking = line(visit.form["tracking_number"][:100], "tracking_number")
    await fulfilment.ship(visit.caller, order_id, (carrier, tracking), encode_order)


async def _take_back(visit: Visit, order_id: OrderId, fulfilment: Fulfilment) -> None:
    shelf = visit.form["shelf"]
    if shelf not in {"yes", "no"}:
        raise Malformed("Please say where the goods are.", field="shelf")
    await fulfilment.take_back(visit.caller, order_id, encode_order, restock=shelf == "yes")


async def _refund(visit: Visit, order_id: OrderId, refunding: Refunding) -> None:
    typed = visit.form
    wanted = amount(typed["amount"], "amount") if typed.text("amount") else None
    reason = line(typed["reason"][:255], "reason")
    try:
        payment_id = PaymentId(UUID(typed["payment"])) if typed["payment"] else None
    except ValueError:
        raise Malformed("Please choose a payment.", field="payment") from None
    command = RequestRefund(order_id=order_id, payment_id=payment_id, amount=wanted, reason=reason)
    attempt = visit.attempt(str(order_id))
    await refunding.request(visit.caller, command, _encode_refund, attempt)


def _encode_refund(refund: Refund) -> bytes:
    return msgspec.json.encode(RefundView.of(refund))


ROUTES = (orders, order, move_order)
