"""The tree of categories at rest."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.changes import catalog_edited
from shop.adapters.sql.errors import Taken, lost
from shop.adapters.sql.tables import (
    categories as categories_,
)
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.catalog.model import (
    Category,
    CategoryInUse,
)
from shop.core.kernel.ids import CategoryId
from shop.ports.catalog import Categories

_TREE = sa.select(categories_).order_by(
    sa.func.length(categories_.c.path), categories_.c.position, categories_.c.name
)
_SAVE_CATEGORY = (
    categories_.update()
    .values(
        parent_id=bindparam("its_parent"),
        name=bindparam("its_name"),
        slug=bindparam("its_slug"),
        path=bindparam("its_path"),
        position=bindparam("its_position"),
        version=categories_.c.version + 1,
    )
    .where(
        categories_.c.id == bindparam("its_id"), categories_.c.version == bindparam("its_version")
    )
)
_REMOVE_CATEGORY = categories_.delete().where(categories_.c.id == bindparam("its_id"))


class SqlCategories(Categories):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def all(self) -> list[Category]:
        # A parent's path is always shorter than its child's.
        return [_to_category(row) for row in await self._uow.conn.rows(_TREE)]

    async def add(self, categories: Sequence[Category]) -> None:
        if not categories:
            return
        try:
            await self._uow.conn.run(
                categories_.insert(),
                [msgspec.structs.asdict(category) for category in categories],
            )
        except Taken as error:
            raise lost("a category") from error
        await catalog_edited(self._uow)

    async def save(self, categories: Sequence[Category]) -> None:
        if not categories:
            return
        rows = [
            {
                "its_parent": category.parent_id,
                "its_name": category.name,
                "its_slug": category.slug,
                "its_path": category.path,
                "its_position": category.position,
                "its_id": category.id,
                "its_version": category.version,
            }
            for category in categories
        ]
        try:
            touched = await self._uow.conn.run(_SAVE_CATEGORY, rows)
        except Taken as error:
            raise lost("a category") from error
        if touched != len(rows):
            raise lost("a category")
        await catalog_edited(self._uow)

    async def remove(self, category: Category) -> None:
        try:
            await self._uow.conn.run(_REMOVE_CATEGORY, {"its_id": category.id})
        except Taken as error:
            raise CategoryInUse("Products or categories still stand in this one.") from error
        await catalog_edited(self._uow)


def _to_category(row: Any) -> Category:
    return Category(
        id=CategoryId(row.id),
        parent_id=CategoryId(row.parent_id) if row.parent_id else None,
        name=row.name,
        slug=row.slug,
        path=row.path,
        source_key=row.source_key,
        position=row.position,
        version=row.version,
    )
