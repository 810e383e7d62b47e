"""Where customers live, and what checkout needs to know of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace
from sqlalchemy import bindparam

from shop.adapters.sql.conn import among, one
from shop.adapters.sql.errors import lost
from shop.adapters.sql.tables import addresses, users
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.adapters.sql.versioned import as_change, update_of
from shop.core.kernel.ids import AddressId, UserId
from shop.core.kernel.postal import PostalAddress
from shop.core.users.model import (
    Address,
    AddressNotFound,
)
from shop.ports.checkout import Buyer, Buyers
from shop.ports.users import Addresses

_ADDRESSES = (
    sa.select(addresses)
    .where(addresses.c.user_id == bindparam("user_id"))
    .order_by(addresses.c.id)
    .with_for_update()
)
_ADDRESS = (
    sa.select(addresses)
    .where(addresses.c.id == bindparam("address_id"), addresses.c.user_id == bindparam("user_id"))
    .with_for_update()
)
_NEW_ADDRESS = addresses.insert()
_CHANGED_ADDRESS = update_of(addresses)
_NO_ADDRESS = addresses.delete().where(addresses.c.id == bindparam("address_id"))

#: Locked, so that nobody deletes the account while an order is placed for it.
_BUYERS = (
    sa.select(users.c.id, users.c.email)
    .where(among(users.c.id, "user_ids"))
    .order_by(users.c.id)
    .with_for_update(read=True)
)
_BUYERS_ADDRESSES = (
    sa.select(addresses.c.id, addresses.c.user_id, addresses.c.address)
    .where(among(addresses.c.user_id, "user_ids"))
    .order_by(addresses.c.id)
)


class SqlAddresses(Addresses):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def of(self, user_id: UserId) -> list[Address]:
        rows = await self._uow.conn.rows(_ADDRESSES, {"user_id": user_id})
        return [to_address(row) for row in rows]

    async def get(self, user_id: UserId, address_id: AddressId) -> Address:
        which = {"user_id": user_id, "address_id": address_id}
        row = await one(self._uow.conn, _ADDRESS, which)
        if row is None:
            raise AddressNotFound("There is no such address.")
        return to_address(row)

    async def add(self, address: Address) -> None:
        await self._uow.conn.run(_NEW_ADDRESS, _address_row(address))

    async def save(self, addresses: Sequence[Address]) -> list[Address]:
        rows = [as_change(_address_row(address)) for address in addresses]
        if rows and await self._uow.conn.run(_CHANGED_ADDRESS, rows) != len(rows):
            raise lost("this address")
        return [replace(address, version=address.version + 1) for address in addresses]

    async def remove(self, address: Address) -> None:
        await self._uow.conn.run(_NO_ADDRESS, {"address_id": address.id})


class SqlBuyers(Buyers):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def find(self, users: Iterable[UserId]) -> dict[UserId, Buyer]:
        wanted = {"user_ids": sorted(set(users))}
        if not wanted["user_ids"]:
            return {}
        places: dict[UserId, dict[AddressId, PostalAddress]] = {}
        for row in await self._uow.conn.rows(_BUYERS_ADDRESSES, wanted):
            postal = msgspec.convert(row.address, PostalAddress)
            places.setdefault(row.user_id, {})[row.id] = postal
        rows = await self._uow.conn.rows(_BUYERS, wanted)
        return {r.id: Buyer(email=r.email, addresses=places.get(r.id, {})) for r in rows}


def _address_row(address: Address) -> dict[str, Any]:
    return {
        "id": address.id,
        "user_id": address.user_id,
        "address": address.postal,
        "is_default": address.is_default,
        "created_at": address.created_at,
        "version": address.version,
    }


def to_address(row: Any) -> Address:
    return Address(
        id=AddressId(row.id),
        user_id=UserId(row.user_id),
        postal=msgspec.convert(row.address, PostalAddress),
        is_default=row.is_default,
        created_at=row.created_at,
        version=row.version,
    )
