"""What is kept of variants, so that a checkout reads little more than their stock."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import sqlalchemy as sa

from shop.adapters.sql.conn import Conn, Hot
from shop.adapters.sql.database import Database
from shop.adapters.sql.inventory import KnownGoods
from shop.adapters.sql.tables import catalog_changes, variants
from shop.core.inventory.model import StockChange
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import VariantId
from shop.ports.inventory import Shelf
from shop.ports.uow import UnitOfWork
from tests.kit.catalogue import catalogue
from tests.kit.goods import reprice, stocked


class Asking:
    """A connection that counts questions."""

    def __init__(self, conn: Conn) -> None:
        self._conn = conn
        self.asked = 0

    async def fetch(self, statement: Hot, values: Sequence[Any] = ()) -> list[Any]:
        self.asked += 1
        return await self._conn.fetch(statement, values)


async def questions(database: Database, known: KnownGoods, *wanted: VariantId) -> int:
    """How many it takes to find them all."""

    async def query(conn: Conn) -> int:
        asking = Asking(conn)
        assert set(await known.find(cast(Conn, asking), wanted)) == set(wanted)
        return asking.asked

    return await database.read(query)


async def test_what_is_known_is_not_asked_for_again_until_an_edit(tmp_path: Path) -> None:
    async with catalogue("sqlite", tmp_path) as shop:
        database, known = await shop.get(Database), KnownGoods()
        one, two, three = await stocked(shop, 1, 1, 1)
        assert await questions(database, known, one, two) == 2
        assert await questions(database, known, two, one) == 1
        assert await questions(database, known, one, three) == 2
        assert await questions(database, known, one, two, three) == 1
        await reprice(shop, two, 1_000)
        assert await questions(database, known, one) == 2


async def test_no_more_is_kept_than_there_is_room_for(tmp_path: Path) -> None:
    async with catalogue("sqlite", tmp_path) as shop:
        database, known = await shop.get(Database), KnownGoods()
        known.most = 2
        one, two, three = await stocked(shop, 1, 1, 1)
        assert await questions(database, known, one, two, three) == 2
        assert await questions(database, known, one) == 2  # the three were too many


async def test_without_the_count_of_edits_nothing_is_kept(tmp_path: Path) -> None:
    async with catalogue("sqlite", tmp_path) as shop:
        database, known = await shop.get(Database), KnownGoods()
        [one] = await stocked(shop, 1)
        async with database.unit() as conn:
            await conn.run(catalog_changes.delete())
        for _ in range(2):
            assert await questions(database, known, one) == 2


async def test_a_price_that_was_changed_by_hand_is_found_out(tmp_path: Path) -> None:
    async with catalogue("sqlite", tmp_path) as shop:
        [variant] = await stocked(shop, 5, price=12_300)
        for price in (12_300, 15_000):
            async with (await shop.get(Database)).unit() as conn:
                await conn.run(sa.update(variants).values(price=price))
            with pytest.raises(StaleWrite):
                await take_one(shop, variant, at=price + 1)
            assert await take_one(shop, variant, at=price) == price


async def take_one(shop: Any, variant: VariantId, *, at: int) -> int:
    """Returns what the shelf said its price was."""
    async with shop() as scope, (await scope.get(UnitOfWork)).begin():
        shelf = await scope.get(Shelf)
        found = await shelf.find([variant])
        await shelf.change([StockChange(variant_id=variant, held=1, sold_at=at)])
    price: int = found[variant].price.amount
    return price
