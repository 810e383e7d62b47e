"""What the pages remember of the catalogue, and for how long."""

import asyncio
from typing import Any, cast

import pytest

from shop.core.catalog.model import ProductNotFound
from shop.core.catalog.views import Listing
from shop.entrypoints.actors.catalog_watch import CatalogWatch
from shop.entrypoints.http.cached_catalog import CachedCatalog
from shop.ports.catalog import CatalogChanges, CatalogReads, ChangeCounts, ProductFilter, Sort


class Counter(CatalogChanges):
    def __init__(self) -> None:
        self.all = self.edits = 1

    async def counts(self) -> ChangeCounts:
        return ChangeCounts(all=self.all, edits=self.edits)


class Reads:
    """Answers with the number of the reading."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def _read(self, *what: Any) -> Any:
        self.asked.append(what)
        number, gate = len(self.asked), self.gate
        await gate.wait()
        if what[-1] == "nowhere":
            raise ProductNotFound("There is no such product.")
        return number

    async def tree(self) -> Any:
        return await self._read("tree")

    async def category(self, path: str) -> Any:
        return await self._read("category", path)

    async def page(self, *how: Any) -> Any:
        return Listing(items=(), next_cursor=None, total=await self._read(*how))

    async def brands(self, which: ProductFilter) -> Any:
        return await self._read("brands", which)

    async def product(self, slug: str) -> Any:
        return await self._read("product", slug)

    async def reviews(self, slug: str, limit: int) -> Any:
        return await self._read("reviews", limit, slug)


class Desk:
    def __init__(self, most: int = 256) -> None:
        self.counter = Counter()
        self.watch = CatalogWatch(self.counter)
        self.reads = Reads()
        self.catalog: Any = CachedCatalog(cast(CatalogReads, self.reads), self.watch, most)

    async def everything(self) -> list[Any]:
        catalog, which = self.catalog, ProductFilter(words=("tea",))
        return [
            await catalog.tree(),
            await catalog.category("home"),
            await catalog.brands(which),
            await catalog.brands(ProductFilter(in_stock=True)),
            (await catalog.page(which, Sort.TITLE, 24)).total,
            await catalog.product("kettle"),
            await catalog.reviews("kettle", 20),
        ]


@pytest.fixture
async def desk() -> Desk:
    made = Desk()
    await made.watch.look()
    return made


async def test_what_was_read_is_not_read_again(desk: Desk) -> None:
    first = await desk.everything()
    assert await desk.everything() == first == [1, 2, 3, 4, 5, 6, 7]


async def test_other_questions_are_other_answers(desk: Desk) -> None:
    which = ProductFilter()
    asked = [
        (await desk.catalog.page(which, Sort.TITLE, 24)).total,
        (await desk.catalog.page(which, Sort.PRICE, 24)).total,
        (await desk.catalog.page(which, Sort.TITLE, 12)).total,
        (await desk.catalog.page(which, Sort.TITLE, 24, "cursor")).total,
        await desk.catalog.brands(which),
        await desk.catalog.brands(ProductFilter(brand="B")),
        (await desk.catalog.page(ProductFilter(brand="B"), Sort.TITLE, 24)).total,
        await desk.catalog.product("kettle"),
        await desk.catalog.category("kettle"),
        await desk.catalog.reviews("kettle", 1),
        await desk.catalog.reviews("kettle", 2),
    ]
    assert asked == list(range(1, 12))


async def test_stock_leaves_the_tree_and_an_edit_nothing(desk: Desk) -> None:
    await desk.everything()
    desk.counter.all += 1
    await desk.catalog.changed()
    assert await desk.everything() == [1, 2, 3, 8, 9, 10, 11]
    desk.counter.all += 1
    desk.counter.edits += 1
    await desk.catalog.changed()
    assert await desk.everything() == [12, 13, 14, 15, 16, 17, 18]


async def test_nothing_is_remembered_while_changes_are_unknown() -> None:
    desk = Desk()
    await desk.everything()
    assert await desk.everything() == [8, 9, 10, 11, 12, 13, 14]


async def test_while_changes_are_unknown_those_of_one_second_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 5.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    desk = Desk()
    desk.reads.gate.clear()
    crowd = [asyncio.ensure_future(desk.catalog.product("kettle")) for _ in range(3)]
    await asyncio.sleep(0)
    now = 6.2  # what is being read may be older by then than it may be
    crowd.append(asyncio.ensure_future(desk.catalog.product("kettle")))
    await asyncio.sleep(0)
    desk.reads.gate.set()
    assert await asyncio.gather(*crowd) == [1, 1, 1, 2]


async def test_who_asks_together_waits_for_one_reading(desk: Desk) -> None:
    desk.reads.gate.clear()
    crowd = [asyncio.ensure_future(desk.catalog.tree()) for _ in range(20)]
    await asyncio.sleep(0)
    crowd.pop().cancel()  # who gives up takes nothing from the others
    desk.reads.gate.set()
    assert set(await asyncio.gather(*crowd)) == {1}


async def test_what_was_begun_before_a_change_is_for_nobody_after_it(desk: Desk) -> None:
    slow = desk.reads.gate = asyncio.Event()
    before = asyncio.ensure_future(desk.catalog.product("kettle"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    desk.reads.gate = asyncio.Event()
    desk.reads.gate.set()
    desk.counter.all += 1
    await desk.catalog.changed()
    assert await desk.catalog.product("kettle") == 2
    slow.set()
    assert await before == 1
    assert await desk.catalog.product("kettle") == 2


async def test_what_is_not_found_is_looked_for_again(desk: Desk) -> None:
    for _ in range(2):
        with pytest.raises(ProductNotFound):
            await desk.catalog.product("nowhere")
    assert len(desk.reads.asked) == 2


async def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    desk = Desk(most=2)
    await desk.watch.look()
    for slug in ("a", "b", "a", "c"):
        await desk.catalog.product(slug)
    assert await desk.catalog.product("a") == 1
    assert await desk.catalog.product("b") == 4
