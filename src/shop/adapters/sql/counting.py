"""Stock as an import or a keeper counts it."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.changes import figures_changed
from shop.adapters.sql.conn import among
from shop.adapters.sql.tables import (
    stock_moves,
    variants as variants_,
)
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.inventory.model import MoveKind
from shop.core.kernel.ids import VariantId
from shop.ports.catalog import Count, Counting

_STOCK = (
    sa.select(variants_.c.id, variants_.c.on_hand, variants_.c.held)
    .where(among(variants_.c.id))
    .order_by(variants_.c.id)
    .with_for_update()
)
_SET_STOCK = (
    variants_.update()
    .values(on_hand=bindparam("quantity"))
    .where(variants_.c.id == bindparam("variant"))
)


class SqlCounting(Counting):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def on_hand(self, variants: Iterable[VariantId]) -> dict[VariantId, int]:
        rows = await self._uow.conn.rows(_STOCK, {"ids": list(variants)})
        return {VariantId(row.id): row.on_hand for row in rows}

    async def count(self, counts: Sequence[Count], reason: str, at: datetime) -> None:
        if not counts:
            return
        conn = self._uow.conn
        rows = await conn.rows(_STOCK, {"ids": [count.variant_id for count in counts]})
        have = {row.id: row for row in rows}
        moves: list[dict[str, Any]] = []
        for count in counts:
            row = have[count.variant_id]
            delta = max(count.quantity, row.held) - row.on_hand
            if delta:
                moves.append(
                    {
                        "id": count.id,
                        "variant_id": count.variant_id,
                        "delta": delta,
                        "kind": MoveKind.ADJUSTED.value,
                        "reason": reason,
                        "order_id": None,
                        "at": at,
                    }
                )
        if moves:
            new = [
                {
                    "variant": move["variant_id"],
                    "quantity": have[move["variant_id"]].on_hand + move["delta"],
                }
                for move in moves
            ]
            await conn.run(_SET_STOCK, new)
            await conn.run(stock_moves.insert(), moves)
            await figures_changed(conn)
