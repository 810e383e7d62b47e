"""The catalogue as it is read: a fixed number of statements, whatever its size."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from shop.adapters.sql.catalog import TAG_LENGTH, to_products
from shop.adapters.sql.conn import Conn, one
from shop.adapters.sql.database import Database
from shop.adapters.sql.option_counts import option_counts
from shop.adapters.sql.tables import (
    categories,
    product_categories,
    product_tags,
    products,
    reviews as reviews_,
    variants,
)
from shop.core.catalog.cursor import Place, place_of
from shop.core.catalog.model import CategoryNotFound, Product, ProductNotFound, ProductStatus
from shop.core.catalog.views import (
    CategoryCount,
    CategoryNode,
    CategoryRef,
    Count,
    Facets,
    Listing,
    Live,
    ProductView,
    ReviewView,
    Specification,
    Suggestion,
    VariantView,
    joined,
    option_facets,
    rating_of,
)
from shop.core.catalog.words import fold
from shop.core.kernel.ids import CategoryId, ProductId, VariantId
from shop.core.kernel.money import Money
from shop.core.kernel.page import Page
from shop.ports.catalog import CatalogReads, ProductFilter, Sort, StaffReads

_FACET_VALUES = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Shape(Struct, frozen=True):
    """Which conditions a query has; there is one statement for each shape, made once."""

    category: bool = False
    words: int = 0
    brand: bool = False
    tag: bool = False
    min_price: bool = False
    max_price: bool = False
    min_rating: bool = False
    in_stock: bool | None = None
    options: int = 0

    @classmethod
    def of(cls, which: ProductFilter) -> "_Shape":
        return cls(
            category=bool(which.category),
            words=len(which.words),
            brand=bool(which.brand),
            tag=bool(which.tag),
            min_price=which.min_price is not None,
            max_price=which.max_price is not None,
            min_rating=which.min_rating is not None,
            in_stock=which.in_stock,
            options=len(which.options),
        )


def _params(which: ProductFilter) -> dict[str, Any]:
    params: dict[str, Any] = {}
    if which.category:
        # Everything below: "/" is followed by "0" in ASCII.
        params |= {
            "path": which.category,
            "below": f"{which.category}/",
            "beyond": f"{which.category}0",
        }
    for n, word in enumerate(which.words):
        params[f"word{n}"] = word
    for n, pair in enumerate(which.options):
        params[f"option{n}"] = _escaped(msgspec.json.encode(pair).decode())
    if which.brand:
        params["brand"] = which.brand
    if which.tag:
        params["tag"] = fold(which.tag)[:TAG_LENGTH]
    for name in ("min_price", "max_price", "min_rating"):
        if (value := getattr(which, name)) is not None:
            params[name] = value
    return params


def _escaped(text: str) -> str:
    """A pattern for LIKE ... ESCAPE '!' that matches the text anywhere, and only literally."""
    plain = text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return f"%{plain}%"


_CAN_BE_BOUGHT = sa.and_(
    variants.c.product_id == products.c.id,
    variants.c.on_sale,
    variants.c.on_hand > variants.c.held,
)


def _where(shape: _Shape) -> sa.ColumnElement[bool]:
    found: list[sa.ColumnElement[bool]] = [products.c.status == ProductStatus.ACTIVE.value]
    if shape.category:
        here = sa.select(categories.c.id).where(
            sa.or_(
                categories.c.path == bindparam("path"),
                sa.and_(
                    categories.c.path > bindparam("below"),
                    categories.c.path < bindparam("beyond"),
                ),
            )
        )
        found.append(
            products.c.id.in_(
                sa.select(product_categories.c.product_id).where(
                    product_categories.c.category_id.in_(here)
                )
            )
        )
    # Not LIKE, whose wildcards people type: a name may hold "%" or "_".
    found += [
        sa.func.instr(products.c.search_text, bindparam(f"word{n}")) > 0 for n in range(shape.words)
    ]
    if shape.brand:
        found.append(products.c.brand == bindparam("brand"))
    if shape.tag:
        tagged = sa.select(product_tags.c.product_id).where(product_tags.c.tag == bindparam("tag"))
        found.append(products.c.id.in_(tagged))
    if shape.min_price:
        found.append(products.c.price_min >= bindparam("min_price"))
    if shape.max_price:
        found.append(products.c.price_min <= bindparam("max_price"))
    if shape.min_rating:
        found.append(products.c.rating_average >= bindparam("min_rating"))
    if shape.in_stock is not None:
        there = sa.exists().where(_CAN_BE_BOUGHT)
        found.append(there if shape.in_stock else sa.not_(there))
    if shape.options:
        # The JSON of a pair occurs in a variant's document only where that pair is an option.
        of_variant = [
            sa.type_coerce(variants.c.document, sa.Text).like(bindparam(f"option{n}"), escape="!")
            for n in range(shape.options)
        ]
        found.append(
            sa.exists().where(
                variants.c.product_id == products.c.id, variants.c.on_sale, *of_variant
            )
        )
    return sa.and_(*found)


def _rank(words: int) -> sa.ColumnElement[int]:
    """0 when all words stand in the title, the first line of the text; else 1."""
    text = products.c.search_text
    end = sa.func.instr(text, "\n")
    in_title = [sa.func.instr(text, bindparam(f"word{n}")) < end for n in range(words)]
    return sa.case((sa.and_(*in_title), 0), else_=1)


_STOCK = (
    sa.select(sa.func.coalesce(sa.func.sum(variants.c.on_hand - variants.c.held), 0))
    .where(variants.c.product_id == products.c.id, variants.c.on_sale)
    .scalar_subquery()
)
_ITEM = (
    products.c.id,
    products.c.card,
    products.c.title,
    products.c.price_min,
    products.c.currency,
    products.c.rating_average,
    products.c.rating_count,
    products.c.created_at,
    products.c.category_id,
    categories.c.name.label("category_name"),
    categories.c.slug.label("category_slug"),
    categories.c.path.label("category_path"),
    _STOCK.label("stock"),
)
_KEYS: dict[Sort, tuple[sa.Column[Any], bool]] = {
    Sort.RELEVANCE: (products.c.created_at, True),
    Sort.NEWEST: (products.c.created_at, True),
    Sort.PRICE: (products.c.price_min, False),
    Sort.DEAREST: (products.c.price_min, True),
    Sort.RATING: (products.c.rating_average, True),
    Sort.TITLE: (products.c.title, False),
}


@lru_cache(maxsize=512)
def _page(shape: _Shape, sort: Sort, further: bool) -> sa.Select[Any]:  # noqa: FBT001 - a shape
    column, down = _KEYS[sort]
    ranked = sort is Sort.RELEVANCE and shape.words > 0
    rank = _rank(shape.words) if ranked else sa.literal(0)
    where = _where(shape)
    if further:
        key, last = (
            bindparam("last_key", type_=column.type),
            bindparam("last_id", type_=products.c.id.type),
        )
        past = (
            sa.or_(column < key, sa.and_(column == key, products.c.id < last))
            if down
            else sa.or_(column > key, sa.and_(column == key, products.c.id > last))
        )
        if ranked:
            at = bindparam("last_rank", type_=sa.Integer)
            past = sa.or_(rank > at, sa.and_(rank == at, past))
        where = sa.and_(where, past)
    order: list[sa.ColumnElement[Any]] = [rank] if ranked else []
    order += [column.desc(), products.c.id.desc()] if down else [column, products.c.id]
    return (
        sa.select(*_ITEM, rank.label("rank"))
        .outerjoin_from(products, categories, categories.c.id == products.c.category_id)
        .where(where)
        .order_by(*order)
        .limit(bindparam("most"))
    )


@lru_cache(maxsize=256)
def _total(shape: _Shape) -> sa.Select[Any]:
    return sa.select(sa.func.count().label("total")).select_from(products).where(_where(shape))


class _FacetStatements(Struct, frozen=True):
    brands: Any
    categories: Any
    tags: Any
    options: dict[str, sa.Select[Any]]
    figures: Any


@lru_cache(maxsize=128)
def _facets(shape: _Shape) -> _FacetStatements:
    where = _where(shape)
    count = sa.func.count().label("found")
    return _FacetStatements(
        brands=sa.select(products.c.brand.label("value"), count)
        .where(where, products.c.brand != "")
        .group_by(products.c.brand)
        .order_by(count.desc(), products.c.brand)
        .limit(_FACET_VALUES),
        categories=sa.select(categories.c.path, categories.c.name, count)
        .select_from(products)
        .join(product_categories, product_categories.c.product_id == products.c.id)
        .join(categories, categories.c.id == product_categories.c.category_id)
        # The statement's own categories, not those the filter looks at.
        .where(products.c.id.in_(sa.select(products.c.id).where(where).scalar_subquery()))
        .group_by(categories.c.path, categories.c.name)
        .order_by(count.desc(), categories.c.path)
        .limit(_FACET_VALUES),
        tags=sa.select(product_tags.c.tag.label("value"), count)
        .where(product_tags.c.product_id.in_(sa.select(products.c.id).where(where)))
        .group_by(product_tags.c.tag)
        .order_by(count.desc(), product_tags.c.tag)
        .limit(_FACET_VALUES),
        options=option_counts(sa.select(products.c.id).where(where)),
        figures=sa.select(
            sa.func.min(products.c.price_min).label("least"),
            sa.func.max(products.c.price_min).label("most"),
            sa.func.min(products.c.currency).label("currency"),
            sa.func.coalesce(
                sa.func.sum(sa.case((sa.exists().where(_CAN_BE_BOUGHT), 1), else_=0)), 0
            ).label("in_stock"),
        ).where(where),
    )


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
_PATHS = (
    sa.select(categories.c.id, categories.c.name, categories.c.slug, categories.c.path)
    .where(categories.c.path.in_(bindparam("paths", expanding=True)))
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
_STATE = sa.select(
    sa.select(sa.func.count()).select_from(products).scalar_subquery(),
    sa.select(sa.func.coalesce(sa.func.sum(products.c.version), 0)).scalar_subquery(),
    sa.select(sa.func.count()).select_from(categories).scalar_subquery(),
    sa.select(sa.func.coalesce(sa.func.sum(categories.c.version), 0)).scalar_subquery(),
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
        return _tree(rows, members)

    async def category(self, path: str) -> tuple[CategoryRef, ...]:
        slugs = path.split("/")
        paths = ["/".join(slugs[: n + 1]) for n in range(min(len(slugs), 20))]

        async def query(conn: Conn) -> list[Any]:
            return await conn.rows(_PATHS, {"paths": paths})

        found = tuple(_ref(row) for row in await self._database.read(query))
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
        shape, params = _Shape.of(which), _params(which)
        paged = params | {"most": limit + 1}
        if cursor is not None:
            place = place_of(cursor, sort)
            paged |= {
                "last_key": _moment(place.key)
                if _KEYS[sort][0] is products.c.created_at
                else place.key,
                "last_id": place.id,
            }
            if sort is Sort.RELEVANCE and shape.words:
                paged["last_rank"] = place.rank
        statement = _page(shape, sort, cursor is not None)

        async def query(conn: Conn) -> tuple[list[Any], int, Facets | None]:
            rows = await conn.rows(statement, paged)
            counted = await one(conn, _total(shape), params)
            return rows, counted.total, await _count(conn, shape, params) if facets else None

        rows, total, counts = await self._database.read(query)
        last = rows[limit - 1] if len(rows) > limit else None
        return Listing(
            items=tuple(_item(row) for row in rows[:limit]),
            next_cursor=_place(last, sort).cursor() if last else None,
            total=total,
            facets=counts,
        )

    async def product(self, id_or_slug: str) -> ProductView:
        async def query(conn: Conn) -> tuple[Any, list[Any], list[Any]]:
            row = await _find(conn, id_or_slug)
            key = {"product": row.id}
            return row, await conn.rows(_VARIANTS, key), await conn.rows(_OF_PRODUCT, key)

        row, sold, stands_in = await self._database.read(query)
        return _view(row, sold, stands_in)

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
        items = tuple(_review(row) for row in rows[:limit])
        more = Place("newest", 0, items[-1].id).cursor() if len(rows) > limit else None
        return Page(items, more, total)

    async def names_state(self) -> tuple[int, ...]:
        async def query(conn: Conn) -> Any:
            return await one(conn, _STATE)

        return tuple(int(figure) for figure in await self._database.read(query))

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


async def _count(conn: Conn, shape: _Shape, params: Mapping[str, Any]) -> Facets:
    ask = _facets(shape)
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


def _item(row: Any) -> bytes:
    stock = int(row.stock)
    category = None
    if row.category_id is not None:
        category = CategoryRef(
            id=row.category_id,
            name=row.category_name,
            slug=row.category_slug,
            path=row.category_path,
        )
    live = Live(
        price=Money(row.price_min, row.currency),
        in_stock=stock > 0,
        stock_quantity=stock,
        rating=rating_of(row.rating_average, row.rating_count),
        category=category,
    )
    return joined(row.card, live)


def _place(row: Any, sort: Sort) -> Place:
    key: Any = getattr(row, _KEYS[sort][0].name)
    if isinstance(key, datetime):
        key = (key - _EPOCH) // _MICROSECOND
    return Place(sort.value, key, row.id, row.rank)


def _moment(microseconds: int | str) -> datetime:
    # A number no clock of ours gives was made by somebody else; it only has to be harmless.
    most = 4_000_000_000_000_000
    return _EPOCH + timedelta(microseconds=max(-most, min(int(microseconds), most)))


def _ref(row: Any) -> CategoryRef:
    return CategoryRef(id=row.id, name=row.name, slug=row.slug, path=row.path)


def _review(row: Any) -> ReviewView:
    return ReviewView(
        id=row.id,
        author=row.author,
        rating=row.rating,
        title=row.title,
        body=row.body,
        created_at=row.created_at,
    )


def _view(row: Any, sold: Sequence[Any], stands_in: Sequence[Any]) -> ProductView:
    document = row.document
    currency = row.currency
    shown = [_variant(one_, currency) for one_ in sold]
    refs = {ref.id: ref for ref in map(_ref, stands_in)}
    axes: dict[str, dict[str, None]] = {}
    for variant in shown:
        for name, value in variant.options.items():
            axes.setdefault(name, {})[value] = None
    return msgspec.convert(
        {
            "id": row.id,
            "slug": row.slug,
            "title": row.title,
            "description_html": document["description_html"],
            "brand": row.brand,
            "category": refs.get(row.category_id),
            "categories": list(refs.values()),
            "tags": document["tags"],
            "specifications": [
                Specification(name=name, value=value) for name, value in document["specifications"]
            ],
            "images": document["images"],
            "rating": rating_of(row.rating_average, row.rating_count),
            "price": Money(row.price_min, currency),
            "options": [{"name": name, "values": list(had)} for name, had in axes.items()],
            "variants": shown,
            "in_stock": any(variant.in_stock for variant in shown),
            "created_at": row.created_at,
            "updated_at": row.updated_at,
        },
        ProductView,
    )


def _variant(row: Any, currency: str) -> VariantView:
    left = row.on_hand - row.held
    return VariantView(
        id=VariantId(row.id),
        sku=row.sku,
        title=row.title,
        options=dict(row.document["options"]),
        price=Money(row.price, currency),
        compare_at_price=None if row.compare_at is None else Money(row.compare_at, currency),
        stock_quantity=left,
        in_stock=left > 0,
        image=row.document["image"],
    )


def _tree(rows: Sequence[Any], members: Sequence[Any]) -> tuple[CategoryNode, ...]:
    inside: dict[UUID, set[UUID]] = {row.id: set() for row in rows}
    for category, product in members:
        inside[category].add(product)
    children: dict[UUID | None, list[Any]] = {}
    for row in rows:
        children.setdefault(row.parent_id, []).append(row)

    def node(row: Any) -> CategoryNode:
        below = tuple(node(child) for child in children.get(row.id, ()))
        for child in below:
            inside[row.id] |= inside[child.id]
        return CategoryNode(
            id=CategoryId(row.id),
            name=row.name,
            slug=row.slug,
            path=row.path,
            product_count=len(inside[row.id]),
            children=below,
        )

    return tuple(node(row) for row in children.get(None, ()))


_STAFF_ONE = sa.select(products).where(products.c.id == bindparam("its_id"))
_STAFF_STOCK = sa.select(variants.c.id, variants.c.on_hand - variants.c.held).where(
    variants.c.product_id == bindparam("its_id")
)
_STOCKED = (
    sa.select(products)
    .where(products.c.id > bindparam("after"), products.c.status != ProductStatus.ARCHIVED.value)
    .order_by(products.c.id)
    .limit(bindparam("most"))
)
_ON_HAND = sa.select(variants.c.id, variants.c.product_id, variants.c.on_hand).where(
    variants.c.product_id.in_(bindparam("ids", expanding=True))
)
_TALLY = sa.select(products.c.status, sa.func.count()).group_by(products.c.status)


@lru_cache(maxsize=32)
def _staff_page(words: int, further: bool) -> sa.Select[Any]:  # noqa: FBT001 - a shape
    where = [sa.func.instr(products.c.search_text, bindparam(f"word{n}")) > 0 for n in range(words)]
    if further:
        where.append(products.c.id < bindparam("last_id"))
    return sa.select(products).where(*where).order_by(products.c.id.desc()).limit(bindparam("most"))


class SqlStaffReads(StaffReads):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def product(self, product_id: ProductId) -> tuple[Product, dict[VariantId, int]]:
        key = {"its_id": product_id}

        async def query(conn: Conn) -> tuple[list[Product], list[Any]]:
            found = await to_products(conn, await conn.rows(_STAFF_ONE, key))
            return found, await conn.rows(_STAFF_STOCK, key)

        found, stock = await self._database.read(query)
        if not found:
            raise ProductNotFound("There is no such product.")
        return found[0], {VariantId(id_): left for id_, left in stock}

    async def products(
        self, words: tuple[str, ...], limit: int, cursor: str | None = None
    ) -> Page[Product]:
        params: dict[str, Any] = {f"word{n}": word for n, word in enumerate(words)}
        params["most"] = limit + 1
        if cursor is not None:
            params["last_id"] = place_of(cursor, "newest").id
        statement = _staff_page(len(words), cursor is not None)

        async def query(conn: Conn) -> list[Product]:
            return await to_products(conn, await conn.rows(statement, params))

        found = await self._database.read(query)
        items = tuple(found[:limit])
        more = Place("newest", 0, items[-1].id).cursor() if len(found) > limit else None
        return Page(items, more)

    async def stocked(
        self, after: ProductId | None, limit: int
    ) -> list[tuple[Product, dict[VariantId, int]]]:
        params = {"after": after or UUID(int=0), "most": limit}

        async def query(conn: Conn) -> tuple[list[Product], list[Any]]:
            found = await to_products(conn, await conn.rows(_STOCKED, params))
            if not found:
                return [], []
            return found, await conn.rows(_ON_HAND, {"ids": [product.id for product in found]})

        found, rows = await self._database.read(query)
        shelf: dict[UUID, dict[VariantId, int]] = {product.id: {} for product in found}
        for row in rows:
            shelf[row.product_id][VariantId(row.id)] = row.on_hand
        return [(product, shelf[product.id]) for product in found]

    async def tally(self) -> dict[str, int]:
        async def query(conn: Conn) -> list[Any]:
            return await conn.rows(_TALLY)

        return {status: count for status, count in await self._database.read(query)}  # noqa: C416 - rows are no pairs to mypy
