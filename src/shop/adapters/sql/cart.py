"""Carts: one row each, found by its owner."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.conn import Conn, Hot, among, to_moment
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.tables import carts
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.adapters.sql.versioned import overwrite
from shop.core.cart.model import Cart, CartLine
from shop.core.kernel.ids import CartId, id_of
from shop.ports.cart import Carts

_FIND = Hot(
    sa.select(
        carts.c.owner,
        carts.c.id,
        carts.c.lines,
        carts.c.coupon,
        carts.c.updated_at,
        carts.c.version,
    ).where(among(carts.c.owner, "owners"))
)
_INSERT = Hot(carts.insert())
_UPDATE = Hot(
    carts.update()
    .values(
        lines=bindparam("new_lines"),
        coupon=bindparam("new_coupon"),
        updated_at=bindparam("at"),
        version=bindparam("new_version"),
    )
    .where(carts.c.owner == bindparam("whose"), carts.c.version == bindparam("seen"))
)
_OLD = (
    sa.select(carts.c.owner)
    .where(carts.c.updated_at < bindparam("before"))
    .limit(bindparam("most"))
    # What somebody has in hand just now is not old, and what is locked stays as it was found.
    .with_for_update(skip_locked=True)
)
_DELETE = carts.delete().where(among(carts.c.owner, "owners"))

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[CartLine, ...]).decode


class SqlCarts(Carts):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def find(self, owners: Iterable[str]) -> dict[str, Cart]:
        wanted = sorted(set(owners))
        if not wanted:
            return {}
        rows = await self._uow.conn.fetch(_FIND, wanted)
        return {cart.owner: cart for cart in map(_to_cart, rows)}

    async def add(self, carts: Sequence[Cart]) -> None:
        conn = self._uow.conn
        try:
            await conn.many(_INSERT, [_to_row(conn, cart) for cart in sorted(carts, key=_owner)])
        except Taken as error:
            raise lost("this cart") from error

    async def save(self, carts: Sequence[Cart]) -> list[Cart]:
        conn = self._uow.conn
        rows = [
            (
                _encode(cart.lines).decode(),
                cart.coupon,
                conn.moment(cart.updated_at),
                cart.version + 1,
                cart.owner,
                cart.version,
            )
            for cart in sorted(carts, key=_owner)
        ]
        await overwrite(conn, _UPDATE, rows, "this cart")
        return [msgspec.structs.replace(cart, version=cart.version + 1) for cart in carts]

    async def forget(self, before: datetime, limit: int) -> int:
        conn = self._uow.conn
        old = [row.owner for row in await conn.rows(_OLD, {"before": before, "most": limit})]
        if old:
            await conn.run(_DELETE, {"owners": old})
        return len(old)


def _owner(cart: Cart) -> str:
    """All who lock several carts go about it in this order, so that none waits in a circle."""
    return cart.owner


def _to_row(conn: Conn, cart: Cart) -> tuple[Any, ...]:
    return (
        cart.owner,
        cart.id.bytes,
        _encode(cart.lines).decode(),
        cart.coupon,
        conn.moment(cart.updated_at),
        cart.version,
    )


def _to_cart(row: tuple[Any, ...]) -> Cart:
    owner, id_, lines, coupon, updated_at, version = row
    return Cart(
        id=CartId(id_of(id_)),
        owner=owner,
        lines=_decode(lines),
        coupon=coupon,
        updated_at=to_moment(updated_at),
        version=version,
    )
