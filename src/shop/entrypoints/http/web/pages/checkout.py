"""From the cart to the gateway."""

import hashlib
import re
from contextlib import suppress
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from shop.core.cart.model import CartEmpty
from shop.core.checkout.carts import PricedCart
from shop.core.checkout.completing import Completion
from shop.core.checkout.drafting import AddressUnknown, PaymentMethodUnavailable, PlaceOrder
from shop.core.checkout.terms import Terms
from shop.core.inventory.model import OutOfStock
from shop.core.kernel.breakdown import Breakdown
from shop.core.kernel.context import correlation
from shop.core.kernel.errors import Malformed, ShopError
from shop.core.kernel.ids import AddressId
from shop.core.kernel.money import LARGEST, Money, tax_within
from shop.core.kernel.postal import PostalAddress
from shop.core.orders.model import OrderStatus, PaymentMethod, PriceChanged
from shop.core.pricing.model import (
    ForeignCurrency,
    PricePolicy,
    ShippingMethod,
    ShippingMethodUnknown,
)
from shop.core.users.addresses import AddressBook
from shop.core.users.model import Address, TooManyAddresses
from shop.core.users.profile import Profile
from shop.entrypoints.actors.desks import CheckoutDesk
from shop.entrypoints.http.api.cart import CartView
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.forms import EMPTY, Errors, Form, read_address
from shop.entrypoints.http.web.rendering import money
from shop.entrypoints.http.web.replies import Reply, see
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.idempotency import IdempotencyKey, KeyInProgress, KeyReused
from shop.ports.users import EmailAddresses

_KEY = re.compile(r"[A-Za-z0-9_-]{20,64}")


class _Paying(Struct):
    url: str | None


class _Ordered(Struct):
    number: str
    status: str


class _Answer(Struct):
    """What is needed of the answer that checkout keeps under the key."""

    order: _Ordered
    payment: _Paying
    order_token: str = ""


class _Delivery(Struct, frozen=True):
    """One way to deliver, with the sums that come of it."""

    method: ShippingMethod
    figures: Breakdown


class Till(Struct, frozen=True):
    """What the page needs besides the cart."""

    policy: PricePolicy
    terms: Terms
    addresses: list[Address]

    def deliveries(self, figures: Breakdown) -> list[_Delivery]:
        goods = figures.items.amount - figures.discount.amount
        tax = figures.tax.amount - self._tax(figures.shipping.amount)
        return [
            _Delivery(
                method,
                replace(
                    figures,
                    shipping=self._money(cost),
                    tax=self._money(tax + self._tax(cost)),
                    total=self._money(goods + cost),
                ),
            )
            for method in self.policy.shipping
            for cost in [method.cost(goods)]
        ]

    def _money(self, amount: int) -> Money:
        return Money(amount, self.policy.currency)

    def _tax(self, cost: int) -> int:
        return tax_within(cost, self.policy.shipping_tax_basis_points)


async def till_of(visit: Visit, policy: PricePolicy, terms: Terms, book: AddressBook) -> Till:
    known = visit.caller.user_id is not None
    return Till(policy, terms, await book.all(visit.caller) if known else [])


@page("/checkout")
@visited
async def show(
    visit: Visit,
    policy: Given[PricePolicy],
    terms: Given[Terms],
    book: Given[AddressBook],
    profile: Given[Profile],
) -> Reply:
    cart = await visit.cart()
    if cart is None or not cart.cart.lines:
        return visit.see("/cart")
    till = await till_of(visit, policy, terms, book)
    fresh = Form(
        key=visit.new_secret(),
        payment_method="online",
        shipping_method=policy.shipping[0].code,
        address="new" if visit.request.query_params.get("address") == "new" else "",
    )
    fresh["address_id"] = next((str(one.id) for one in till.addresses if one.is_default), "")
    if visit.caller.user_id is not None and not till.addresses:
        user = await profile.me(visit.caller)
        fresh |= {"name": user.name, "phone": user.contact or ""}
    return await _page(visit, till, cart, fresh, Errors())


async def _page(
    visit: Visit, till: Till, cart: PricedCart, typed: Form, errors: Errors, status: int = 200
) -> Reply:
    figures = cart.quote.breakdown
    goods = figures.items.amount - figures.discount.amount
    stored = [] if typed["address"] == "new" else till.addresses
    deliveries = till.deliveries(figures)
    chosen = (one for one in deliveries if one.method.code == typed["shipping_method"])
    return await visit.page(
        "checkout.html",
        http_status=status,
        # The gateway's page is where the form leads in the end.
        form_action=f"{visit.front.site_url} https:",
        cart=CartView.of(cart),
        form=typed,
        errors=errors,
        goods=goods,
        deliveries=deliveries,
        chosen=next(chosen, deliveries[0]),
        cod=till.terms.takes_cod(goods),
        stored=stored,
        can_choose=bool(till.addresses) and not stored,
    )


