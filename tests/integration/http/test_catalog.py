"""The catalogue as a client of the API meets it, on each storage."""

from collections.abc import AsyncIterator
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from dishka import AsyncContainer

from shop.entrypoints.actors.imports import ImportDesk
from tests.kit.catalogue import (
    AS_CUSTOMER,
    AS_STAFF,
    PNG,
    a_source,
    catalogue,
    client_of,
    imported,
    lane_over,
)

API = "/api/v1"
ADMIN = "/api/v1/admin"
#: An id that nothing has. It is part of names of tests, which every worker must know alike.
NOBODY = "01980000-0000-7000-8000-000000000000"


@pytest.fixture
async def shop(storage: str, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with catalogue(storage, tmp_path) as container:
        yield container


@pytest.fixture
async def client(shop: AsyncContainer) -> AsyncIterator[httpx.AsyncClient]:
    async with lane_over(shop) as lane, client_of(lane) as client:
        yield client


def code_of(answer: httpx.Response) -> tuple[int, str]:
    assert answer.headers["content-type"].startswith("application/problem+json"), answer.text
    return answer.status_code, answer.json()["code"]


async def test_a_product_has_every_field_of_the_contract(
    shop: AsyncContainer, client: httpx.AsyncClient
) -> None:
    await imported(shop, a_source("clay-mug", categories=(("Home", "Mugs"),), tags=("Tea",)))
    listed = (await client.get(f"{API}/products")).json()
    assert listed["total"] == 1
    assert listed["next_cursor"] is None
    item = listed["items"][0]
    assert item["price"] == {"amount": 49_900, "currency": "INR"}
    assert item["in_stock"] is True
    assert item["category"]["path"] == "home/mugs"
    by_slug = (await client.get(f"{API}/products/clay-mug")).json()
    assert by_slug == (await client.get(f"{API}/products/{item['id']}")).json()
    assert by_slug["rating"] == {"average": 0.0, "count": 0}
    assert by_slug["created_at"].endswith("Z")
    assert set(by_slug) >= {
        *("id", "slug", "title", "description_html", "brand", "category", "tags", "images"),
        *("specifications", "rating", "price", "options", "variants", "updated_at"),
    }
    assert set(by_slug["variants"][0]) >= {
        *("id", "sku", "title", "options", "price", "compare_at_price", "stock_quantity"),
        "in_stock",
    }
    tree = (await client.get(f"{API}/categories")).json()["items"]
    assert tree[0]["children"][0]["product_count"] == 1
    reviews = (await client.get(f"{API}/products/clay-mug/reviews")).json()
    assert reviews == {"items": [], "next_cursor": None, "total": 0}


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=101", "limit=x", "sort=best", "min_price=-1", "cursor=zzz"),
        *("min_price=99999999999999999999", "min_rating=9", "min_rating=nan", "in_stock=maybe"),
        *(f"q={'x' * 201}", "max_price=1.5"),
    ],
)
async def test_a_malformed_query_is_refused(client: httpx.AsyncClient, query: str) -> None:
    assert code_of(await client.get(f"{API}/products?{query}")) == (400, "validation-failed")


@pytest.mark.parametrize("product", ["nothing", NOBODY, "%00", "%F0%9F%98%80"])
async def test_an_unknown_product_is_not_found(client: httpx.AsyncClient, product: str) -> None:
    assert code_of(await client.get(f"{API}/products/{product}")) == (404, "product-not-found")


async def test_suggestions_forgive_one_typo(
    shop: AsyncContainer, client: httpx.AsyncClient
) -> None:
    await imported(shop, a_source("copper-kettle", brand="Kettleworks", categories=(("Kettles",),)))
    for typed in ("kettle", "kett", "kettel", "kette", "kxttle", "cop ket"):
        found = (await client.get(f"{API}/search/suggest", params={"q": typed})).json()["items"]
        assert "copper-kettle" in [one["slug"] for one in found], typed
    exact = (await client.get(f"{API}/search/suggest?q=kettle")).json()["items"]
    assert {one["kind"] for one in exact} == {"product", "category", "brand"}
    for nothing in ("", "zzzz", "%", "k" * 200):
        answer = await client.get(f"{API}/search/suggest", params={"q": nothing})
        assert answer.json()["items"] == []


