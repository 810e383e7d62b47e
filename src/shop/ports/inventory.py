"""The shelf."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct

from shop.core.inventory.model import Sellable, StockChange, StockMove
from shop.core.kernel.ids import VariantId


class Shelf(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def find(self, variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
        """Return those that exist, with their present price and stock."""

    @abstractmethod
    async def lock(self, variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
        """Like `find`, but nobody else changes their stock before this unit ends."""

    @abstractmethod
    async def change(self, changes: Sequence[StockChange]) -> None:
        """Add to the figures, and tell readers that the catalogue has changed.

        Raises `StaleWrite` where that would break 0 <= held <= on hand, or a variant is no longer
        on sale at its `sold_at`; then the whole unit must be undone.
        """

    @abstractmethod
    async def record(self, moves: Sequence[StockMove]) -> None:
        """Write lines of the ledger."""


class ShelfReads(Protocol):
    """Queries."""

    @abstractmethod
    async def find(self, variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
        """As `Shelf` does: what is committed now."""


class StockLevels(Struct, frozen=True):
    """How many variants have little left, nothing left, and more held than is there (never)."""

    low: int
    sold_out: int
    oversold: int


class StockLedger(Protocol):
    """Queries."""

    @abstractmethod
    async def moves(self, variant: VariantId, limit: int = 100) -> list[StockMove]:
        """The newest lines first."""

    @abstractmethod
    async def levels(self, few: int) -> StockLevels:
        """Over all products on sale; `few` is how many pieces still count as low."""