@form("/checkout")
@visited
async def place(
    visit: Visit,
    policy: Given[PricePolicy],
    terms: Given[Terms],
    book: Given[AddressBook],
    emails: Given[EmailAddresses],
    desk: Given[CheckoutDesk],
    completion: Given[Completion],
) -> Reply:
    typed, errors = visit.form, Errors()
    command = _command(visit, policy, emails, errors)
    status = 422
    if not errors:
        try:
            placed = await desk.ask(command)
            body = await completion.finish(placed, command.key)
        except (PriceChanged, OutOfStock, ForeignCurrency, KeyReused, KeyInProgress) as no:
            status = 409
            errors[""] = _sorry(no)
        except CartEmpty:
            return visit.see("/cart")
        except AddressUnknown:
            errors["address_id"] = "Please choose an address."
        except PaymentMethodUnavailable:
            errors["payment_method"] = "This order cannot be paid on delivery."
        except ShippingMethodUnknown:
            errors["shipping_method"] = "Please choose how we should deliver."
        else:
            await _keep_address(visit, book, command.shipping_address)
            return _go(visit, msgspec.json.decode(body, type=_Answer))
    cart = await visit.cart()
    if cart is None or not cart.cart.lines:
        return visit.see("/cart")
    till = await till_of(visit, policy, terms, book)
    return await _page(visit, till, cart, typed, errors, status)


def _command(
    visit: Visit, policy: PricePolicy, emails: EmailAddresses, errors: Errors
) -> PlaceOrder:
    typed = visit.form
    guest = visit.caller.user_id is None
    email = None
    if guest:
        if not typed.text("email"):
            errors["email"] = EMPTY
        with errors.gathered():
            email = emails.parse(typed.text("email")).written
    address, address_id = None, None
    if typed["address_id"] and typed["address"] != "new" and not guest:
        try:
            address_id = AddressId(UUID(typed["address_id"]))
        except ValueError:
            errors["address_id"] = "Please choose an address."
    else:
        address = read_address(typed, errors)
    if typed["payment_method"] not in set(PaymentMethod):
        errors["payment_method"] = "Please choose how you want to pay."
    if not _KEY.fullmatch(typed["key"]):
        typed["key"] = visit.new_secret()
    owner = visit.owner()
    told = sorted((name, value) for name, value in typed.items() if name != "csrf")
    return PlaceOrder(
        key=IdempotencyKey(typed["key"], owner),
        digest=hashlib.sha256(msgspec.json.encode(["/checkout", told])).digest(),
        owner=owner,
        user_id=visit.caller.user_id,
        email=email,
        shipping_address=address,
        shipping_address_id=address_id,
        payment_method=PaymentMethod.COD
        if typed["payment_method"] == "cod"
        else PaymentMethod.ONLINE,
        shipping_method=typed["shipping_method"] or None,
        expected_total=_shown(typed, policy, errors),
        correlation=correlation.get(),
    )


def _shown(typed: Form, policy: PricePolicy, errors: Errors) -> Money | None:
    """The total as the page showed it for the delivery that was chosen."""
    try:
        total = typed.count("goods") + typed.count(f"cost_{typed['shipping_method']}")
    except Malformed:
        errors["shipping_method"] = "Please choose how we should deliver."
        return None
    return Money(total, policy.currency) if 0 <= total <= LARGEST else None


def _sorry(no: ShopError) -> str:
    if isinstance(no, PriceChanged):
        total = money(Money(no.facts["total"], no.facts["currency"]))
        return f"The price has changed: the total is now {total}. Please look it over."
    if isinstance(no, OutOfStock):
        left = no.facts["available"]
        what = no.facts.get("title") or "One of the items"
        return (
            f"{what}: only {left} left. Please change your cart."
            if left
            else (f"{what} has just sold out. Please take it out of your cart.")
        )
    if isinstance(no, ForeignCurrency):
        what = no.facts["title"]
        return f"{what} cannot be bought here any more. Please take it out of your cart."
    if isinstance(no, KeyReused):
        return "This form was sent before. Please look at your orders before you send it again."
    return "Your order is being placed. Please wait a moment, then send the form again."


async def _keep_address(visit: Visit, book: AddressBook, address: PostalAddress | None) -> None:
    """The order is placed: an address that cannot be kept is no reason to say otherwise."""
    if address is None or visit.caller.user_id is None or not visit.form["keep_address"]:
        return
    if any(one.postal == address for one in await book.all(visit.caller)):
        return
    with suppress(TooManyAddresses):
        await book.add(visit.caller, address, is_default=False)


def _go(visit: Visit, answer: _Answer) -> Reply:
    if answer.order_token:
        visit.open_order(answer.order.number, answer.order_token)
    if answer.payment.url:
        return see(answer.payment.url)
    done = answer.order.status == OrderStatus.CONFIRMED
    return visit.see(f"/orders/{answer.order.number}", "ordered" if done else "")


ROUTES = (show, place)
