"""Carts, in memory."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from shop.adapters.memory.store import MemoryUnitOfWork
from shop.core.cart.model import Cart
from shop.core.kernel.errors import StaleWrite
from shop.ports.cart import Carts


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