@pytest.mark.parametrize(
    "path",
    [
        *("/products", "/products/clay-mug", "/categories", "/search/suggest"),
        *("/products/clay-mug/reviews", "/admin/categories"),
    ],
)
async def test_allow_names_head_where_it_is_answered(client: httpx.AsyncClient, path: str) -> None:
    await made(client)
    head = await client.head(API + path)
    for refused in (await client.put(API + path), await client.options(API + path)):
        named = refused.headers["allow"].split(", ")
        assert ("HEAD" in named) is (head.status_code == 200)
        assert len(set(named)) == len(named)


async def made(client: httpx.AsyncClient, **changes: Any) -> dict[str, Any]:
    body = {"title": "Clay mug", "status": "active", "variants": [{"price": 100}]} | changes
    answer = await client.post(f"{ADMIN}/products", json=body, headers=AS_STAFF)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_staff_make_change_and_remove_a_product(client: httpx.AsyncClient) -> None:
    product = await made(client, description_html="<p>Good</p><script>x</script>")
    assert product["slug"] == "clay-mug"
    assert product["description_html"] == "<p>Good</p>"
    assert (await made(client))["slug"] != "clay-mug"
    path = f"{ADMIN}/products/{product['id']}"
    changed = await client.patch(path, json={"title": "Red mug"}, headers=AS_STAFF)
    assert changed.status_code == 200, changed.text
    assert (await client.get(f"{API}/products/clay-mug")).json()["title"] == "Red mug"
    taken = await client.post(
        f"{ADMIN}/products", json={"title": "X", "slug": "clay-mug"}, headers=AS_STAFF
    )
    assert code_of(taken) == (409, "slug-taken")
    unsold = await client.patch(path, json={"variants": []}, headers=AS_STAFF)
    assert code_of(unsold) == (422, "product-not-sellable")
    assert (await client.delete(path, headers=AS_STAFF)).status_code == 204
    assert (await client.get(f"{API}/products/clay-mug")).status_code == 404
    assert (await client.delete(path, headers=AS_STAFF)).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/products", {"title": "X"}),
        ("PATCH", f"/products/{NOBODY}", {"title": "X"}),
        ("GET", f"/products/{NOBODY}", None),
        ("DELETE", f"/products/{NOBODY}", None),
        ("POST", "/categories", {"name": "X"}),
        ("PATCH", f"/categories/{NOBODY}", {"name": "X"}),
        ("DELETE", f"/categories/{NOBODY}", None),
        ("GET", f"/imports/{NOBODY}", None),
        ("POST", f"/inventory/{NOBODY}/adjustments", {"delta": 1, "reason": "x"}),
    ],
)
async def test_only_staff_keep_the_catalogue(
    client: httpx.AsyncClient, method: str, path: str, body: Any
) -> None:
    async def ask(headers: dict[str, str]) -> tuple[int, str]:
        return code_of(await client.request(method, ADMIN + path, json=body, headers=headers))

    assert await ask({}) == (401, "unauthenticated")
    assert await ask(AS_CUSTOMER) == (403, "denied")
    if method == "POST" and "inventory" not in path:
        return
    assert (await ask(AS_STAFF))[0] == 404


