"""Reviews at rest, and the rating that they give a product."""

import msgspec
import sqlalchemy as sa
from sqlalchemy import bindparam

from shop.adapters.sql.changes import figures_changed
from shop.adapters.sql.conn import one
from shop.adapters.sql.errors import Taken
from shop.adapters.sql.tables import (
    order_lines,
    orders,
    products as products_,
    reviews as reviews_,
    users,
)
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.catalog.model import (
    Review,
    ReviewExists,
)
from shop.core.kernel.ids import ProductId, UserId
from shop.ports.catalog import Reviews

_RECEIVED = (
    sa.select(order_lines.c.product_id)
    .join(orders, orders.c.id == order_lines.c.order_id)
    .where(
        orders.c.user_id == bindparam("user"),
        order_lines.c.product_id == bindparam("product"),
        orders.c.status.in_(["delivered", "returned"]),
    )
    .limit(1)
)
_AUTHOR = sa.select(users.c.name).where(users.c.id == bindparam("user"))
_RATINGS = sa.select(
    sa.func.count().label("many"),
    sa.func.coalesce(sa.func.sum(reviews_.c.rating), 0).label("stars"),
).where(reviews_.c.product_id == bindparam("product"))
_RATE = (
    products_.update()
    .values(rating_average=bindparam("average"), rating_count=bindparam("count"))
    .where(products_.c.id == bindparam("product"))
)


class SqlReviews(Reviews):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def may_review(self, user: UserId, product: ProductId) -> bool:
        return await one(self._uow.conn, _RECEIVED, {"user": user, "product": product}) is not None

    async def author(self, user: UserId) -> str:
        row = await one(self._uow.conn, _AUTHOR, {"user": user})
        return row.name if row else ""

    async def add(self, review: Review) -> None:
        conn = self._uow.conn
        try:
            await conn.run(reviews_.insert(), msgspec.structs.asdict(review))
        except Taken as error:
            raise ReviewExists("You have reviewed this product already.") from error
        rated = await one(conn, _RATINGS, {"product": review.product_id})
        average = (200 * int(rated.stars) + rated.many) // (2 * rated.many)
        await conn.run(
            _RATE, {"product": review.product_id, "average": average, "count": rated.many}
        )
        await figures_changed(conn)
