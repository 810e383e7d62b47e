"""Shows carts by what is kept of them at hand, many with one look at the shelf."""

from collections.abc import Sequence

from shop.core.checkout.carts import PricedCart, priced
from shop.core.pricing.model import PricePolicy
from shop.ports.cart import CartCache
from shop.ports.inventory import ShelfReads
from shop.ports.system import Clock


class CartShowing:
    """No unit of work, and nothing is decided here: checkout reads the cart anew, and locks it."""

    def __init__(
        self, cache: CartCache, shelf: ShelfReads, clock: Clock, policy: PricePolicy
    ) -> None:
        self._cache = cache
        self._shelf = shelf
        self._clock = clock
        self._policy = policy

    async def show_all(self, owners: Sequence[str]) -> list[PricedCart | None]:
        """Each cart with the prices and the stock of now; None where none is kept."""
        kept = await self._cache.find(owners)
        goods = await self._shelf.find(
            line.variant_id for cart in kept.values() for line in cart.lines
        )
        now = self._clock.now()
        shown = {owner: priced(cart, goods, self._policy, now) for owner, cart in kept.items()}
        return [shown.get(owner) for owner in owners]
