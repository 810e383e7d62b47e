"""Carts in Redis: shown without the database's row, never for long instead of a newer one."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from shop.adapters.redis.carts import RedisCartCache
from shop.adapters.redis.line import Line
from shop.entrypoints.actors.desks import CartDesk
from shop.ports.cart import SHOWN_FOR
from shop.settings import Cache, Settings, Url
from tests.integration.contracts.test_cart_cache_contract import a_cart
from tests.kit.goods import reprice
from tests.kit.servers import Process, flush_redis
from tests.kit.site import API, Headers, Shop, a_shop

AWAY = Url("redis://127.0.0.1:1/0")


async def shown(shop: Shop, who: Headers) -> dict[str, Any]:
    answer = await shop.client.get(f"{API}/cart", headers=who)
    assert answer.status_code == 200, answer.text
    cart: dict[str, Any] = answer.json()
    return cart


async def quantities(shop: Shop, who: Headers) -> list[int]:
    return [item["quantity"] for item in (await shown(shop, who))["items"]]


def asked_of(desk: Any) -> list[Any]:
    """What that desk is asked from now on."""
    asked: list[Any] = []
    ask = desk.ask

    async def noted(command: Any, **more: Any) -> Any:
        asked.append(command)
        return await ask(command, **more)

    desk.ask = noted
    return asked


@pytest.fixture
async def shop(storage: str, tmp_path: Path, redis_url: str) -> AsyncIterator[Shop]:
    async with a_shop(storage, tmp_path, cache=Cache(url=Url(redis_url))) as shop:
        yield shop


async def another(shop: Shop, folder: Path, **changes: Any) -> Any:
    """A replica on the same database, and unless said otherwise on the same Redis."""
    settings = await shop.container.get(Settings)
    given = {"database": settings.database, "cache": settings.cache} | changes
    return a_shop("memory", folder / "other", **given)


async def test_what_was_put_in_is_shown_without_the_desk(shop: Shop) -> None:
    [variant] = await shop.goods(20)
    who = await shop.guest(variant, 2)
    asked = asked_of(await shop.container.get(CartDesk))
    assert await quantities(shop, who) == [2]
    assert asked == []
    await shop.put(who, variant, 3)
    assert len(asked) == 1
    assert await quantities(shop, who) == [5]
    assert len(asked) == 1


async def test_price_and_stock_are_those_of_now(shop: Shop) -> None:
    [variant] = await shop.goods(20)
    who = await shop.guest(variant, 2)
    asked = asked_of(await shop.container.get(CartDesk))
    [before] = (await shown(shop, who))["items"]
    await shop.check_out(await shop.guest(variant, 15))
    await reprice(shop.container, variant, before["unit_price"]["amount"] + 100)
    del asked[:]
    cart = await shown(shop, who)
    [after] = cart["items"]
    assert after["unit_price"]["amount"] == before["unit_price"]["amount"] + 100
    assert cart["breakdown"]["items"]["amount"] == 2 * after["unit_price"]["amount"]
    assert (before["available"], after["available"]) == (20, 5)
    assert after["notice"] == "price-changed"
    assert asked == []


async def test_a_cart_is_empty_after_checkout_and_after_a_sign_in_took_it_along(
    shop: Shop,
) -> None:
    [variant] = await shop.goods(20)
    buyer = await shop.guest(variant)
    assert (await shop.check_out(buyer)).status_code == 201
    assert await quantities(shop, buyer) == []
    guest = await shop.guest(variant, 4)
    mine = await shop.somebody("asha@example.com")
    login = {"email": "asha@example.com", "password": "three green kettles"}
    await shop.client.post(f"{API}/login", json=login, headers=guest)
    assert await quantities(shop, mine) == [4]
    assert await quantities(shop, guest) == []


async def test_an_unknown_cart_is_opened_and_then_at_hand(shop: Shop) -> None:
    who = {"X-Cart-Token": "t" * 30}
    first = await shown(shop, who)
    asked = asked_of(await shop.container.get(CartDesk))
    assert await shown(shop, who) == first
    assert asked == []


async def test_flushed_or_unreadable_carts_come_from_the_database(
    shop: Shop, redis_url: str
) -> None:
    [variant] = await shop.goods(20)
    who = await shop.guest(variant, 2)
    flush_redis(redis_url)
    assert await quantities(shop, who) == [2]
    async with asyncio.timeout(5):
        line = Line(redis_url)
        for key in await line.client.keys("shop:shown:*"):
            await line.client.set(key, b"99999999999999:1:{")
        await line.close()
    assert await quantities(shop, who) == [2]


async def test_without_redis_carts_are_as_right_as_ever(storage: str, tmp_path: Path) -> None:
    async with a_shop(storage, tmp_path, cache=Cache(url=AWAY)) as shop:
        [variant] = await shop.goods(20)
        who = await shop.guest(variant, 2)
        await shop.put(who, variant)
        assert await quantities(shop, who) == [3]
        assert (await shop.check_out(who)).status_code == 201
        assert await quantities(shop, who) == []


@pytest.mark.parametrize("storage", ["mysql"])
async def test_replicas_show_what_any_of_them_stored(shop: Shop, tmp_path: Path) -> None:
    [variant] = await shop.goods(50)
    async with await another(shop, tmp_path) as other:
        who = await shop.guest(variant)
        asked = asked_of(await other.container.get(CartDesk))
        for one, two in ((shop, other), (other, shop)) * 3:
            await one.put(who, variant)
            assert await quantities(two, who) == await quantities(one, who)
        assert await quantities(other, who) == [7]
        assert len(asked) == 3  # what was put in there


@pytest.mark.parametrize("storage", ["mysql"])
async def test_checkout_sells_what_is_stored_whatever_a_replica_shows(
    shop: Shop, tmp_path: Path
) -> None:
    """The other replica is cut off from Redis, so this one does not hear what it stored."""
    [variant] = await shop.goods(50)
    async with await another(shop, tmp_path, cache=Cache(url=AWAY)) as cut_off:
        who = await shop.guest(variant)
        await cut_off.put(who, variant, 4)
        assert await quantities(cut_off, who) == [5]
        assert await quantities(shop, who) == [1]  # for a minute at most
        placed = await shop.check_out(who)
    assert [line["quantity"] for line in placed.json()["order"]["items"]] == [5]
    assert await quantities(shop, who) == []


# --- what Redis could not be told ----------------------------------------------------------------


def cache_at(url: str) -> tuple[RedisCartCache, Line, list[float]]:
    now = [0.0]
    line = Line(url, clock=lambda: now[0], chance=lambda: 0.0)
    return RedisCartCache(line, clock=lambda: now[0]), line, now


async def lost(cache: RedisCartCache, line: Line, server: Process) -> None:
    """One answer does not come in time, so that Redis is spared for a moment."""
    server.pause()
    await cache.find(["nobody"])
    server.resume()
    assert line.down


async def test_what_could_not_be_told_is_told_before_anything_is_shown_again(
    own_redis: tuple[str, Process],
) -> None:
    url, server = own_redis
    mine, line, now = cache_at(url)
    theirs, their_line, _ = cache_at(url)
    old, new, others = a_cart(), a_cart(version=1), a_cart("user:2")
    await mine.keep([old, others])
    await lost(mine, line, server)
    await mine.keep([new])
    assert await mine.find(["user:1", "user:2"]) == {}
    assert await theirs.find(["user:1"]) == {"user:1": old}
    now[0] += 10
    assert await mine.find(["user:1", "user:2"]) == {"user:1": new, "user:2": others}
    assert await theirs.find(["user:1"]) == {"user:1": new}
    await line.close()
    await their_line.close()


async def test_what_would_have_run_out_meanwhile_is_not_told_any_more(
    own_redis: tuple[str, Process],
) -> None:
    url, server = own_redis
    mine, line, now = cache_at(url)
    await lost(mine, line, server)
    await mine.keep([a_cart(version=1), a_cart("user:2")])
    now[0] = SHOWN_FOR.total_seconds() / 2
    await mine.keep([a_cart("user:2", version=1)])
    now[0] = SHOWN_FOR.total_seconds() + 1
    found = await mine.find(["user:1", "user:2"])
    assert {owner: cart.version for owner, cart in found.items()} == {"user:2": 1}
    await line.close()


async def test_only_so_many_are_remembered_that_could_not_be_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shop.adapters.redis.carts._MOST", 10)
    mine, line, _ = cache_at(AWAY)
    await mine.keep([a_cart(f"user:{number}") for number in range(30)])
    assert list(mine._untold) == [f"user:{number}" for number in range(20, 30)]  # noqa: SLF001
    await line.close()
