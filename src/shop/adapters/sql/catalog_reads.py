"""The catalogue as it is read: a fixed number of statements, whatever its size."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.catalog_statements import (
    KEYS,
    Shape,
    facets_of,
    page_of,
    params_of,
    total_of,
)
from shop.adapters.sql.catalog_views import item_of, ref_of, review_of, tree_of, view_of
from shop.adapters.sql.conn import Conn, among, one
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import (
    categories,
    product_categories,
    products,
    reviews as reviews_,
    variants,
)
from shop.core.catalog.cursor import Place, place_of
from shop.core.catalog.model import CategoryNotFound, ProductNotFound, ProductStatus
from shop.core.catalog.views import (
    CategoryCount,
    CategoryNode,
    CategoryRef,
    Count,
    Facets,
    Listing,
    ProductView,
    ReviewView,
    Suggestion,
    option_facets,
)
from shop.core.kernel.money import Money
from shop.core.kernel.page import Page
from shop.ports.catalog import CatalogReads, ProductFilter, Sort

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


_ONE = sa.select(
    products,
    categories.c.name.label("category_name"),
).outerjoin_from(products, categories, categories.c.id == products.c.category_id)
_BY_ID = _ONE.where(
    products.c.id == bindparam("its_id"), products.c.status == ProductStatus.ACTIVE.value
)
_BY_SLUG = _ONE.where(
    products.c.slug == bindparam("its_slug"), products.c.status == ProductStatus.ACTIVE.value
)
_VARIANTS = (
    sa.select(variants)
    .where(variants.c.product_id == bindparam("product"), variants.c.on_sale)
    .order_by(variants.c.position)
)
_OF_PRODUCT = (
    sa.select(categories.c.id, categories.c.name, categories.c.slug, categories.c.path)
    .join(product_categories, product_categories.c.category_id == categories.c.id)
    .where(product_categories.c.product_id == bindparam("product"))
    .order_by(categories.c.path)
)
_TREE = sa.select(
    categories.c.id,
    categories.c.parent_id,
    categories.c.name,
    categories.c.slug,
    categories.c.path,
).order_by(categories.c.position, categories.c.name)
_MEMBERS = (
    sa.select(product_categories.c.category_id, product_categories.c.product_id)
    .join(products, products.c.id == product_categories.c.product_id)
    .where(products.c.status == ProductStatus.ACTIVE.value)
)
# Ids grow with time, so the greatest of a category is its newest.
_NEWEST = (
    sa.select(sa.func.max(products.c.id))
    .where(products.c.status == ProductStatus.ACTIVE.value, products.c.image != "")
    .group_by(products.c.category_id)
)
_PICTURES = (
    sa.select(categories.c.path, products.c.image)
    .join(products, products.c.category_id == categories.c.id)
    .where(products.c.id.in_(_NEWEST))
    .order_by(products.c.id)
)
_PATHS = (
    sa.select(categories.c.id, categories.c.name, categories.c.slug, categories.c.path)
    .where(among(categories.c.path, "paths"))
    .order_by(sa.func.length(categories.c.path))
)
_REVIEWS = sa.select(reviews_).where(reviews_.c.product_id == bindparam("product"))
_REVIEWS_FIRST = _REVIEWS.order_by(reviews_.c.id.desc()).limit(bindparam("most"))
_REVIEWS_NEXT = _REVIEWS_FIRST.where(reviews_.c.id < bindparam("last_id"))
_REVIEW_TOTAL = (
    sa.select(sa.func.count())
    .select_from(reviews_)
    .where(reviews_.c.product_id == bindparam("product"))
)
_ACTIVE = products.c.status == ProductStatus.ACTIVE.value
_TITLES = (
    sa.select(products.c.title, products.c.slug)
    .where(_ACTIVE)
    .order_by(products.c.created_at.desc())
    .limit(bindparam("most"))
)
_BRANDS = (
    sa.select(products.c.brand)
    .where(_ACTIVE, products.c.brand != "")
    .distinct()
    .limit(bindparam("most"))
)
_NAMES = sa.select(categories.c.name, categories.c.path).limit(bindparam("most"))


class SqlCatalogReads(CatalogReads):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def tree(self) -> tuple[CategoryNode, ...]:
        async def query(conn: Conn) -> tuple[list[Any], list[Any]]:
            return await conn.rows(_TREE), await conn.rows(_MEMBERS)

        rows, members = await self._database.read(query)
        return tree_of(rows, members)

    async def pictures(self) -> dict[str, str]:
        rows = await self._database.read(lambda conn: conn.rows(_PICTURES))
        return {row.path.partition("/")[0]: row.image for row in rows}  # the newest comes last

    async def category(self, path: str) -> tuple[CategoryRef, ...]:
        slugs = path.split("/")
        paths = ["/".join(slugs[: n + 1]) for n in range(min(len(slugs), 20))]

        async def query(conn: Conn) -> list[Any]:
            return await conn.rows(_PATHS, {"paths": paths})

        found = tuple(ref_of(row) for row in await self._database.read(query))
        if not found or found[-1].path != path:
            raise CategoryNotFound("There is no such category.")
        return found

    async def page(
        self,
        which: ProductFilter,
        sort: Sort,
        limit: int,
        cursor: str | None = None,
        *,
        facets: bool = False,
    ) -> Listing:
        shape, params = Shape.of(which), params_of(which)
        paged = params | {"most": limit + 1}
        if cursor is not None:
            place = place_of(cursor, sort)
            paged |= {
                "last_key": _moment(place.key)
                if KEYS[sort][0] is products.c.created_at
                else place.key,
                "last_id": place.id,
            }
            if sort is Sort.RELEVANCE and shape.words:
                paged["last_rank"] = place.rank
        statement = page_of(shape, sort, cursor is not None)

        async def query(conn: Conn) -> tuple[list[Any], int, Facets | None]:
            rows = await conn.rows(statement, paged)
            counted = await one(conn, total_of(shape), params)
            return rows, counted.total, await _count(conn, shape, params) if facets else None

        rows, total, counts = await self._database.read(query)
        last = rows[limit - 1] if len(rows) > limit else None
        return Listing(
            items=tuple(item_of(row) for row in rows[:limit]),
            next_cursor=_place(last, sort).cursor() if last else None,
            total=total,
            facets=counts,
        )

    async def brands(self, which: ProductFilter) -> tuple[str, ...]:
        statement, params = facets_of(Shape.of(which)).brands, params_of(which)
        rows = await self._database.read(lambda conn: conn.rows(statement, params))
        return tuple(row.value for row in rows)

    async def product(self, id_or_slug: str) -> ProductView:
        async def query(conn: Conn) -> tuple[Any, list[Any], list[Any]]:
            row = await _find(conn, id_or_slug)
            key = {"product": row.id}
            return row, await conn.rows(_VARIANTS, key), await conn.rows(_OF_PRODUCT, key)

        row, sold, stands_in = await self._database.read(query)
        return view_of(row, sold, stands_in)

    async def reviews(
        self, id_or_slug: str, limit: int, cursor: str | None = None
    ) -> Page[ReviewView]:
        place = place_of(cursor, "newest") if cursor is not None else None

        async def query(conn: Conn) -> tuple[list[Any], int]:
            row = await _find(conn, id_or_slug)
            params: dict[str, Any] = {"product": row.id, "most": limit + 1}
            if place:
                params["last_id"] = place.id
            found = await conn.rows(_REVIEWS_NEXT if place else _REVIEWS_FIRST, params)
            counted = await one(conn, _REVIEW_TOTAL, {"product": row.id})
            return found, counted[0]

        rows, total = await self._database.read(query)
        items = tuple(review_of(row) for row in rows[:limit])
        more = Place("newest", 0, items[-1].id).cursor() if len(rows) > limit else None
        return Page(items, more, total)

    async def names(self, limit: int) -> list[Suggestion]:
        most = {"most": limit}

        async def query(conn: Conn) -> tuple[list[Any], list[Any], list[Any]]:
            return (
                await conn.rows(_NAMES, most),
                await conn.rows(_BRANDS, most),
                await conn.rows(_TITLES, most),
            )

        named, brands, titles = await self._database.read(query)
        found = [Suggestion(title=row.name, slug=row.path, kind="category") for row in named]
        found += [Suggestion(title=row.brand, slug=row.brand, kind="brand") for row in brands]
        found += [Suggestion(title=row.title, slug=row.slug, kind="product") for row in titles]
        return found[:limit]


async def _find(conn: Conn, id_or_slug: str) -> Any:
    found = await one(conn, _BY_SLUG, {"its_slug": id_or_slug})
    if found is None and (product_id := _uuid(id_or_slug)):
        found = await one(conn, _BY_ID, {"its_id": product_id})
    if found is None:
        raise ProductNotFound("There is no such product.")
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _count(conn: Conn, shape: Shape, params: Mapping[str, Any]) -> Facets:
    ask = facets_of(shape)
    brands = await conn.rows(ask.brands, params)
    stands_in = await conn.rows(ask.categories, params)
    tags = await conn.rows(ask.tags, params)
    options = await conn.rows(ask.options[conn.dialect.name], params)
    figures = await one(conn, ask.figures, params)

    def price(amount: int | None) -> Money | None:
        return None if amount is None else Money(amount, figures.currency)

    return Facets(
        brands=tuple(Count(value=row.value, count=row.found) for row in brands),
        categories=tuple(
            CategoryCount(path=row.path, name=row.name, count=row.found) for row in stands_in
        ),
        tags=tuple(Count(value=row.value, count=row.found) for row in tags),
        options=option_facets((row.name, row.value, row.found) for row in options),
        in_stock=int(figures.in_stock),
        min_price=price(figures.least),
        max_price=price(figures.most),
    )


def _place(row: Any, sort: Sort) -> Place:
    key: Any = getattr(row, KEYS[sort][0].name)
    if isinstance(key, datetime):
        key = (key - _EPOCH) // _MICROSECOND
    return Place(sort.value, key, row.id, row.rank)


def _moment(microseconds: int | str) -> datetime:
    # A number no clock of ours gives was made by somebody else; it only has to be harmless.
    most = 4_000_000_000_000_000
    return _EPOCH + timedelta(microseconds=max(-most, min(int(microseconds), most)))
