"""The shelf, in memory."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from shop.adapters.memory.changes import figures_changed
from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.core.inventory.model import Sellable, StockChange, StockMove
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import VariantId
from shop.ports.inventory import Shelf, ShelfReads, StockLedger, StockLevels


class MemoryShelf(Shelf):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def find(self, variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
        shelf = self._uow.table("shelf")
        return {id_: shelf[id_] for id_ in variants if id_ in shelf}

    async def lock(self, variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
        return await self.find(variants)

    async def change(self, changes: Sequence[StockChange]) -> None:
        if not changes:
            return
        shelf = self._uow.table("shelf")
        for change in changes:
            have: Sellable = shelf[change.variant_id]
            on_hand, held = have.on_hand + change.on_hand, have.held + change.held
            other = change.sold_at not in {None, have.price.amount if have.on_sale else None}
            if other or not 0 <= held <= on_hand:
                raise StaleWrite("Somebody else changed the stock first.")
            shelf[change.variant_id] = replace(have, on_hand=on_hand, held=held)
        figures_changed(self._uow)

    async def record(self, moves: Sequence[StockMove]) -> None:
        self._uow.table("stock_moves").update({move.id: move for move in moves})


class MemoryShelfReads(ShelfReads):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def find(self, variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
        shelf = self._store.table("shelf")
        return {id_: shelf[id_] for id_ in variants if id_ in shelf}


class MemoryStockLedger(StockLedger):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def moves(self, variant: VariantId, limit: int = 100) -> list[StockMove]:
        of_variant = [
            m for m in self._store.table("stock_moves").values() if m.variant_id == variant
        ]
        return sorted(of_variant, key=lambda move: move.id, reverse=True)[:limit]

    async def levels(self, few: int) -> StockLevels:
        left = [
            one.on_hand - one.held for one in self._store.table("shelf").values() if one.on_sale
        ]
        return StockLevels(
            low=sum(0 < number <= few for number in left),
            sold_out=sum(number <= 0 for number in left),
            oversold=sum(number < 0 for number in left),
        )
