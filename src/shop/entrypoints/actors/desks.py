"""The desks of the shop, as types that routes may ask the container for."""

from typing import Any, NewType

from dishka import AsyncContainer

from shop.core.checkout.carts import CartCommand, PricedCart
from shop.core.checkout.drafting import PlaceOrder
from shop.core.checkout.replies import Placed
from shop.core.checkout.settlement import Report, Settled
from shop.entrypoints.actors.desk import Desk

CartDesk = NewType("CartDesk", Desk[CartCommand, PricedCart])
CheckoutDesk = NewType("CheckoutDesk", Desk[PlaceOrder, Placed])
SettlementDesk = NewType("SettlementDesk", Desk[Report, Settled])


class CartWindow:
    """Where a cart is shown: by the copy that `kept` finds, else at the desk, which opens one for
    an owner who has none. Without a common cache there is no `kept`: one look at the database
    for all who wait is as quick as one at the cache and one at the shelf."""

    def __init__(self, desk: CartDesk, kept: Desk[str, PricedCart | None] | None) -> None:
        self._desk = desk
        self.kept = kept

    async def show(self, owner: str) -> PricedCart:
        if self.kept is not None and (found := await self.kept.ask(owner)) is not None:
            return found
        return await self._desk.ask(CartCommand(owner=owner))


async def desks_of(container: AsyncContainer) -> list[Desk[Any, Any]]:
    """All that have to run where somebody is served."""
    desks: list[Desk[Any, Any]] = [
        await container.get(CartDesk),
        await container.get(CheckoutDesk),
        await container.get(SettlementDesk),
    ]
    kept = (await container.get(CartWindow)).kept
    return desks if kept is None else [*desks, kept]
