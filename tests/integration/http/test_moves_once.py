"""Every move of an order is made once for a key, and answered the same way again."""

from typing import Any

import httpx
import pytest

from shop.core.checkout.links import PaymentLinks
from shop.core.checkout.once import LEASE, Attempt, Once
from shop.core.kernel.access import NOBODY
from shop.core.kernel.ids import OrderId
from shop.core.orders.visitor import Visitor
from shop.ports.idempotency import IdempotencyKey, KeyInProgress, KeyReused
from shop.ports.uow import UnitOfWork
from tests.kit.goods import stocked
from tests.kit.orders import an_order, shown, using
from tests.kit.site import ADMIN, API, Headers, Shop

PARCEL = {"carrier": "Blue Post", "tracking_number": "T1"}
SEEN = {"status": "seen", "description": "Sorted", "occurred_at": "2026-01-02T03:04:05Z"}


async def twice(
    site: Shop, path: str, who: Headers, key: str, body: dict[str, Any] | None
) -> httpx.Response:
    """The same request two times: the second changes nothing and gets the same bytes."""
    headers = {**who, "Idempotency-Key": key}
    first = await site.client.post(path, headers=headers, json=body)
    again = await site.client.post(path, headers=headers, json=body)
    assert first.is_success, first.text
    assert (again.status_code, again.content) == (first.status_code, first.content), path
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    return first


async def timeline(site: Shop, placed: dict[str, Any]) -> list[str]:
    url = f"{API}/orders/{placed['order']['id']}"
    order = (await site.client.get(url, headers=placed["opens"])).json()
    return [entry["description"] for entry in order["timeline"]]


async def test_each_move_of_a_parcel_happens_once_for_its_key(site: Shop) -> None:
    staff = await site.staff()
    placed = await site.order()
    await site.pay(placed)
    moves = f"{ADMIN}/orders/{placed['order']['id']}"
    await twice(site, f"{moves}/pack", staff, "p", None)
    await twice(site, f"{moves}/ship", staff, "s", PARCEL)
    await twice(site, f"{moves}/tracking-events", staff, "t", SEEN)
    await twice(site, f"{moves}/deliver", staff, "d", None)
    wish = {"items": [{"variant_id": str(placed["variant"])}], "reason": "Too small"}
    returns = f"{API}/orders/{placed['order']['id']}/returns"
    await twice(site, returns, placed["opens"], "r", wish)
    told = await timeline(site, placed)
    for once in ("Packed", "Handed to Blue Post", "Sorted", "Delivered"):
        assert told.count(once) == 1
    assert sum("Too small" in line for line in told) == 1


async def test_a_key_that_was_used_for_another_move_is_refused_and_nothing_moves(
    site: Shop,
) -> None:
    staff = await site.staff()
    placed = await site.order()
    await site.pay(placed)
    moves = f"{ADMIN}/orders/{placed['order']['id']}"
    await twice(site, f"{moves}/pack", staff, "one", None)
    headers = {**staff, "Idempotency-Key": "one"}
    other = await site.client.post(f"{moves}/ship", headers=headers, json=PARCEL)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert "Handed to Blue Post" not in await timeline(site, placed)


async def test_a_refused_move_may_be_repeated_with_its_key(site: Shop) -> None:
    staff = await site.staff()
    placed = await site.order()
    moves = f"{ADMIN}/orders/{placed['order']['id']}"
    headers = {**staff, "Idempotency-Key": "early"}
    early = await site.client.post(f"{moves}/pack", headers=headers)
    assert (early.status_code, early.json()["code"]) == (409, "order-state")
    await site.pay(placed)
    assert (await site.client.post(f"{moves}/pack", headers=headers)).status_code == 200


async def test_a_new_link_is_made_once_for_its_key(site: Shop) -> None:
    placed = await site.order()
    path = f"{API}/orders/{placed['order']['id']}/payment-link"
    answer = await twice(site, path, placed["opens"], "link", None)
    assert answer.json()["payment"]["url"] != placed["payment"]["url"]
    url = f"{API}/orders/{placed['order']['id']}"
    order = (await site.client.get(url, headers=placed["opens"])).json()
    assert order["payment_link"] == answer.json()["payment"]["url"]


async def test_a_link_whose_maker_died_is_answered_after_its_time_and_not_made_again(
    site: Shop,
) -> None:
    container = site.container
    [variant] = await stocked(container, 5)
    order_id = (await an_order(container, variant)).order.id
    attempt = Attempt(key=IdempotencyKey("died", f"order:{order_id}"), digest=b"d" * 32)
    async with container() as scope:
        uow, once = await scope.get(UnitOfWork), await scope.get(Once)
        async with uow.begin():
            await once.keep(attempt, order_id, None, 200, site.clock.now())

    async def renew(attempt: Attempt) -> tuple[bytes, bool]:
        visitor = Visitor(caller=NOBODY, opened=OrderId(order_id))
        async with using(container, PaymentLinks) as links:
            return await links.renew(visitor, OrderId(order_id), lambda *_: b"answer", attempt)

    with pytest.raises(KeyInProgress):
        await renew(attempt)
    site.clock.advance(LEASE.total_seconds())
    assert await renew(attempt) == (b"answer", True)
    assert await renew(attempt) == (b"answer", True)
    assert len((await shown(container, order_id)).payments) == 1
    with pytest.raises(KeyReused):
        await renew(Attempt(key=attempt.key, digest=b"e" * 32))
