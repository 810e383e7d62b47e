"""What the product list asks the database: one statement for each shape of a query, made once."""

from functools import lru_cache
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from shop.adapters.sql.conn import literally
from shop.adapters.sql.option_counts import option_counts
from shop.adapters.sql.products import TAG_LENGTH
from shop.adapters.sql.tables import (
    categories,
    product_categories,
    product_tags,
    products,
    variants,
)
from shop.core.catalog.model import ProductStatus
from shop.core.catalog.words import fold
from shop.ports.catalog import ProductFilter, Sort

_FACET_VALUES = 50


class Shape(Struct, frozen=True):
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
    def of(cls, which: ProductFilter) -> "Shape":
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


def params_of(which: ProductFilter) -> dict[str, Any]:
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
    return f"%{literally(text)}%"


_CAN_BE_BOUGHT = sa.and_(
    variants.c.product_id == products.c.id,
    variants.c.on_sale,
    variants.c.on_hand > variants.c.held,
)


def _where(shape: Shape) -> sa.ColumnElement[bool]:
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
KEYS: dict[Sort, tuple[sa.Column[Any], bool]] = {
    Sort.RELEVANCE: (products.c.created_at, True),
    Sort.NEWEST: (products.c.created_at, True),
    Sort.PRICE: (products.c.price_min, False),
    Sort.DEAREST: (products.c.price_min, True),
    Sort.RATING: (products.c.rating_average, True),
    Sort.TITLE: (products.c.title, False),
}


@lru_cache(maxsize=512)
def page_of(shape: Shape, sort: Sort, further: bool) -> sa.Select[Any]:  # noqa: FBT001 - a shape
    column, down = KEYS[sort]
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
def total_of(shape: Shape) -> sa.Select[Any]:
    return sa.select(sa.func.count().label("total")).select_from(products).where(_where(shape))


class _FacetStatements(Struct, frozen=True):
    brands: Any
    categories: Any
    tags: Any
    options: dict[str, sa.Select[Any]]
    figures: Any


@lru_cache(maxsize=128)
def facets_of(shape: Shape) -> _FacetStatements:
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
