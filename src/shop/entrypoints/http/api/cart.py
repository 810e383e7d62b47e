"""The cart, of a customer or of a guest."""

import base64
import hashlib
import re
from uuid import UUID

from litestar import Controller, delete, get, patch, post, put
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from shop.core.cart.model import CartLine
from shop.core.checkout.carts import (
    AddItem,
    CartCommand,
    PricedCart,
    RemoveItem,
    SetCoupon,
    SetQuantity,
)
from shop.core.inventory.model import Sellable
from shop.core.kernel.access import Caller, Scope, person_name
from shop.core.kernel.breakdown import Breakdown
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import LineId, VariantId
from shop.core.kernel.money import Money
from shop.entrypoints.actors.desks import CartDesk, CartWindow
from shop.entrypoints.http.answers import Answer
from shop.entrypoints.http.raw import header
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.system import Ids

_TOKEN = re.compile(r"[A-Za-z0-9_-]{20,128}")


class AddItemBody(Struct, forbid_unknown_fields=True):
    variant_id: UUID
    quantity: int


class QuantityBody(Struct, forbid_unknown_fields=True):
    quantity: int


class CouponBody(Struct, forbid_unknown_fields=True):
    code: str


class CartProduct(Struct):
    id: UUID
    slug: str
    title: str
    image: str


class CartItemView(Struct):
    """`available` is how many can be had now; `notice` is what changed since it was put in."""

    id: UUID
    variant_id: UUID
    variant_title: str
    product: CartProduct | None
    quantity: int
    unit_price: Money
    line_total: Money
    available: int
    notice: str | None


class CartView(Struct):
    id: UUID
    items: list[CartItemView]
    breakdown: Breakdown
    coupon: str | None
    version: int

    @classmethod
    def of(cls, priced: PricedCart) -> "CartView":
        cart = priced.cart
        currency = priced.quote.breakdown.total.currency
        return cls(
            id=cart.id,
            items=[_item(line, priced.goods.get(line.variant_id), currency) for line in cart.lines],
            breakdown=priced.quote.breakdown,
            coupon=cart.coupon,
            version=cart.version,
        )


def _item(line: CartLine, item: Sellable | None, currency: str) -> CartItemView:
    price = item.price.amount if item else 0
    available = max(0, item.available) if item else 0
    product = None
    if item is not None:
        product = CartProduct(item.product_id, item.slug, item.title, item.image)
    return CartItemView(
        id=line.id,
        variant_id=line.variant_id,
        variant_title=item.variant_title if item else "",
        product=product,
        quantity=line.quantity,
        unit_price=Money(price, currency),
        line_total=Money(price * line.quantity, currency),
        available=available,
        notice=_notice(line, price, available),
    )


def _notice(line: CartLine, price: int, available: int) -> str | None:
    if available == 0:
        return "sold-out"
    if available < line.quantity:
        return "not-enough-stock"
    if price != line.seen_price:
        return "price-changed"
    return None


class Owner(Struct, frozen=True):
    """Whose cart it is. `fresh` is the token of a guest who came without one."""

    name: str
    fresh: str | None = None

    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        return ((b"x-cart-token", self.fresh.encode()),) if self.fresh else ()


def owner_of(caller: Caller, token: str | None, ids: Ids | None = None) -> Owner | None:
    """A customer's one cart, else the guest's whose token it is, else a new guest's."""
    customer = caller.person(Scope.CART)
    if customer is not None:
        return Owner(person_name(customer))
    if token is not None:
        return Owner(guest_name(token))
    if ids is None:
        return None
    fresh = base64.urlsafe_b64encode(ids.secret(32)).rstrip(b"=").decode()
    return Owner(guest_name(fresh), fresh)


def guest_name(token: str) -> str:
    """Only a hash of the token is stored: who reads the database cannot open carts."""
    if not _TOKEN.fullmatch(token):
        raise Malformed("This is no cart token.", field="X-Cart-Token", kind="format")
    return f"cart:{hashlib.sha256(token.encode()).hexdigest()}"


_VIEW = {200: ResponseSpec(CartView, description="The cart as it is now.")}


class CartController(Controller):
    path = "/api/v1/cart"
    tags = ("Cart",)

    @get("/", responses=_VIEW)
    @served
    async def show(
        self, request: HttpRequest, caller: Caller, window: Given[CartWindow], ids: Given[Ids]
    ) -> Answer:
        """The cart with its price; opens one, and names its token, for a guest who has none."""
        owner = _owner(request, caller, ids)
        return Answer.of(CartView.of(await window.show(owner.name)), *owner.headers())

    @post("/items", status_code=200, responses=_VIEW)
    @served
    async def add(
        self,
        request: HttpRequest,
        data: JSONBody[AddItemBody],
        caller: Caller,
        desk: Given[CartDesk],
        ids: Given[Ids],
    ) -> Answer:
        """Put an item in, or more of one that is in already."""
        owner = _owner(request, caller, ids)
        command = AddItem(
            owner=owner.name, variant_id=VariantId(data.variant_id), quantity=data.quantity
        )
        return await _serve(desk, owner, command)

    @patch("/items/{item_id:uuid}", responses=_VIEW)
    @served
    async def change(
        self,
        request: HttpRequest,
        item_id: FromPath[UUID],
        data: JSONBody[QuantityBody],
        caller: Caller,
        desk: Given[CartDesk],
        ids: Given[Ids],
    ) -> Answer:
        """Set how many of an item."""
        owner = _owner(request, caller, ids)
        command = SetQuantity(owner=owner.name, line_id=LineId(item_id), quantity=data.quantity)
        return await _serve(desk, owner, command)

    @delete("/items/{item_id:uuid}", status_code=200, responses=_VIEW)
    @served
    async def remove(
        self,
        request: HttpRequest,
        item_id: FromPath[UUID],
        caller: Caller,
        desk: Given[CartDesk],
        ids: Given[Ids],
    ) -> Answer:
        """Take an item out."""
        owner = _owner(request, caller, ids)
        return await _serve(desk, owner, RemoveItem(owner=owner.name, line_id=LineId(item_id)))

    @put("/coupon", responses=_VIEW)
    @served
    async def use_coupon(
        self,
        request: HttpRequest,
        data: JSONBody[CouponBody],
        caller: Caller,
        desk: Given[CartDesk],
        ids: Given[Ids],
    ) -> Answer:
        """Use a coupon; a refusal says why."""
        owner = _owner(request, caller, ids)
        return await _serve(desk, owner, SetCoupon(owner=owner.name, code=data.code))

    @delete("/coupon", status_code=200, responses=_VIEW)
    @served
    async def drop_coupon(
        self, request: HttpRequest, caller: Caller, desk: Given[CartDesk], ids: Given[Ids]
    ) -> Answer:
        """Take the coupon out."""
        owner = _owner(request, caller, ids)
        return await _serve(desk, owner, SetCoupon(owner=owner.name, code=None))


def _owner(request: HttpRequest, caller: Caller, ids: Ids) -> Owner:
    owner = owner_of(caller, header(request.scope, b"x-cart-token"), ids)
    assert owner is not None  # noqa: S101 - with `ids` there is always one
    return owner


async def _serve(desk: CartDesk, owner: Owner, command: CartCommand) -> Answer:
    return Answer.of(CartView.of(await desk.ask(command)), *owner.headers())
