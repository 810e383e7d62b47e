"""When suggestions are made anew, and for whom."""

import asyncio
from typing import cast

from shop.core.catalog.suggest import Suggesting
from shop.core.catalog.views import Suggestion
from shop.ports.catalog import CatalogChanges, CatalogReads, ChangeCounts


class Shop(CatalogChanges):
    """A catalogue of one product, whose title is `kettle` and the number of its last edit."""

    def __init__(self) -> None:
        self.edits = 1
        self.read = 0
        self.editing = False
        self.reading = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.suggesting = Suggesting(cast(CatalogReads, self), self)

    async def counts(self) -> ChangeCounts:
        await asyncio.sleep(0)
        return ChangeCounts(all=self.edits, edits=self.edits)

    async def names(self, limit: int) -> list[Suggestion]:
        assert limit > 0
        self.read += 1
        title = f"kettle {self.edits}"
        self.edits += self.editing
        self.reading.set()
        await self.gate.wait()
        return [Suggestion(title=title, slug="kettle", kind="product")]

    async def suggest(self) -> str:
        [found] = await self.suggesting.suggest("kett")
        return found.title


async def test_names_are_read_again_once_one_has_changed() -> None:
    shop = Shop()
    assert [await shop.suggest(), await shop.suggest()] == ["kettle 1", "kettle 1"]
    shop.edits = 2
    assert [await shop.suggest(), await shop.suggest()] == ["kettle 2", "kettle 2"]
    assert shop.read == 2


async def test_all_who_wait_share_an_index_while_somebody_goes_on_editing() -> None:
    shop = Shop()
    shop.editing = True
    assert await asyncio.gather(*(shop.suggest() for _ in range(20))) == ["kettle 1"] * 20
    assert shop.read == 1


async def test_who_asks_after_an_edit_is_not_given_what_was_read_before_it() -> None:
    shop = Shop()
    shop.gate.clear()
    early = asyncio.create_task(shop.suggest())
    await shop.reading.wait()
    shop.edits = 2
    late = [asyncio.create_task(shop.suggest()) for _ in range(5)]
    for _ in range(9):
        await asyncio.sleep(0)
    shop.gate.set()
    assert await early == "kettle 1"
    assert await asyncio.gather(*late) == ["kettle 2"] * 5
    assert shop.read == 2
