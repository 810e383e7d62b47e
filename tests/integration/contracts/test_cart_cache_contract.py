"""What holds of every `CartCache`."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from msgspec.structs import replace

from shop.adapters.memory.cart import MemoryCartCache
from shop.adapters.redis.carts import RedisCartCache
from shop.adapters.redis.line import Line
from shop.core.cart.model import Cart, CartLine
from shop.core.kernel.ids import CartId, LineId, VariantId
from shop.ports.cart import CartCache
from tests.kit.clock import NOON, ManualClock


def a_cart(owner: str = "user:1", made: int = 1_700_000_000_000, version: int = 0) -> Cart:
    """Its id says when it was made, in milliseconds."""
    line = CartLine(
        id=LineId(uuid4()), variant_id=VariantId(uuid4()), quantity=2, seen_price=49_900
    )
    return Cart(
        id=CartId(UUID(int=(made << 80) + 7)),
        owner=owner,
        lines=(line,),
        coupon="ZEHN €",
        updated_at=NOON + timedelta(microseconds=1),
        version=version,
    )


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[CartCache]:
    if request.param == "memory":
        yield MemoryCartCache(ManualClock())
        return
    line = Line(request.getfixturevalue("redis_url"))
    yield RedisCartCache(line)
    await line.close()


async def test_a_cart_comes_back_equal_and_an_unknown_one_not_at_all(cache: CartCache) -> None:
    one, other = a_cart(), a_cart("cart:ab", version=3)
    await cache.keep([one, other])
    found = await cache.find(["user:1", "cart:ab", "user:2", "user:1"])
    assert found == {"user:1": one, "cart:ab": other}
    assert await cache.find([]) == {}


async def test_a_newer_version_replaces_an_older_one_and_never_the_other_way(
    cache: CartCache,
) -> None:
    versions = [a_cart(version=number) for number in range(12)]
    for number in (0, 9, 2, 10, 9, 8):
        await cache.keep([versions[number]])
    assert await cache.find(["user:1"]) == {"user:1": versions[10]}


async def test_of_many_who_tell_at_once_the_newest_is_believed(cache: CartCache) -> None:
    versions = [a_cart(version=number) for number in range(30)]
    await asyncio.gather(*(cache.keep([cart]) for cart in versions[::3] + versions[::-1]))
    assert await cache.find(["user:1"]) == {"user:1": versions[-1]}


async def test_a_cart_that_was_made_anew_counts_more_than_the_one_that_was_forgotten(
    cache: CartCache,
) -> None:
    old, new = a_cart(version=7), a_cart(made=1_700_000_000_001)
    await cache.keep([old])
    await cache.keep([new])
    await cache.keep([replace(old, version=8)])
    assert await cache.find(["user:1"]) == {"user:1": new}


async def test_what_is_as_old_as_what_is_kept_does_not_make_it_last_longer(
    cache: CartCache,
) -> None:
    first, again = a_cart(), a_cart()
    await cache.keep([first])
    await cache.keep([again])
    assert await cache.find(["user:1"]) == {"user:1": first}
