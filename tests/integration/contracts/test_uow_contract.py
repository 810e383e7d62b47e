"""What every `UnitOfWork` and `Units` must do."""

import asyncio
from contextlib import suppress
from uuid import uuid4

import pytest
from dishka import AsyncContainer

from shop.core.cart.model import Cart, CartMerged
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import CartId
from shop.ports.cart import Carts
from shop.ports.outbox import Outbox
from shop.ports.uow import UnitOfWork, Units
from tests.kit.clock import NOON


def a_cart(owner: str) -> Cart:
    return Cart(id=CartId(uuid4()), owner=owner, updated_at=NOON)


def a_fact() -> CartMerged:
    return CartMerged(cart_id=CartId(uuid4()), from_cart_id=CartId(uuid4()), at=NOON)


async def stored(container: AsyncContainer, owner: str) -> Cart | None:
    async with container() as scope:
        uow, carts = await scope.get(UnitOfWork), await scope.get(Carts)
        async with uow.begin():
            found: Cart | None = (await carts.find([owner])).get(owner)
            return found


async def test_what_a_block_wrote_is_there_afterwards(container: AsyncContainer) -> None:
    cart, fact = a_cart("user:1"), a_fact()
    async with container() as scope:
        uow, carts = await scope.get(UnitOfWork), await scope.get(Carts)
        async with uow.begin():
            await carts.add([cart])
            uow.emit(fact, correlation="call-1")
    assert await stored(container, "user:1") == cart
    [envelope] = await (await container.get(Outbox)).oldest(10)
    assert (envelope.kind, envelope.key, envelope.topic) == (
        "shop.cart.merged.v1",
        fact.cart_id,
        "shop.carts",
    )
    assert b'"correlationid":"call-1"' in envelope.body


async def test_an_error_undoes_writes_and_events(container: AsyncContainer) -> None:
    async with container() as scope:
        uow, carts = await scope.get(UnitOfWork), await scope.get(Carts)
        with pytest.raises(ZeroDivisionError):
            async with uow.begin():
                await carts.add([a_cart("user:1")])
                uow.emit(a_fact())
                raise ZeroDivisionError
        async with uow.begin():
            assert await carts.find(["user:1"]) == {}
    assert await (await container.get(Outbox)).oldest(10) == []  # not even after the next block


async def test_a_block_that_is_cancelled_leaves_nothing(container: AsyncContainer) -> None:
    inside = asyncio.Event()

    async def forever() -> None:
        async with container() as scope:
            uow, carts = await scope.get(UnitOfWork), await scope.get(Carts)
            async with uow.begin():
                await carts.add([a_cart("user:1")])
                inside.set()
                await asyncio.Event().wait()

    task = asyncio.create_task(forever())
    await inside.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await stored(container, "user:1") is None


async def test_blocks_do_not_nest(container: AsyncContainer) -> None:
    async with container() as scope:
        uow = await scope.get(UnitOfWork)
        async with uow.begin():
            with pytest.raises(RuntimeError):
                async with uow.begin():
                    pass


async def test_using_a_repository_outside_a_block_is_a_bug(container: AsyncContainer) -> None:
    async with container() as scope:
        carts = await scope.get(Carts)
        with pytest.raises(RuntimeError):
            await carts.find(["user:1"])


async def test_writers_do_not_lose_each_others_changes(container: AsyncContainer) -> None:
    """Each reads, gives the others room, and writes: nobody's write may be lost."""

    async def one() -> None:
        async with container() as scope:
            uow, carts = await scope.get(UnitOfWork), await scope.get(Carts)
            async with uow.begin():
                have = await carts.find(["user:1"])
                await asyncio.sleep(0)
                cart = have.get("user:1")
                if cart is None:
                    await carts.add([a_cart("user:1")])
                else:
                    await carts.save([cart])

    async def insistent() -> None:
        """Storages without a queue for writers let all but one lose at a time."""
        for _ in range(20):
            with suppress(StaleWrite):
                return await one()
        raise AssertionError("Twenty writers, and one lost more than twenty times.")

    await asyncio.gather(*(insistent() for _ in range(20)))
    cart = await stored(container, "user:1")
    assert cart is not None
    assert cart.version == 19


async def test_a_lost_race_says_whether_anything_was_stored_before(
    container: AsyncContainer,
) -> None:
    async with container() as scope:
        uow, carts = await scope.get(UnitOfWork), await scope.get(Carts)

        async def lose() -> bool:
            with pytest.raises(StaleWrite) as lost:
                async with uow.begin():
                    await carts.save([a_cart("nobody")])
            return lost.value.untouched

        assert await lose()
        async with uow.begin():
            await carts.add([a_cart("user:1")])
        assert not await lose()


async def test_a_unit_can_be_run_where_the_storage_likes_it(container: AsyncContainer) -> None:
    units = await container.get(Units)

    async def unit(n: int) -> int:
        async with container() as scope:
            uow, carts = await scope.get(UnitOfWork), await scope.get(Carts)
            async with uow.begin():
                await carts.add([a_cart(f"user:{n}")])
                if n == 3:
                    raise ZeroDivisionError
        return n

    done = await asyncio.gather(*(units.run(unit(n)) for n in range(6)), return_exceptions=True)
    assert [n for n in done if isinstance(n, int)] == [0, 1, 2, 4, 5]
    assert await stored(container, "user:3") is None
    assert await stored(container, "user:5") is not None
