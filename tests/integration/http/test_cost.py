"""What a call costs must not depend on how much there is, and must leave nothing behind."""

import gc
import json
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shop.adapters.sql.database import Database
from shop.entrypoints.actors import catalog_watch
from tests.kit.site import API, HOME, Headers, Shop, a_shop

ROUNDS = 25


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """Looks at the catalogue's counter when told to, so that only requests are counted."""
    monkeypatch.setattr(catalog_watch, "PERIOD", 3600.0)
    async with a_shop("sqlite", tmp_path) as shop:
        yield shop


@contextmanager
def counted(connections: list[sqlite3.Connection]) -> Iterator[list[str]]:
    """What the driver runs meanwhile; executemany counts once a row, as its rows do."""
    seen: list[str] = []
    for connection in connections:
        connection.set_trace_callback(seen.append)
    try:
        yield seen
    finally:
        for connection in connections:
            connection.set_trace_callback(None)


async def connections_of(shop: Shop) -> list[sqlite3.Connection]:
    database: Any = await shop.container.get(Database)
    return [lane.conn._raw for lane in (database._writer, *database._lanes)]  # noqa: SLF001


def statements(seen: list[str]) -> list[str]:
    """The different texts, without the values: rows of one `executemany` are one statement."""
    kinds: list[str] = []
    for text in seen:
        kind = " ".join(text.split()[:3])
        if not kinds or kinds[-1] != kind:
            kinds.append(kind)
    return kinds


async def cost(shop: Shop, method: str, path: str, **more: Any) -> list[str]:
    await shop.goods()  # look again, so that nothing is answered from memory
    with counted(await connections_of(shop)) as seen:
        answer = await shop.client.request(method, f"{API}/{path}", **more)
    assert answer.status_code < 300, answer.text
    return statements(seen)


async def all_costs(shop: Shop, lines: int) -> dict[str, int]:
    variants = await shop.goods(*[50] * (lines + 1))
    guest: Headers = {}
    for variant in variants[:-1]:
        if guest:
            assert (await shop.put(guest, variant)).status_code == 200
        else:
            guest = await shop.guest(variant)
    listed = (await shop.client.get(f"{API}/products?limit=1")).json()["items"][0]
    item = {"variant_id": str(variants[-1]), "quantity": 1}
    assert (await shop.check_out(await shop.guest(variants[0]))).status_code == 201  # warms up
    found = {
        "list": await cost(shop, "GET", "products"),
        "facets": await cost(shop, "GET", "products?facets=true&limit=100"),
        "search": await cost(shop, "GET", "products?q=thing"),
        "suggest": await cost(shop, "GET", "search/suggest?q=thi"),
        "detail": await cost(shop, "GET", f"products/{listed['slug']}"),
        "categories": await cost(shop, "GET", "categories"),
        "cart": await cost(shop, "GET", "cart", headers=guest),
        "add": await cost(shop, "POST", "cart/items", headers=guest, json=item),
    }
    with counted(await connections_of(shop)) as seen:
        assert (await shop.check_out(guest)).status_code == 201
    found["checkout"] = statements(seen)
    return {name: len(texts) for name, texts in found.items()}


async def test_more_goods_and_longer_carts_need_no_more_statements(site: Shop) -> None:
    few = await all_costs(site, 2)
    many = await all_costs(site, 40)
    assert many == few
    assert all(few.values())


async def asked(
    shop: Shop, method: str, path: str, headers: Headers | None = None, body: Any = None
) -> tuple[int, Headers]:
    """By hand, because the client used elsewhere makes cycles of its own."""
    raw = b"" if body is None else json.dumps(body).encode()
    given = {"content-type": "application/json", **(headers or {})}
    path, _, query = f"{API}/{path}".partition("?")
    said: list[Any] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode()) for k, v in given.items()],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 8000),
        "state": {},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": raw, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await shop.edge(scope, receive, send)
    start = next(one for one in said if one["type"] == "http.response.start")
    return start["status"], {k.decode(): v.decode() for k, v in start["headers"]}


async def visit(shop: Shop, turn: int, slug: str, variant: Any) -> list[int]:
    item = {"variant_id": str(variant), "quantity": 1}
    wrong = {"variant_id": str(variant), "quantity": 1_000}
    order = {"payment_method": "online", "shipping_address": HOME, "email": "a@example.com"}
    added, headers = await asked(shop, "POST", "cart/items", body=item)
    guest = {"x-cart-token": headers["x-cart-token"]}
    key = {"idempotency-key": f"key-{turn}"}
    return [
        (await asked(shop, "GET", f"products?limit={turn % 90 + 1}"))[0],
        (await asked(shop, "GET", f"products/{slug}"))[0],
        added,
        (await asked(shop, "POST", "checkout", guest | key, order))[0],
        (await asked(shop, "GET", f"products/nothing-{turn}"))[0],
        (await asked(shop, "POST", "cart/items", guest, wrong))[0],
        (await asked(shop, "POST", "checkout", guest | {"idempotency-key": "x"}, order))[0],
        (await asked(shop, "GET", "me"))[0],
        (await asked(shop, "GET", f"nothing/{turn}"))[0],
    ]


async def test_nothing_on_the_request_path_leaves_a_cycle(site: Shop) -> None:
    [variant] = await site.goods(10_000)
    slug = (await site.client.get(f"{API}/products")).json()["items"][0]["slug"]
    wanted = [200, 200, 200, 201, 404, 400, 409, 401, 404]
    assert await visit(site, 0, slug, variant) == wanted
    gc.collect()  # what is made once may stay
    gc.disable()
    try:
        for turn in range(1, ROUNDS):
            assert await visit(site, turn, slug, variant) == wanted
        assert left() == {}
    finally:
        gc.enable()


def left() -> Counter[str]:
    """What only the collector can find."""
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        gc.collect()
        return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
