"""What pages show of the catalogue, kept in memory as long as it stays what it is."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from shop.core.catalog.views import CategoryNode, CategoryRef, ProductList, ProductView, ReviewView
from shop.core.kernel.page import Page
from shop.entrypoints.actors.catalog_watch import CatalogWatch
from shop.ports.catalog import CatalogReads, ProductFilter, Sort

T = TypeVar("T")

#: A page of 24 products is some 80 KiB of objects, long reviews of one product up to 400.
_MOST = 128


class CachedCatalog:
    """Reads as `CatalogReads` does, with what `CatalogWatch` knows.

    Whoever asks for something that is being read already waits for that reading. The tree, which
    every page has and which costs the more the larger the catalogue is, outlives changes of stock.
    """

    def __init__(self, reads: CatalogReads, watch: CatalogWatch, most: int = _MOST) -> None:
        self._reads = reads
        self._watch = watch
        self._most = most
        self._kept: OrderedDict[Any, tuple[int, Any]] = OrderedDict()
        self._loading: dict[Any, asyncio.Future[Any]] = {}

    async def tree(self) -> tuple[CategoryNode, ...]:
        return await self._of_edits("tree", self._reads.tree)

    async def pictures(self) -> dict[str, str]:
        return await self._of_edits("pictures", self._reads.pictures)

    async def category(self, path: str) -> tuple[CategoryRef, ...]:
        return await self._of_edits(("category", path), lambda: self._reads.category(path))

    async def page(
        self,
        which: ProductFilter,
        sort: Sort,
        limit: int,
        cursor: str | None = None,
    ) -> ProductList:
        """Without facets, which count the whole catalogue."""

        async def load() -> ProductList:
            found = await self._reads.page(which, sort, limit, cursor)
            cards = tuple(found.cards())
            return ProductList(items=cards, next_cursor=found.next_cursor, total=found.total)

        return await self._of_all((which, sort, limit, cursor), load)

    async def brands(self, which: ProductFilter) -> tuple[str, ...]:
        by_figures = which.in_stock is not None or which.min_rating is not None
        kept = self._of_all if by_figures else self._of_edits
        return await kept(("brands", which), lambda: self._reads.brands(which))

    async def product(self, id_or_slug: str) -> ProductView:
        key = "product", id_or_slug
        return await self._of_all(key, lambda: self._reads.product(id_or_slug))

    async def reviews(self, id_or_slug: str, limit: int) -> Page[ReviewView]:
        key = "reviews", id_or_slug, limit
        return await self._of_all(key, lambda: self._reads.reviews(id_or_slug, limit))

    async def changed(self) -> None:
        """Somebody has just changed something, and will look at it next."""
        await self._watch.look()

    async def _of_all(self, key: Any, load: Callable[[], Awaitable[T]]) -> T:
        return await self._remembered(key, lambda: self._watch.count, load)

    async def _of_edits(self, key: Any, load: Callable[[], Awaitable[T]]) -> T:
        return await self._remembered(key, lambda: self._watch.edits, load)

    async def _remembered(
        self, key: Any, state: Callable[[], int | None], load: Callable[[], Awaitable[T]]
    ) -> T:
        now = state()
        kept = self._kept.get(key)
        if kept is not None and kept[0] == now:
            self._kept.move_to_end(key)
            return cast(T, kept[1])
        # Who asks after a change must not be given what was begun to be read before it; while
        # changes are unknown, nothing that was begun in another second.
        since = now if now is not None else -int(asyncio.get_running_loop().time())
        loading = since, key
        under_way = self._loading.get(loading)
        if under_way is None:
            under_way = self._loading[loading] = asyncio.ensure_future(load())
            under_way.add_done_callback(lambda ended: self._loaded(loading, ended))
        found: T = await asyncio.shield(under_way)
        # Only what was read while nothing changed belongs to this state.
        if now is not None and state() == now:
            self._kept[key] = now, found
            self._kept.move_to_end(key)
            if len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return found

    def _loaded(self, loading: Any, ended: asyncio.Future[Any]) -> None:
        del self._loading[loading]
        if not ended.cancelled():
            ended.exception()  # all who waited for it may be gone
