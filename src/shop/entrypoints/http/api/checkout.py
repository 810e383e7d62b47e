"""From a cart to an order."""

from typing import Annotated
from uuid import UUID

from dishka import AsyncContainer
from litestar import Controller, get, post
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody
from msgspec import Meta, Struct

from shop.core.cart.model import CartEmpty
from shop.core.checkout.completing import Completion
from shop.core.checkout.drafting import PlaceOrder
from shop.core.checkout.terms import Terms
from shop.core.kernel.access import Caller, Scope
from shop.core.kernel.context import correlation
from shop.core.kernel.ids import AddressId
from shop.core.kernel.money import Money
from shop.core.orders.model import PaymentMethod
from shop.core.pricing.model import PricePolicy
from shop.entrypoints.actors.desks import CartWindow, CheckoutDesk
from shop.entrypoints.again import patient
from shop.entrypoints.http.answers import Answer
from shop.entrypoints.http.api.bodies import AddressBody
from shop.entrypoints.http.api.cart import owner_of
from shop.entrypoints.http.api.fields import Email
from shop.entrypoints.http.api.views import CheckoutView
from shop.entrypoints.http.idempotency import digest_of, keyed, required_key
from shop.entrypoints.http.raw import header
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.users import EmailAddresses


class CheckoutBody(Struct, kw_only=True, forbid_unknown_fields=True):
    """Either `shipping_address` or, for a customer, the id of one that is stored."""

    payment_method: PaymentMethod
    shipping_address: AddressBody | None = None
    shipping_address_id: UUID | None = None
    billing_address: AddressBody | None = None
    email: Email | None = None
    shipping_method: Annotated[str, Meta(max_length=32)] | None = None
    expected_total: Money | None = None


class ShippingMethodView(Struct):
    code: str
    title: str
    description: str
    price: Money


class ShippingMethodsView(Struct):
    items: list[ShippingMethodView]
    next_cursor: str | None = None


class PaymentMethodView(Struct):
    code: str
    title: str
    description: str


class PaymentMethodsView(Struct):
    items: list[PaymentMethodView]
    next_cursor: str | None = None


class CheckoutController(Controller):
    path = "/api/v1"
    tags = ("Checkout",)

    @post(
        "/checkout",
        responses={201: ResponseSpec(CheckoutView, description="The order, and how to pay.")},
    )
    @served
    @keyed
    async def place(
        self,
        request: HttpRequest,
        data: JSONBody[CheckoutBody],
        caller: Caller,
        desk: Given[CheckoutDesk],
        emails: Given[EmailAddresses],
        container: Given[AsyncContainer],
    ) -> Answer:
        """Place an order for the cart. Needs an `Idempotency-Key`: a repeat orders nothing."""
        owner = owner_of(caller, header(request.scope, b"x-cart-token"))
        key = required_key(request, owner.name if owner else "")
        if owner is None:
            raise CartEmpty("The cart is empty.")
        placed = await desk.ask(
            PlaceOrder(
                key=key,
                digest=await digest_of(request),
                owner=owner.name,
                user_id=caller.person(Scope.CART),
                email=emails.parse(data.email).written if data.email is not None else None,
                shipping_address=data.shipping_address.checked("shipping_address")
                if data.shipping_address
                else None,
                shipping_address_id=AddressId(data.shipping_address_id)
                if data.shipping_address_id
                else None,
                billing_address=data.billing_address.checked("billing_address")
                if data.billing_address
                else None,
                payment_method=data.payment_method,
                shipping_method=data.shipping_method,
                expected_total=data.expected_total,
                correlation=correlation.get(),
            )
        )
        body = placed.body
        if body is None:
            async with container() as scope:
                body = await patient(await scope.get(Completion)).finish(placed, key)
        return Answer.once(body, replayed=placed.replayed, status=201)

    @get("/shipping-methods")
    @served
    async def shipping_methods(
        self,
        request: HttpRequest,
        caller: Caller,
        window: Given[CartWindow],
        policy: Given[PricePolicy],
    ) -> ShippingMethodsView:
        """How this cart can be sent, and what that costs."""
        goods = await _goods(request, caller, window)
        return ShippingMethodsView(
            [
                ShippingMethodView(
                    method.code,
                    method.title,
                    method.description,
                    Money(method.cost(goods), policy.currency),
                )
                for method in policy.shipping
            ]
        )

    @get("/payment-methods")
    @served
    async def payment_methods(
        self, request: HttpRequest, caller: Caller, window: Given[CartWindow], terms: Given[Terms]
    ) -> PaymentMethodsView:
        """How this cart can be paid."""
        goods = await _goods(request, caller, window)
        items = [
            PaymentMethodView(
                "online", "Pay online", "Card, UPI, net banking or wallet on the gateway's page"
            )
        ]
        if terms.takes_cod(goods):
            items.append(PaymentMethodView("cod", "Cash on delivery", "Pay when it arrives"))
        return PaymentMethodsView(items)


async def _goods(request: HttpRequest, caller: Caller, window: CartWindow) -> int:
    """What the cart's goods cost after discount, in the minor unit; 0 without a cart."""
    owner = owner_of(caller, header(request.scope, b"x-cart-token"))
    if owner is None:
        return 0
    breakdown = (await window.show(owner.name)).quote.breakdown
    return breakdown.items.amount - breakdown.discount.amount
