"""Carts, in memory."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from shop.adapters.memory.store import MemoryUnitOfWork
from shop.core.cart.model import Cart
from shop.core.kernel.errors import StaleWrite
from shop.ports.cart import SHOWN_FOR, CartCache, Carts
from shop.ports.system import Clock


class MemoryCarts(Carts):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def find(self, owners: Iterable[str]) -> dict[str, Cart]:
        carts = self._uow.table("carts")
        return {owner: carts[owner] for owner in owners if owner in carts}

    async def add(self, carts: Sequence[Cart]) -> None:
        have = self._uow.table("carts")
        for cart in carts:
            if cart.owner in have:
                raise StaleWrite("Somebody else changed this cart first.")
            have[cart.owner] = cart

    async def save(self, carts: Sequence[Cart]) -> list[Cart]:
        have = self._uow.table("carts")
        for cart in carts:
            if cart.owner not in have or have[cart.owner].version != cart.version:
                raise StaleWrite("Somebody else changed this cart first.")
        saved = [replace(cart, version=cart.version + 1) for cart in carts]
        have.update({cart.owner: cart for cart in saved})
        return saved

    async def forget(self, before: datetime, limit: int) -> int:
        have = self._uow.table("carts")
        old = [owner for owner, cart in have.items() if cart.updated_at < before][:limit]
        for owner in old:
            del have[owner]
        return len(old)


class MemoryCartCache(CartCache):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[str, tuple[Cart, datetime]] = {}

    async def find(self, owners: Iterable[str]) -> dict[str, Cart]:
        now = self._clock.now()
        self._kept = {owner: kept for owner, kept in self._kept.items() if kept[1] > now}
        return {owner: self._kept[owner][0] for owner in owners if owner in self._kept}

    async def keep(self, carts: Sequence[Cart]) -> None:
        known = await self.find(cart.owner for cart in carts)
        for cart in carts:
            have = known.get(cart.owner)
            if have is None or (have.id, have.version) < (cart.id, cart.version):
                self._kept[cart.owner] = cart, self._clock.now() + SHOWN_FOR
