"""The catalogue as the staff see it, drafts included."""

from functools import lru_cache
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, among
from shop.adapters.sql.database import Database
from shop.adapters.sql.products import to_products
from shop.adapters.sql.tables import (
    products,
    variants,
)
from shop.core.catalog.cursor import Place, place_of
from shop.core.catalog.model import Product, ProductNotFound, ProductStatus
from shop.core.kernel.ids import ProductId, VariantId
from shop.core.kernel.page import Page
from shop.ports.catalog import StaffReads

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
_ON_HAND = sa.select(
    variants.c.id, variants.c.product_id, variants.c.on_hand.label("pieces")
).where(among(variants.c.product_id))
_LEFT = sa.select(
    variants.c.id, variants.c.product_id, (variants.c.on_hand - variants.c.held).label("pieces")
).where(among(variants.c.product_id))
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
    ) -> Page[tuple[Product, dict[VariantId, int]]]:
        params: dict[str, Any] = {f"word{n}": word for n, word in enumerate(words)}
        params["most"] = limit + 1
        if cursor is not None:
            params["last_id"] = place_of(cursor, "newest").id
        statement = _staff_page(len(words), cursor is not None)

        async def query(conn: Conn) -> list[tuple[Product, dict[VariantId, int]]]:
            return await _with_pieces(conn, await conn.rows(statement, params), _LEFT)

        found = await self._database.read(query)
        items = tuple(found[:limit])
        more = Place("newest", 0, items[-1][0].id).cursor() if len(found) > limit else None
        return Page(items, more)

    async def stocked(
        self, after: ProductId | None, limit: int
    ) -> list[tuple[Product, dict[VariantId, int]]]:
        params = {"after": after or UUID(int=0), "most": limit}

        async def query(conn: Conn) -> list[tuple[Product, dict[VariantId, int]]]:
            return await _with_pieces(conn, await conn.rows(_STOCKED, params), _ON_HAND)

        return await self._database.read(query)

    async def tally(self) -> dict[str, int]:
        async def query(conn: Conn) -> list[Any]:
            return await conn.rows(_TALLY)

        return {status: count for status, count in await self._database.read(query)}  # noqa: C416 - rows are no pairs to mypy


async def _with_pieces(
    conn: Conn, rows: list[Any], counts: sa.Select[Any]
) -> list[tuple[Product, dict[VariantId, int]]]:
    found = await to_products(conn, rows)
    if not found:
        return []
    shelf: dict[UUID, dict[VariantId, int]] = {product.id: {} for product in found}
    for row in await conn.rows(counts, {"ids": [product.id for product in found]}):
        shelf[row.product_id][VariantId(row.id)] = row.pieces
    return [(product, shelf[product.id]) for product in found]
