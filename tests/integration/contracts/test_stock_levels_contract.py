"""How much of the stock is low, the same on each storage."""

from dishka import AsyncContainer

from shop.ports.inventory import StockLedger, StockLevels
from tests.kit.goods import stocked


async def test_variants_are_counted_by_what_is_left(container: AsyncContainer) -> None:
    ledger = await container.get(StockLedger)
    assert await ledger.levels(5) == StockLevels(low=0, sold_out=0, oversold=0)
    await stocked(container, 0, 1, 5, 6, 20)
    assert await ledger.levels(5) == StockLevels(low=2, sold_out=1, oversold=0)
