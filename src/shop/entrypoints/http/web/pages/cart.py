"""The cart."""

from contextlib import suppress
from uuid import UUID

from litestar.params import FromPath

from shop.core.cart.model import CartFull, CouponInvalid, LineNotFound
from shop.core.catalog.model import VariantNotFound as NoSuchVariant
from shop.core.checkout.carts import (
    AddItem,
    PricedCart,
    RemoveItem,
    SetCoupon,
    SetQuantity,
    VariantNotFound,
)
from shop.core.inventory.model import OutOfStock
from shop.core.kernel.context import correlation
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import LineId, VariantId
from shop.core.pricing.model import ForeignCurrency
from shop.entrypoints.http.api.cart import CartView
from shop.entrypoints.http.web.forms import local_path
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited

COUPON_TROUBLE = {
    "unknown": "We do not know this coupon.",
    "not-yet-valid": "This coupon is not valid yet.",
    "expired": "This coupon has expired.",
    "minimum-not-reached": "Your cart is too small for this coupon.",
}


@page("/cart")
@visited
async def show(visit: Visit) -> Reply:
    return await _page(visit, await visit.cart())


async def _page(
    visit: Visit, cart: PricedCart | None, *, refusal: str = "", typed: str = ""
) -> Reply:
    reason = refusal or (cart.quote.coupon_refusal if cart else None)
    return await visit.page(
        "cart.html",
        http_status=422 if refusal else 200,
        cart=CartView.of(cart) if cart else None,
        coupon_trouble=COUPON_TROUBLE.get(reason or "", ""),
        typed=typed,
    )


@form("/cart/items")
@visited
async def add(visit: Visit) -> Reply:
    back = local_path(visit.form["back"], "/cart")
    try:
        command = AddItem(
            owner=visit.owner(),
            correlation=correlation.get(),
            variant_id=VariantId(_id(visit.form["variant_id"])),
            quantity=visit.form.count("quantity"),
        )
        await visit.front.cart_desk.ask(command)
    except OutOfStock as gone:
        left = int(gone.facts["available"])
        return visit.see(back, "few-left", left) if left else visit.see(back, "sold-out")
    except (VariantNotFound, NoSuchVariant):
        return visit.see(back, "not-for-sale")
    except ForeignCurrency:
        return visit.see(back, "foreign-currency")
    except CartFull:
        return visit.see("/cart", "cart-full")
    except Malformed:
        return visit.see(back, "quantity")
    return visit.see("/cart", "added")


@form("/cart/items/{item_id:uuid}")
@visited
async def change(item_id: FromPath[UUID], visit: Visit) -> Reply:
    try:
        command = SetQuantity(
            owner=visit.owner(),
            correlation=correlation.get(),
            line_id=LineId(item_id),
            quantity=visit.form.count("quantity"),
        )
        await visit.front.cart_desk.ask(command)
    except OutOfStock as gone:
        left = int(gone.facts["available"])
        return visit.see("/cart", "few-left", left) if left else visit.see("/cart", "sold-out")
    except Malformed:
        return visit.see("/cart", "quantity")
    except LineNotFound:
        pass  # removed in another window
    return visit.see("/cart")


@form("/cart/items/{item_id:uuid}/remove")
@visited
async def remove(item_id: FromPath[UUID], visit: Visit) -> Reply:
    command = RemoveItem(
        owner=visit.owner(), correlation=correlation.get(), line_id=LineId(item_id)
    )
    with suppress(LineNotFound):  # twice is as good as once
        await visit.front.cart_desk.ask(command)
    return visit.see("/cart", "removed")


@form("/cart/coupon")
@visited
async def coupon(visit: Visit) -> Reply:
    """An empty code takes the coupon out."""
    code = visit.form.text("code")[:40]
    command = SetCoupon(owner=visit.owner(), correlation=correlation.get(), code=code or None)
    try:
        await visit.front.cart_desk.ask(command)
    except CouponInvalid as no:
        return await _page(visit, await visit.cart(), refusal=str(no.facts["reason"]), typed=code)
    return visit.see("/cart", "coupon-on" if code else "")


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise NoSuchVariant("There is no such item for sale.") from None


ROUTES = (show, add, change, remove, coupon)
