"""Products and their variants at rest."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from msgspec import Struct
from sqlalchemy import bindparam

from shop.adapters.sql.changes import catalog_edited
from shop.adapters.sql.conn import Conn, among
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.tables import (
    categories as categories_,
    product_categories,
    product_tags,
    products as products_,
    variants as variants_,
)
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.catalog.model import (
    Image,
    Product,
    ProductNotFound,
    ProductStatus,
    Variant,
)
from shop.core.catalog.views import face_of
from shop.core.catalog.words import fold
from shop.core.kernel.ids import CategoryId, ProductId, VariantId
from shop.ports.catalog import Products

TAG_LENGTH = 191


def _chosen(where: sa.ColumnElement[bool]) -> sa.Select[Any]:
    return sa.select(products_).where(where)


_GET = _chosen(among(products_.c.id)).order_by(products_.c.id)
_BY_SOURCE = _chosen(among(products_.c.source_key))
_WITHIN = (
    _chosen(products_.c.id > bindparam("after"))
    .join(product_categories, product_categories.c.product_id == products_.c.id)
    .where(product_categories.c.category_id == bindparam("category"))
    .order_by(products_.c.id)
    .limit(bindparam("most"))
)
_SLUGS = sa.select(products_.c.slug).where(among(products_.c.slug))
_VARIANTS = sa.select(variants_).where(among(variants_.c.product_id)).order_by(variants_.c.position)
_VARIANT_IDS = sa.select(variants_.c.id).where(among(variants_.c.product_id))
_CATEGORY_NAMES = sa.select(categories_.c.id, categories_.c.name).where(among(categories_.c.id))
_ADD = products_.insert()
_KEPT = {"id", "created_at", "rating_average", "rating_count", "version"}
_SAVE = (
    products_.update()
    .values(
        {c.name: bindparam(f"p_{c.name}") for c in products_.c if c.name not in _KEPT}
        | {"version": products_.c.version + 1}
    )
    .where(products_.c.id == bindparam("p_id"), products_.c.version == bindparam("p_version"))
)
_DROP_CATEGORIES = product_categories.delete().where(among(product_categories.c.product_id))
_DROP_TAGS = product_tags.delete().where(among(product_tags.c.product_id))
_ADD_VARIANTS = variants_.insert()
_SAVE_VARIANTS = (
    variants_.update()
    .values(
        {
            c.name: bindparam(f"v_{c.name}")
            for c in variants_.c
            if c.name not in {"id", "product_id", "on_hand", "held"}
        }
    )
    .where(variants_.c.id == bindparam("v_id"))
)


class _Document(Struct, frozen=True, kw_only=True):
    description_html: str
    categories: tuple[CategoryId, ...]
    tags: tuple[str, ...]
    specifications: tuple[tuple[str, str], ...]
    images: tuple[Image, ...]


class _VariantDocument(Struct, frozen=True, kw_only=True):
    key: str
    options: tuple[tuple[str, str], ...]
    barcode: str
    weight_grams: int | None
    image: str
    withdrawn: bool
    source_stock: int | None


async def to_products(conn: Conn, rows: Sequence[Any]) -> list[Product]:
    """The products of these rows, with one more statement for all their variants."""
    if not rows:
        return []
    of: dict[UUID, list[Variant]] = {row.id: [] for row in rows}
    for row in await conn.rows(_VARIANTS, {"ids": list(of)}):
        of[row.product_id].append(_to_variant(row))
    return [_to_product(row, of[row.id]) for row in rows]


def _to_product(row: Any, variants: Iterable[Variant]) -> Product:
    document = msgspec.convert(row.document, _Document)
    return Product(
        id=ProductId(row.id),
        slug=row.slug,
        title=row.title,
        status=ProductStatus(row.status),
        description_html=document.description_html,
        brand=row.brand,
        categories=document.categories,
        tags=document.tags,
        specifications=document.specifications,
        images=document.images,
        variants=tuple(variants),
        currency=row.currency,
        hsn=row.hsn,
        tax_basis_points=row.tax_basis_points,
        source_key=row.source_key,
        source_digest=row.source_digest,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
    )


def _to_variant(row: Any) -> Variant:
    document = msgspec.convert(row.document, _VariantDocument)
    return Variant(
        id=VariantId(row.id),
        key=document.key,
        title=row.title,
        sku=row.sku,
        options=document.options,
        price=row.price,
        compare_at=row.compare_at,
        barcode=document.barcode,
        weight_grams=document.weight_grams,
        image=document.image,
        withdrawn=document.withdrawn,
        source_stock=document.source_stock,
    )


def _to_row(product: Product, names: Mapping[UUID, str]) -> dict[str, Any]:
    cheapest = product.cheapest
    document = _Document(
        description_html=product.description_html,
        categories=product.categories,
        tags=product.tags,
        specifications=product.specifications,
        images=product.images,
    )
    # The title is the first line: a word found there counts for more.
    found_by = " ".join(
        [
            product.brand,
            *(names.get(id_, "") for id_ in product.categories),
            *product.tags,
            *(variant.sku for variant in product.variants if not variant.withdrawn),
        ]
    )
    return {
        "id": product.id,
        "slug": product.slug,
        "source_key": product.source_key,
        "source_digest": product.source_digest,
        "status": product.status.value,
        "title": product.title,
        "brand": product.brand,
        "search_text": f"{fold(product.title)}\n{fold(found_by)}",
        "price_min": cheapest.price if cheapest else None,
        "currency": product.currency,
        "category_id": product.categories[0] if product.categories else None,
        "hsn": product.hsn,
        "tax_basis_points": product.tax_basis_points,
        "image": product.image,
        "document": document,
        "card": face_of(product),
        "updated_at": product.updated_at,
    }


def _to_variant_row(product: Product, variant: Variant, position: int) -> dict[str, Any]:
    return {
        "id": variant.id,
        "product_id": product.id,
        "variant_key": variant_key(variant),
        "title": variant.title,
        "sku": variant.sku,
        "price": variant.price,
        "compare_at": variant.compare_at,
        "currency": product.currency,
        "on_sale": product.on_sale(variant),
        "position": position,
        "document": _VariantDocument(
            key=variant.key,
            options=variant.options,
            barcode=variant.barcode,
            weight_grams=variant.weight_grams,
            image=variant.image,
            withdrawn=variant.withdrawn,
            source_stock=variant.source_stock,
        ),
    }


def variant_key(variant: Variant) -> bytes:
    return sha256(variant.key.encode()).digest()


class SqlProducts(Products):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def get(self, product_id: ProductId) -> Product:
        found = await self._load(_GET, {"ids": [product_id]})
        if not found:
            raise ProductNotFound("There is no such product.")
        return found[0]

    async def some(self, ids: Iterable[ProductId]) -> dict[ProductId, Product]:
        return {product.id: product for product in await self._load(_GET, {"ids": list(ids)})}

    async def by_source(self, keys: Iterable[bytes]) -> dict[bytes, Product]:
        found = await self._load(_BY_SOURCE, {"ids": list(keys)})
        return {product.source_key or b"": product for product in found}

    async def slugs(self, slugs: Iterable[str]) -> set[str]:
        return {row.slug for row in await self._uow.conn.rows(_SLUGS, {"ids": list(slugs)})}

    async def within(
        self, category: CategoryId, after: ProductId | None, limit: int
    ) -> list[Product]:
        start = after or UUID(int=0)
        return await self._load(_WITHIN, {"category": category, "after": start, "most": limit})

    async def _load(self, statement: sa.Executable, params: Mapping[str, Any]) -> list[Product]:
        conn = self._uow.conn
        return await to_products(conn, await conn.rows(statement, params))

    async def add(self, products: Sequence[Product]) -> None:
        if not products:
            return
        conn = self._uow.conn
        names = await self._names(products)
        rows = [
            _to_row(p, names)
            | {"created_at": p.created_at, "rating_average": 0, "rating_count": 0, "version": 0}
            for p in products
        ]
        try:
            await conn.run(_ADD, rows)
            await self._add_links(products)
            await self._add_variants([(p, n, v) for p in products for n, v in _numbered(p)])
        except Taken as error:
            raise lost("a product") from error
        await catalog_edited(self._uow)

    async def save(self, products: Sequence[Product]) -> None:
        if not products:
            return
        conn = self._uow.conn
        names = await self._names(products)
        ids = {"ids": [product.id for product in products]}
        rows = [
            {f"p_{name}": value for name, value in _to_row(p, names).items()}
            | {"p_version": p.version}
            for p in products
        ]
        try:
            if await conn.run(_SAVE, rows) != len(rows):
                raise lost("a product")
            await conn.run(_DROP_CATEGORIES, ids)
            await conn.run(_DROP_TAGS, ids)
            await self._add_links(products)
            have = {row.id for row in await conn.rows(_VARIANT_IDS, ids)}
            all_ = [(p, n, v) for p in products for n, v in _numbered(p)]
            await self._add_variants([one for one in all_ if one[2].id not in have])
            kept = [_to_variant_row(p, v, n) for p, n, v in all_ if v.id in have]
            if kept:
                prefixed = [{f"v_{name}": value for name, value in row.items()} for row in kept]
                for row in prefixed:
                    del row["v_product_id"]
                await conn.run(_SAVE_VARIANTS, prefixed)
        except Taken as error:
            raise lost("a product") from error
        await catalog_edited(self._uow)

    async def _names(self, products: Sequence[Product]) -> dict[UUID, str]:
        wanted = {id_ for product in products for id_ in product.categories}
        if not wanted:
            return {}
        rows = await self._uow.conn.rows(_CATEGORY_NAMES, {"ids": list(wanted)})
        return {row.id: row.name for row in rows}

    async def _add_links(self, products: Sequence[Product]) -> None:
        conn = self._uow.conn
        in_categories = [
            {"category_id": category, "product_id": product.id}
            for product in products
            for category in dict.fromkeys(product.categories)
        ]
        if in_categories:
            await conn.run(product_categories.insert(), in_categories)
        tags = [
            {"tag": tag, "product_id": product.id}
            for product in products
            for tag in dict.fromkeys(fold(tag)[:TAG_LENGTH] for tag in product.tags)
        ]
        if tags:
            await conn.run(product_tags.insert(), tags)

    async def _add_variants(self, new: Sequence[tuple[Product, int, Variant]]) -> None:
        if new:
            rows = [_to_variant_row(p, v, n) | {"on_hand": 0, "held": 0} for p, n, v in new]
            await self._uow.conn.run(_ADD_VARIANTS, rows)


def _numbered(product: Product) -> list[tuple[int, Variant]]:
    return list(enumerate(product.variants))
