"""Carts and orders, by the use cases themselves."""

import hashlib
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from dishka import AsyncContainer

from shop.core.checkout.carts import AddItem, CartCommand, CartService, PricedCart
from shop.core.checkout.drafting import PlaceOrder
from shop.core.checkout.replies import Placed
from shop.core.checkout.service import Checkout
from shop.core.kernel.errors import ShopError
from shop.core.kernel.ids import VariantId
from shop.core.kernel.postal import PostalAddress
from shop.core.orders.model import PaymentMethod
from shop.ports.idempotency import IdempotencyKey
from shop.ports.uow import Units

HOME = PostalAddress(
    name="A. Buyer",
    phone="+919845012345",
    street="4 Temple Street",
    city="Mysuru",
    state="KA",
    zipcode="570001",
)


async def ask_carts(
    container: AsyncContainer, *commands: CartCommand
) -> list[PricedCart | ShopError]:
    """Serve the commands as one batch, as the desk does."""
    units = await container.get(Units)
    async with container() as scope:
        service = await scope.get(CartService)
        return list(await units.run(service.serve_all(commands)))


async def a_cart(container: AsyncContainer, owner: str, *items: tuple[UUID, int]) -> PricedCart:
    """A cart with those variants and quantities."""
    cart: PricedCart | ShopError | None = None
    for variant, quantity in items:
        add = AddItem(owner=owner, variant_id=VariantId(variant), quantity=quantity)
        [cart] = await ask_carts(container, add)
    assert isinstance(cart, PricedCart), cart
    return cart


def an_order_for(owner: str, key: str = "key-1", **changes: Any) -> PlaceOrder:
    """The command of a guest, to be paid online; say only what the test is about."""
    given: dict[str, Any] = {
        "key": IdempotencyKey(key, owner),
        "digest": hashlib.sha256(repr(changes).encode()).digest(),
        "owner": owner,
        "email": "buyer@example.com",
        "shipping_address": HOME,
        "payment_method": PaymentMethod.ONLINE,
    }
    return PlaceOrder(**(given | changes))


async def check_out(
    container: AsyncContainer, *commands: PlaceOrder
) -> Sequence[Placed | ShopError]:
    """Place the orders as one batch, as the desk does."""
    units = await container.get(Units)
    async with container() as scope:
        checkout = await scope.get(Checkout)
        return list(await units.run(checkout.place_all(commands)))
