"""The shelf, over the columns `on_hand` and `held` of the variants."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import bindparam

from shop.adapters.sql.changes import EDITS, figures_changed
from shop.adapters.sql.conn import Conn, Hot, among
from shop.adapters.sql.database import Database
from shop.adapters.sql.tables import products, stock_moves, variants
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.adapters.sql.versioned import overwrite
from shop.core.inventory.model import MoveKind, Sellable, StockChange, StockMove
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import OrderId, ProductId, VariantId, id_of
from shop.core.kernel.money import Money
from shop.ports.inventory import Shelf, ShelfReads, StockLedger, StockLevels

_SELLABLE = (
    sa.select(
        variants.c.id,
        variants.c.product_id,
        products.c.slug,
        products.c.title,
        variants.c.title,
        variants.c.sku,
        products.c.image,
        variants.c.price,
        variants.c.currency,
        products.c.hsn,
        products.c.tax_basis_points,
        variants.c.on_sale,
        variants.c.on_hand,
        variants.c.held,
    )
    .join_from(variants, products, variants.c.product_id == products.c.id)
    .where(among(variants.c.id))
    .order_by(variants.c.id)
)
_FIND = Hot(_SELLABLE)
_STOCK = Hot(
    sa.select(variants.c.id, variants.c.on_hand, variants.c.held, EDITS).where(among(variants.c.id))
)
_LOCK = Hot(
    sa.select(variants.c.id).where(among(variants.c.id)).order_by(variants.c.id).with_for_update()
)
_CHANGE = Hot(
    variants.update()
    .values(
        on_hand=variants.c.on_hand + bindparam("on_hand_by"),
        held=variants.c.held + bindparam("held_by"),
    )
    .where(
        variants.c.id == bindparam("variant"),
        variants.c.held + bindparam("held_again") >= sa.literal_column("0"),
        variants.c.on_hand + bindparam("on_hand_again")
        >= variants.c.held + bindparam("held_once_more"),
        sa.or_(
            bindparam("sold_at", type_=sa.BigInteger).is_(None),
            sa.and_(
                variants.c.price == bindparam("sold_at_again"), variants.c.on_sale == sa.true()
            ),
        ),
    )
)
_RECORD = Hot(stock_moves.insert())
_MOVES = (
    sa.select(stock_moves)
    .where(stock_moves.c.variant_id == bindparam("variant"))
    .order_by(stock_moves.c.id.desc())
    .limit(bindparam("most"))
)
_LEFT = variants.c.on_hand - variants.c.held
_LEVELS = sa.select(
    sa.func.sum(sa.case((_LEFT.between(1, bindparam("few")), 1), else_=0)),
    sa.func.sum(sa.case((_LEFT <= 0, 1), else_=0)),
    sa.func.sum(sa.case((_LEFT < 0, 1), else_=0)),
).where(variants.c.on_sale == sa.true())


class KnownGoods:
    """Variants as they were read, of which only the stock is read again until somebody edits the
    catalogue: to read all of each was the dearest question of a checkout."""

    #: Variants, of about 1 KiB each.
    most = 4_096

    def __init__(self) -> None:
        #: The count of edits, and what was read at it. They are replaced together, since several
        #: threads look here, some of which may still see an older count.
        self._known: tuple[int | None, dict[bytes, Sellable]] = None, {}

    def forget(self) -> None:
        self._known = None, {}

    async def find(self, conn: Conn, variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
        """Call where nothing but what was committed is seen of the catalogue."""
        wanted = {variant.bytes: variant for variant in variants}
        stock = await conn.fetch(_STOCK, sorted(wanted)) if wanted else []
        if not stock:
            return {}
        known = self._at(stock[0][3])
        new = [row[0] for row in stock if row[0] not in known]
        if new:  # read after the count: at worst they are younger than it says
            known |= {row[0]: _to_sellable(row) for row in await conn.fetch(_FIND, new)}
        return {  # under the very ids that were asked for: to find them takes no comparison
            wanted[id_]: replace(known[id_], on_hand=there, held=held)
            for id_, there, held, _ in stock
            if id_ in known  # and was not deleted by hand just now
        }

    def _at(self, edits: int | None) -> dict[bytes, Sellable]:
        count, known = self._known
        if edits is None or edits != count or len(known) > self.most:
            known = {}
            self._known = edits, known
        return known


class SqlShelf(Shelf):
    def __init__(self, uow: SqlUnitOfWork, known: KnownGoods) -> None:
        self._uow = uow
        self._known = known

    async def find(self, variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
        if self._uow.edits_catalogue:
            return await _read(self._uow.conn, variants)
        return await self._known.find(self._uow.conn, variants)

    async def lock(self, variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
        conn, wanted = self._uow.conn, set(variants)
        if wanted and conn.locks_rows:
            # By itself: not every server can lock one table of a join, and products are nobody's.
            await conn.fetch(_LOCK, sorted(variant.bytes for variant in wanted))
        return await _read(conn, wanted)

    async def change(self, changes: Sequence[StockChange]) -> None:
        if not changes:
            return
        rows = [
            (*(c.on_hand, c.held, c.variant_id.bytes, c.held, c.on_hand, c.held), *(c.sold_at,) * 2)
            for c in sorted(changes, key=lambda change: change.variant_id.bytes)
        ]
        try:
            await overwrite(self._uow.conn, _CHANGE, rows, "the stock")
        except StaleWrite:
            self._known.forget()  # should its price have been changed by hand, and no count
            raise
        await figures_changed(self._uow.conn)

    async def record(self, moves: Sequence[StockMove]) -> None:
        conn = self._uow.conn
        await conn.many(_RECORD, [_to_row(conn, move) for move in moves])


class SqlShelfReads(ShelfReads):
    def __init__(self, database: Database, known: KnownGoods) -> None:
        self._database = database
        self._known = known

    async def find(self, variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
        wanted = set(variants)
        if not wanted:
            return {}
        return await self._database.read(lambda conn: self._known.find(conn, wanted))


class SqlStockLedger(StockLedger):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def moves(self, variant: VariantId, limit: int = 100) -> list[StockMove]:
        async def query(conn: Conn) -> list[Any]:
            return await conn.rows(_MOVES, {"variant": variant, "most": limit})

        return [_to_move(row) for row in await self._database.read(query)]

    async def levels(self, few: int) -> StockLevels:
        async def query(conn: Conn) -> list[Any]:
            return await conn.rows(_LEVELS, {"few": few})

        [row] = await self._database.read(query)
        return StockLevels(*(int(number or 0) for number in row))


async def _read(conn: Conn, variants: Iterable[VariantId]) -> dict[VariantId, Sellable]:
    ids = sorted({variant.bytes for variant in variants})
    rows = await conn.fetch(_FIND, ids) if ids else []
    return {found.variant_id: found for found in map(_to_sellable, rows)}


def _to_sellable(row: tuple[Any, ...]) -> Sellable:
    (id_, product, slug, title, own, sku, image, price, currency, hsn, tax, sale, on_hand, held) = (
        row
    )
    return Sellable(
        variant_id=VariantId(id_of(id_)),
        product_id=ProductId(id_of(product)),
        slug=slug,
        title=title,
        variant_title=own,
        sku=sku,
        image=image,
        price=Money(price or 0, currency),
        hsn=hsn,
        tax_basis_points=tax,
        on_sale=bool(sale),
        on_hand=on_hand,
        held=held,
    )


def _to_row(conn: Conn, move: StockMove) -> tuple[Any, ...]:
    return (
        move.id.bytes,
        move.variant_id.bytes,
        move.delta,
        move.kind.value,
        move.reason,
        move.order_id.bytes if move.order_id else None,
        conn.moment(move.at),
    )


def _to_move(row: Any) -> StockMove:
    return StockMove(
        id=row.id,
        variant_id=VariantId(row.variant_id),
        delta=row.delta,
        kind=MoveKind(row.kind),
        reason=row.reason,
        order_id=OrderId(row.order_id) if row.order_id else None,
        at=row.at,
    )
