"""Reading the catalogue costs the same statements whatever its size."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from shop.ports.catalog import CatalogReads, ProductFilter, Sort
from tests.kit.catalogue import a_source, catalogue, imported


@contextmanager
def counted() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_conn: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)


async def read_all(reads: CatalogReads, slug: str) -> int:
    which = ProductFilter(words=("thing",), category="home")
    with counted() as seen:
        await reads.tree()
        await reads.pictures()
        await reads.page(which, Sort.RELEVANCE, 24, facets=True)
        await reads.page(ProductFilter(), Sort.PRICE, 24)
        await reads.product(slug)
        await reads.reviews(slug, 10)
        await reads.brands(which)
        await reads.names(1000)
    return len(seen)


async def test_a_larger_catalogue_needs_no_more_statements(tmp_path: Path) -> None:
    async with catalogue("sqlite", tmp_path) as shop:
        reads = await shop.get(CatalogReads)
        await imported(shop, a_source("thing-x", categories=(("Home",),)))
        few = await read_all(reads, "thing-x")
        many = [
            a_source(f"thing-{n}-y", brand=f"B{n}", categories=(("Home", f"Shelf {n}"),))
            for n in range(60)
        ]
        await imported(shop, *many)
        assert await read_all(reads, "thing-x") == few > 0
