"""A repeated checkout is answered from Redis: the same bytes, and never what was not committed."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from shop.core.checkout.drafting import PlaceOrder
from shop.core.checkout.service import Checkout
from shop.core.checkout.tidying import KEYS_KEPT
from shop.ports.idempotency import AT_HAND
from shop.settings import Cache, Settings, Url
from tests.integration.redis.test_carts_at_hand import AWAY
from tests.kit.servers import flush_redis
from tests.kit.site import Shop, a_shop


@pytest.fixture
async def shop(storage: str, tmp_path: Path, redis_url: str) -> AsyncIterator[Shop]:
    async with a_shop(storage, tmp_path, cache=Cache(url=Url(redis_url))) as shop:
        yield shop


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[PlaceOrder]:
    """The commands for which the database is asked."""
    seen: list[PlaceOrder] = []
    real = Checkout.place_all

    async def noted(self: Checkout, commands: Sequence[PlaceOrder]) -> Any:
        seen.extend(commands)
        return await real(self, commands)

    monkeypatch.setattr(Checkout, "place_all", noted)
    return seen


@pytest.mark.parametrize("method", ["online", "cod"])
async def test_a_repeat_gets_the_first_answer_without_the_database(
    shop: Shop, asked: list[PlaceOrder], method: str
) -> None:
    [variant] = await shop.goods(20)
    who = await shop.guest(variant) | shop.key()
    del asked[:]
    first = await shop.check_out(who, payment_method=method)
    assert first.status_code == 201
    assert "idempotent-replayed" not in first.headers
    for _ in range(2):
        again = await shop.check_out(who, payment_method=method)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        assert again.headers["content-type"] == first.headers["content-type"]
    assert len(asked) == 1


async def test_a_key_that_was_another_requests_is_refused_without_the_database(
    shop: Shop, asked: list[PlaceOrder]
) -> None:
    [variant] = await shop.goods(20)
    who = await shop.guest(variant) | shop.key()
    assert (await shop.check_out(who)).status_code == 201
    del asked[:]
    other = await shop.check_out(who, email="b@example.com")
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert asked == []


async def test_repeats_and_first_calls_may_come_together(
    shop: Shop, asked: list[PlaceOrder]
) -> None:
    [variant] = await shop.goods(50)
    old = [await shop.guest(variant) | shop.key() for _ in range(5)]
    before = [await shop.check_out(who) for who in old]
    new = [await shop.guest(variant) | shop.key() for _ in range(5)]
    del asked[:]
    mixed = [who for pair in zip(old, new, strict=True) for who in pair]
    answers = await asyncio.gather(*(shop.check_out(who) for who in mixed))
    assert [answer.content for answer in answers[::2]] == [answer.content for answer in before]
    assert len({answer.json()["order"]["id"] for answer in answers}) == 10
    assert len(asked) == 5


async def test_somebody_elses_key_of_that_name_is_their_own(shop: Shop) -> None:
    [variant] = await shop.goods(20)
    key = shop.key()
    one = await shop.check_out(await shop.guest(variant) | key)
    two = await shop.check_out(await shop.guest(variant) | key)
    assert (one.status_code, two.status_code) == (201, 201)
    assert one.json()["order"]["id"] != two.json()["order"]["id"]


async def test_a_refusal_is_no_answer_to_keep(shop: Shop) -> None:
    [variant] = await shop.goods(1)
    first, second = await shop.guest(variant), await shop.guest(variant)
    key = shop.key()
    assert (await shop.check_out(first)).status_code == 201
    assert (await shop.check_out(second | key)).json()["code"] == "out-of-stock"
    [other] = await shop.goods(5)
    cart = (await shop.client.get("/api/v1/cart", headers=second)).json()
    await shop.client.delete(f"/api/v1/cart/items/{cart['items'][0]['id']}", headers=second)
    await shop.put(second, other)
    placed = await shop.check_out(second | key)
    assert placed.status_code == 201
    assert "idempotent-replayed" not in placed.headers


async def test_what_redis_forgot_the_database_knows(
    shop: Shop, asked: list[PlaceOrder], redis_url: str
) -> None:
    [variant] = await shop.goods(20)
    who = await shop.guest(variant) | shop.key()
    first = await shop.check_out(who)
    flush_redis(redis_url)
    del asked[:]
    for _ in range(2):  # and then Redis knows it again
        again = await shop.check_out(who)
        assert again.content == first.content
        assert again.headers["idempotent-replayed"] == "true"
    assert len(asked) == 1


async def test_without_redis_a_repeat_orders_nothing_either(storage: str, tmp_path: Path) -> None:
    async with a_shop(storage, tmp_path, cache=Cache(url=AWAY)) as shop:
        [variant] = await shop.goods(20)
        who = await shop.guest(variant) | shop.key()
        first = await shop.check_out(who)
        again = await shop.check_out(who)
        assert (again.status_code, again.content) == (201, first.content)
        assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize("storage", ["mysql"])
async def test_a_repeat_may_come_to_another_replica(
    shop: Shop, asked: list[PlaceOrder], tmp_path: Path
) -> None:
    settings = await shop.container.get(Settings)
    given: dict[str, Any] = {"database": settings.database, "cache": settings.cache}
    [variant] = await shop.goods(20)
    who = await shop.guest(variant) | shop.key()
    first = await shop.check_out(who)
    async with a_shop("memory", tmp_path / "other", **given) as other:
        del asked[:]
        again = await other.check_out(who)
        assert (again.status_code, again.content, asked) == (201, first.content, [])


def test_an_answer_is_forgotten_before_the_database_forgets_its_key() -> None:
    assert AT_HAND < KEYS_KEPT
