"""Rows of the catalogue as its readers see them."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from shop.core.catalog.views import (
    CategoryNode,
    CategoryRef,
    Live,
    ProductView,
    ReviewView,
    Specification,
    VariantView,
    joined,
    rating_of,
)
from shop.core.kernel.ids import CategoryId, VariantId
from shop.core.kernel.money import Money


def item_of(row: Any) -> bytes:
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


def ref_of(row: Any) -> CategoryRef:
    return CategoryRef(id=row.id, name=row.name, slug=row.slug, path=row.path)


def review_of(row: Any) -> ReviewView:
    return ReviewView(
        id=row.id,
        author=row.author,
        rating=row.rating,
        title=row.title,
        body=row.body,
        created_at=row.created_at,
    )


def view_of(row: Any, sold: Sequence[Any], stands_in: Sequence[Any]) -> ProductView:
    document = row.document
    currency = row.currency
    shown = [_variant(one_, currency) for one_ in sold]
    refs = {ref.id: ref for ref in map(ref_of, stands_in)}
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


def tree_of(rows: Sequence[Any], members: Sequence[Any]) -> tuple[CategoryNode, ...]:
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
