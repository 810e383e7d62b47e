"""The catalogue as staff see it: products in every state."""

from shop.core.catalog.model import Product
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.ids import ProductId, VariantId
from shop.core.kernel.page import Page
from shop.ports.catalog import StaffReads


class Stockist:
    def __init__(self, reads: StaffReads) -> None:
        self._reads = reads

    async def product(
        self, caller: Caller, product_id: ProductId
    ) -> tuple[Product, dict[VariantId, int]]:
        """The product, and what of each variant can be sold. Raises `ProductNotFound`."""
        caller.require(Permission.CATALOG_WRITE)
        return await self._reads.product(product_id)

    async def products(
        self, caller: Caller, words: tuple[str, ...], limit: int, cursor: str | None
    ) -> Page[tuple[Product, dict[VariantId, int]]]:
        """The newest first, each with what of its variants can be sold."""
        caller.require(Permission.CATALOG_WRITE)
        return await self._reads.products(words, limit, cursor)

    async def tally(self, caller: Caller) -> dict[str, int]:
        """How many products there are in each state."""
        caller.require(Permission.CATALOG_WRITE)
        return await self._reads.tally()