async def test_a_moved_category_takes_everything_below_along(client: httpx.AsyncClient) -> None:
    async def category(name: str, parent: str | None = None) -> dict[str, Any]:
        answer = await client.post(
            f"{ADMIN}/categories", json={"name": name, "parent_id": parent}, headers=AS_STAFF
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    home = await category("Home")
    tea = await category("Tea", home["id"])
    pots = await category("Pots", tea["id"])
    product = await made(client, category_ids=[pots["id"]])
    path = f"{ADMIN}/categories/{tea['id']}"
    moved = await client.patch(path, json={"parent_id": None, "slug": "chai"}, headers=AS_STAFF)
    assert moved.json()["path"] == "chai"
    shown = (await client.get(f"{API}/products/{product['id']}")).json()
    assert shown["category"]["path"] == "chai/pots"
    loop = await client.patch(path, json={"parent_id": pots["id"]}, headers=AS_STAFF)
    assert code_of(loop) == (422, "category-loop")
    assert code_of(await client.delete(path, headers=AS_STAFF)) == (409, "category-in-use")
    renamed = f"{ADMIN}/categories/{pots['id']}"
    await client.patch(renamed, json={"name": "Samovars"}, headers=AS_STAFF)
    found = (await client.get(f"{API}/products?q=samovars")).json()
    assert [one["id"] for one in found["items"]] == [product["id"]]


async def test_a_new_variant_has_the_options_of_the_others(client: httpx.AsyncClient) -> None:
    large, small = {"Size": "L", "Colour": "Red"}, {"Colour": "Red", "Size": "S"}
    product = await made(client, variants=[{"price": 100, "options": large}])
    path = f"{ADMIN}/products/{product['id']}"
    old = {"id": product["variants"][0]["id"], "price": 100, "options": large}

    async def with_new(*options: dict[str, str]) -> httpx.Response:
        new = [{"price": 90, "options": one} for one in options]
        return await client.patch(path, json={"variants": [old, *new]}, headers=AS_STAFF)

    for other in ({"Size": "S"}, {}, {"Size": "S", "Color": "Red"}, small | {"Glaze": "Matt"}):
        refused = await with_new(other)
        assert code_of(refused) == (422, "variant-options"), other
        assert refused.json()["facts"] == {"options": ["Size", "Colour"]}
        assert "have Size and Colour" in refused.json()["detail"]
    assert (await with_new(small)).status_code == 200
    anew = {"variants": [{"price": 90, "options": {"Glaze": one}} for one in ("Matt", "Shiny")]}
    assert (await client.patch(path, json=anew, headers=AS_STAFF)).status_code == 200
    mixed = {"title": "Pot", "variants": [{"options": {"Size": "L"}}, {"options": large}]}
    answer = await client.post(f"{ADMIN}/products", json=mixed, headers=AS_STAFF)
    assert code_of(answer) == (422, "variant-options")


async def test_what_was_read_of_a_product_can_be_written_back(client: httpx.AsyncClient) -> None:
    mug = {
        "price": 29_900,
        "compare_at_price": {"amount": 34_900, "currency": "INR"},
        "options": {"Size": "L"},
        "sku": "MUG-L",
        "barcode": "8901234567890",
        "weight_grams": 300,
        "image": "https://example.com/mug.png",
    }
    specifications = [{"name": "Volume", "value": "1 l"}]
    product = await made(
        client, variants=[mug], tags=["Tea"], specifications=specifications, hsn="6912"
    )
    path = f"{ADMIN}/products/{product['id']}"
    assert product["variants"][0]["price"] == {"amount": 29_900, "currency": "INR"}
    named = {"variants": [{"id": product["variants"][0]["id"], "price": 31_000}]}
    changed = (await client.patch(path, json=named, headers=AS_STAFF)).json()
    product["variants"][0]["price"]["amount"] = 31_000
    assert changed == product
    read = (await client.get(path, headers=AS_STAFF)).json()
    del read["id"]
    for variant in read["variants"]:
        del variant["withdrawn"], variant["stock_quantity"]
    again = await client.patch(path, json=read, headers=AS_STAFF)
    assert again.status_code == 200, again.text
    assert again.json() == product
    for name in ("price", "compare_at_price"):
        foreign = read["variants"][0] | {name: {"amount": 1, "currency": "USD"}}
        refused = await client.patch(path, json={"variants": [foreign]}, headers=AS_STAFF)
        assert code_of(refused) == (400, "validation-failed")
        assert refused.json()["errors"][0]["field"] == f"variants.0.{name}.currency"
    for name, value in (("withdrawn", False), ("stock_quantity", 7)):
        told = read["variants"][0] | {name: value}
        refused = await client.patch(path, json={"variants": [told]}, headers=AS_STAFF)
        assert code_of(refused) == (400, "validation-failed")
        assert refused.json()["errors"][0]["field"] == f"variants.0.{name}"


async def test_a_picture_is_known_by_its_bytes(client: httpx.AsyncClient) -> None:
    product = await made(client)
    path = f"{ADMIN}/products/{product['id']}/images"
    answer = await client.post(
        path, files={"file": ("a.txt", PNG)}, data={"alt": "A dot"}, headers=AS_STAFF
    )
    assert answer.status_code == 201, answer.text
    image = answer.json()
    assert (image["width"], image["height"], image["alt"]) == (3, 2, "A dot")
    shown = await client.get(image["url"])
    assert shown.content == PNG
    assert shown.headers["content-type"] == "image/png"
    assert "immutable" in shown.headers["cache-control"]
    assert "sandbox" in shown.headers["content-security-policy"]
    for bad in (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"", b"\x89PNG\r\n\x1a\n"):
        refused = await client.post(path, files={"file": ("a.png", bad)}, headers=AS_STAFF)
        assert code_of(refused) == (422, "image-unsupported")
    for missing in ("nothing.png", "..%2f..%2fshop.db", "x"):
        assert (await client.get(f"/media/{missing}")).status_code == 404


async def test_an_upload_is_imported_and_reported(
    shop: AsyncContainer, client: httpx.AsyncClient
) -> None:
    body = b"Handle,Title,Variant Price\nmug,Mug,12.50\n"
    answer = await client.post(
        f"{ADMIN}/imports",
        files={"file": ("a.csv", BytesIO(body))},
        data={"format": "shopify"},
        headers=AS_STAFF,
    )
    assert answer.status_code == 202, answer.text
    path = f"{ADMIN}/imports/{answer.json()['id']}"
    assert (await client.get(path, headers=AS_STAFF)).json()["status"] == "queued"
    await (await shop.get(ImportDesk)).one()
    report = (await client.get(path, headers=AS_STAFF)).json()
    assert (report["status"], report["new"], report["file_name"]) == ("done", 1, "a.csv")
    assert (await client.get(f"{API}/products/mug")).json()["price"]["amount"] == 1250
    unknown = await client.post(
        f"{ADMIN}/imports",
        files={"file": ("a.csv", body)},
        data={"format": "google"},
        headers=AS_STAFF,
    )
    assert code_of(unknown) == (422, "format-unsupported")
    assert unknown.json()["facts"]["supported"] == ["shopify"]


async def test_an_adjustment_happens_once_for_its_key(client: httpx.AsyncClient) -> None:
    product = await made(client)
    path = f"{ADMIN}/inventory/{product['variants'][0]['id']}/adjustments"

    async def adjust(delta: int, key: str | None = None) -> httpx.Response:
        headers = AS_STAFF | ({"Idempotency-Key": key} if key else {})
        return await client.post(path, json={"delta": delta, "reason": "found"}, headers=headers)

    first, again = await adjust(5, "one"), await adjust(5, "one")
    assert first.status_code == 201, first.text
    assert first.content == again.content
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert code_of(await adjust(6, "one")) == (422, "idempotency-key-reused")
    assert (await adjust(-2)).json()["stock_quantity"] == 3
    assert code_of(await adjust(-4)) == (409, "out-of-stock")
    assert code_of(await adjust(0)) == (400, "validation-failed")
    assert code_of(await adjust(1, "a b")) == (400, "validation-failed")


async def test_only_who_received_the_product_reviews_it(client: httpx.AsyncClient) -> None:
    product = await made(client)
    path = f"{API}/products/{product['slug']}/reviews"
    body = {"rating": 5, "title": "Good", "body": "Very."}
    assert code_of(await client.post(path, json=body)) == (401, "unauthenticated")
    denied = await client.post(path, json=body, headers=AS_CUSTOMER)
    assert code_of(denied) == (403, "review-not-a-buyer")
    bad = await client.post(path, json=body | {"rating": 6}, headers=AS_CUSTOMER)
    assert code_of(bad) == (400, "validation-failed")
