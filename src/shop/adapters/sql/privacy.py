"""What a person left anywhere in the database."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from dishka import Provider, Scope, provide
from sqlalchemy import bindparam

from shop.adapters.sql.changes import figures_changed
from shop.adapters.sql.conn import Conn, among, one
from shop.adapters.sql.database import Database
from shop.adapters.sql.factors import to_factors
from shop.adapters.sql.notifications import to_email
from shop.adapters.sql.tables import (
    carts,
    emails,
    idempotency,
    refunds,
    reviews,
    second_factors,
    users,
)
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.core.cart.model import Cart, CartLine
from shop.core.catalog.model import ANONYMOUS, Review
from shop.core.kernel.access import Role, person_name
from shop.core.kernel.ids import CartId, ProductId, UserId
from shop.core.notifications.model import Email, EmailStatus
from shop.core.users.factors import Factors
from shop.ports.privacy import Erasing, PersonalReads

#: A list in a statement has an end on every database.
_AT_ONCE = 500

_CART = sa.select(carts).where(carts.c.owner == bindparam("whose"))
_REVIEWS = sa.select(reviews).where(reviews.c.user_id == bindparam("whose")).order_by(reviews.c.id)
_FACTORS = sa.select(second_factors).where(second_factors.c.user_id == bindparam("whose"))
_ABOUT = among(emails.c.subject_id, "subjects")
_MAILS = sa.select(emails).where(_ABOUT).order_by(emails.c.id)

_ADMINISTRATORS = (
    sa.select(users.c.id)
    .where(sa.type_coerce(users.c.roles, sa.Text).like(f'%"{Role.ADMIN}"%'))
    .order_by(users.c.id)
    .limit(2)
    .with_for_update()
)
_EMPTY_MAILS = (
    emails.update()
    .where(_ABOUT)
    .values(
        recipient="",
        subject="",
        text="",
        html="",
        error=None,
        status=EmailStatus.ERASED.value,
        next_try_at=None,
        version=emails.c.version + 1,
    )
)
_NO_REASONS = (
    refunds.update()
    .where(among(refunds.c.order_id, "orders"))
    .values(reason="", version=refunds.c.version + 1)
)
#: Nobody else can have a review's own id: one customer reviews a product once, nobodies often.
_ANONYMISE = (
    reviews.update()
    .where(reviews.c.user_id == bindparam("whose"))
    .values(user_id=reviews.c.id, author=ANONYMOUS)
)
_NO_CART = carts.delete().where(carts.c.owner == bindparam("whose"))
_NO_ANSWERS = idempotency.delete().where(idempotency.c.caller == bindparam("whose"))
_NO_ANSWERS_ABOUT = idempotency.delete().where(among(idempotency.c.order_id, "orders"))
_NO_ACCOUNT = users.delete().where(users.c.id == bindparam("whose"))


class SqlPersonalReads(PersonalReads):
    def __init__(self, database: Database) -> None:
        self._database = database

    async def cart(self, user_id: UserId) -> Cart | None:
        row = await self._database.read(
            lambda conn: one(conn, _CART, {"whose": person_name(user_id)})
        )
        return None if row is None else _to_cart(row)

    async def reviews(self, user_id: UserId) -> list[Review]:
        rows = await self._database.read(lambda conn: conn.rows(_REVIEWS, {"whose": user_id}))
        return [_to_review(row) for row in rows]

    async def mails(self, about: Sequence[UUID]) -> list[Email]:
        async def query(conn: Conn) -> list[Email]:
            parts = [await conn.rows(_MAILS, {"subjects": some}) for some in _parts(about)]
            return [to_email(row) for rows in parts for row in rows]

        return await self._database.read(query)

    async def factors(self, user_id: UserId) -> Factors:
        row = await self._database.read(lambda conn: one(conn, _FACTORS, {"whose": user_id}))
        return Factors(user_id=user_id) if row is None else to_factors(row)


class SqlErasing(Erasing):
    def __init__(self, uow: SqlUnitOfWork) -> None:
        self._uow = uow

    async def administrators(self) -> list[UserId]:
        return [UserId(row.id) for row in await self._uow.conn.rows(_ADMINISTRATORS)]

    async def mails(self, about: Sequence[UUID]) -> None:
        for some in _parts(about):
            await self._uow.conn.run(_EMPTY_MAILS, {"subjects": some})

    async def refunds(self, orders: Sequence[UUID]) -> None:
        for some in _parts(orders):
            await self._uow.conn.run(_NO_REASONS, {"orders": some})

    async def reviews(self, user_id: UserId) -> None:
        if await self._uow.conn.run(_ANONYMISE, {"whose": user_id}):
            await figures_changed(self._uow.conn)

    async def traces(self, user_id: UserId, orders: Sequence[UUID]) -> None:
        owner = {"whose": person_name(user_id)}
        await self._uow.conn.run(_NO_CART, owner)
        await self._uow.conn.run(_NO_ANSWERS, owner)
        for some in _parts(orders):
            await self._uow.conn.run(_NO_ANSWERS_ABOUT, {"orders": some})

    async def account(self, user_id: UserId) -> None:
        """Foreign keys take along what hangs on it."""
        await self._uow.conn.run(_NO_ACCOUNT, {"whose": user_id})


class SqlPrivacy(Provider):
    @provide(scope=Scope.APP)
    def reads(self, database: Database) -> PersonalReads:
        return SqlPersonalReads(database)

    @provide(scope=Scope.REQUEST)
    def erasing(self, uow: SqlUnitOfWork) -> Erasing:
        return SqlErasing(uow)


def _parts(about: Sequence[UUID]) -> list[list[UUID]]:
    return [list(about[start : start + _AT_ONCE]) for start in range(0, len(about), _AT_ONCE)]


def _to_cart(row: Any) -> Cart:
    return Cart(
        id=CartId(row.id),
        owner=row.owner,
        lines=msgspec.convert(row.lines, tuple[CartLine, ...]),
        coupon=row.coupon,
        updated_at=row.updated_at,
        version=row.version,
    )


def _to_review(row: Any) -> Review:
    return Review(
        id=row.id,
        product_id=ProductId(row.product_id),
        user_id=UserId(row.user_id),
        author=row.author,
        rating=row.rating,
        title=row.title,
        body=row.body,
        created_at=row.created_at,
    )
