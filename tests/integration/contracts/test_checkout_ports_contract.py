"""What every `Carts`, `Shelf` and `Idempotency` must do."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from uuid import uuid4

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.core.cart.model import Cart, CartLine
from shop.core.catalog.model import ProductStatus
from shop.core.inventory.model import MoveKind, StockChange, StockMove
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import CartId, LineId, OrderId, VariantId
from shop.ports.cart import Carts
from shop.ports.catalog import Products
from shop.ports.idempotency import Idempotency, IdempotencyKey, Remembered
from shop.ports.inventory import Shelf, ShelfReads, StockLedger
from shop.ports.uow import UnitOfWork
from tests.kit.clock import NOON
from tests.kit.goods import on_shelf, reprice, reprice_within, stocked


class Undone(Exception):
    """Why a unit came to nothing."""


@asynccontextmanager
async def unit(container: AsyncContainer) -> AsyncIterator[AsyncContainer]:
    async with container() as scope, (await scope.get(UnitOfWork)).begin():
        yield scope


def a_cart(owner: str = "user:1") -> Cart:
    line = CartLine(
        id=LineId(uuid4()), variant_id=VariantId(uuid4()), quantity=2, seen_price=49_900
    )
    return Cart(id=CartId(uuid4()), owner=owner, lines=(line,), coupon="TEN", updated_at=NOON)


# --- carts -------------------------------------------------------------------------------------


async def test_a_cart_comes_back_equal_until_it_is_changed(container: AsyncContainer) -> None:
    cart = a_cart()
    async with unit(container) as scope:
        await (await scope.get(Carts)).add([cart])
    async with unit(container) as scope:
        carts = await scope.get(Carts)
        assert await carts.find(["user:1", "user:2"]) == {"user:1": cart}
        [saved] = await carts.save([cart.emptied(NOON)])
        assert saved == replace(cart, lines=(), coupon=None, version=1)
    async with unit(container) as scope:
        assert await (await scope.get(Carts)).find(["user:1"]) == {"user:1": saved}


async def test_an_owner_has_one_cart(container: AsyncContainer) -> None:
    async with unit(container) as scope:
        await (await scope.get(Carts)).add([a_cart()])
    with pytest.raises(StaleWrite):
        async with unit(container) as scope:
            await (await scope.get(Carts)).add([a_cart()])


async def test_the_second_of_two_writers_of_a_cart_is_refused(container: AsyncContainer) -> None:
    cart = a_cart()
    async with unit(container) as scope:
        await (await scope.get(Carts)).add([cart])
    async with unit(container) as scope:
        await (await scope.get(Carts)).save([cart])
    with pytest.raises(StaleWrite):
        async with unit(container) as scope:
            await (await scope.get(Carts)).save([cart])


async def test_carts_nobody_touched_are_forgotten_a_few_at_a_time(
    container: AsyncContainer,
) -> None:
    old = [replace(a_cart(f"user:{n}"), updated_at=NOON - timedelta(days=99)) for n in range(3)]
    async with unit(container) as scope:
        await (await scope.get(Carts)).add([*old, a_cart("user:new")])
    async with unit(container) as scope:
        carts = await scope.get(Carts)
        gone = [await carts.forget(NOON - timedelta(days=60), 2) for _ in range(3)]
        assert gone == [2, 1, 0]
        assert list(await carts.find(["user:0", "user:1", "user:2", "user:new"])) == ["user:new"]


# --- the shelf ---------------------------------------------------------------------------------


async def test_the_shelf_says_what_can_be_sold(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 7, price=12_300)
    async with unit(container) as scope:
        shelf = await scope.get(Shelf)
        found = await shelf.lock([variant, VariantId(uuid4())])
        assert list(found) == [variant]
        assert (found[variant].price.amount, found[variant].available) == (12_300, 7)
    reads = await container.get(ShelfReads)
    assert await reads.find([variant, VariantId(uuid4()), variant]) == found
    assert await reads.find([]) == {}


async def test_the_shelf_sees_an_edit_at_once(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 7, price=12_300)
    for price in (12_300, 15_000, 9_900):
        await reprice(container, variant, price)
        for _ in range(2):  # what was kept from before, then what is kept from now on
            assert await prices(container, variant) == (price, price)


async def test_an_edit_that_was_undone_was_never_seen(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 7, price=12_300)
    assert await prices(container, variant) == (12_300, 12_300)
    with suppress(Undone):
        async with unit(container) as scope:
            await reprice_within(scope, variant, 1)
            found = await (await scope.get(Shelf)).find([variant])
            assert found[variant].price.amount == 1
            raise Undone
    await stocked(container, 1)  # an edit again, of something else
    assert await prices(container, variant) == (12_300, 12_300)


async def prices(container: AsyncContainer, variant: VariantId) -> tuple[int, int]:
    """What a unit of work finds, and what a query does."""
    async with unit(container) as scope:
        there = await (await scope.get(Shelf)).find([variant])
    read = await (await container.get(ShelfReads)).find([variant])
    return there[variant].price.amount, read[variant].price.amount


async def test_stock_changes_add_up(container: AsyncContainer) -> None:
    one, two = await stocked(container, 7, 5)
    async with unit(container) as scope:
        await (await scope.get(Shelf)).change(
            [
                StockChange(variant_id=one, held=4),
                StockChange(variant_id=two, on_hand=-2),
            ]
        )
    async with unit(container) as scope:
        await (await scope.get(Shelf)).change([StockChange(variant_id=one, on_hand=-3, held=-3)])
    assert await on_shelf(container, one) == (4, 1)
    assert await on_shelf(container, two) == (3, 0)


@pytest.mark.parametrize(
    ("on_hand", "held"), [(0, 8), (-8, 0), (0, -1), (-1, 7)], ids=["held", "sold", "below", "both"]
)
async def test_no_more_than_there_is_can_be_taken(
    container: AsyncContainer, on_hand: int, held: int
) -> None:
    one, two = await stocked(container, 7, 7)
    with pytest.raises(StaleWrite):
        async with unit(container) as scope:
            await (await scope.get(Shelf)).change(
                [
                    StockChange(variant_id=two, held=1),
                    StockChange(variant_id=one, on_hand=on_hand, held=held),
                ]
            )
    assert await on_shelf(container, one) == (7, 0)
    assert await on_shelf(container, two) == (7, 0)


async def test_nothing_is_taken_at_another_price_than_it_has(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 7, price=12_300)
    for price, left in ((12_299, 7), (12_300, 6)):
        taken = StockChange(variant_id=variant, on_hand=-1, sold_at=price)
        with suppress(StaleWrite):
            async with unit(container) as scope:
                await (await scope.get(Shelf)).change([taken])
        assert await on_shelf(container, variant) == (left, 0)


async def test_nothing_is_taken_that_is_not_on_sale_any_more(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 7, price=12_300)
    async with unit(container) as scope:
        products = await scope.get(Products)
        item = (await (await scope.get(Shelf)).find([variant]))[variant]
        old = await products.get(item.product_id)
        product, _ = old.changed(NOON, replace(old, status=ProductStatus.DRAFT))
        await products.save([product])
    with pytest.raises(StaleWrite):
        async with unit(container) as scope:
            await (await scope.get(Shelf)).change(
                [StockChange(variant_id=variant, held=1, sold_at=12_300)]
            )
    async with unit(container) as scope:  # what was bought before is given back all the same
        await (await scope.get(Shelf)).change([StockChange(variant_id=variant, on_hand=2)])
    assert await on_shelf(container, variant) == (9, 0)


async def test_the_ledger_keeps_every_move(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 7)
    move = StockMove(
        id=uuid4(),
        variant_id=variant,
        delta=-2,
        kind=MoveKind.SOLD,
        order_id=OrderId(uuid4()),
        at=NOON,
    )
    async with unit(container) as scope:
        await (await scope.get(Shelf)).record([move])
    moves = await (await container.get(StockLedger)).moves(variant)
    assert move in moves
    assert sum(m.delta for m in moves) == 5


# --- keys --------------------------------------------------------------------------------------


def a_row(key: str = "k", caller: str = "user:1", answer: bytes | None = b"{}") -> Remembered:
    return Remembered(
        key=IdempotencyKey(key, caller),
        digest=b"d" * 32,
        order_id=OrderId(uuid4()),
        answer=answer,
        at=NOON,
    )


async def test_a_key_belongs_to_its_caller(container: AsyncContainer) -> None:
    mine, yours = a_row(), a_row(caller="user:2")
    async with unit(container) as scope:
        await (await scope.get(Idempotency)).add([mine, yours])
    async with unit(container) as scope:
        keys = await scope.get(Idempotency)
        assert await keys.find([mine.key]) == {mine.key: mine}
        assert await keys.find([IdempotencyKey("k", "user:3")]) == {}


async def test_a_key_is_stored_once(container: AsyncContainer) -> None:
    async with unit(container) as scope:
        await (await scope.get(Idempotency)).add([a_row()])
    with pytest.raises(StaleWrite):
        async with unit(container) as scope:
            await (await scope.get(Idempotency)).add([a_row()])


async def test_the_first_answer_of_a_key_stays(container: AsyncContainer) -> None:
    row = a_row(answer=None)
    async with unit(container) as scope:
        keys = await scope.get(Idempotency)
        await keys.add([row])
        await keys.answer(row.key, b"first")
        await keys.answer(row.key, b"second")
    async with unit(container) as scope:
        found = await (await scope.get(Idempotency)).find([row.key])
        assert found[row.key].answer == b"first"


async def test_old_keys_are_forgotten(container: AsyncContainer) -> None:
    async with unit(container) as scope:
        keys = await scope.get(Idempotency)
        await keys.add([a_row()])
        assert await keys.forget(NOON) == 0
        assert await keys.forget(NOON + timedelta(seconds=1)) == 1
        assert await keys.find([a_row().key]) == {}
