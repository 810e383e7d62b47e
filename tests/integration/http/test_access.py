"""Who gets where: every route of the document, as each kind of caller, against one table."""

import json
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from msgspec import Struct

from shop.core.kernel.access import Role
from shop.core.users.issuing import Issuer
from shop.entrypoints.http.edge import LameDuck
from shop.ports.uow import UnitOfWork
from shop.ports.users import EmailAddresses, Sessions, Users
from tests.kit.site import ADMIN, API, HOME, Headers, Shop, a_shop

TABLE = Path(__file__).with_name("access_table.toml")
CALLERS = ("nobody", "customer", "staff", "admin", "program")
OWNER = "bela@example.com"
#: What the owner let the program do.
SCOPE = "openid profile email orders"
PICTURE = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"
CSV = b"Handle,Title,Variant Price\nlamp,Lamp,100\n"


def table() -> dict[str, list[str]]:
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    return {route: told.split() for route, told in rows.items()}


class Walk(Struct):
    """A shop in which Bela has one of everything, and a caller at its door."""

    shop: Shop
    document: dict[str, Any]
    objects: dict[str, str]
    #: Where the document's example does not fit this shop.
    bodies: dict[str, dict[str, Any]]
    caller: Headers

    def routes(self) -> set[str]:
        return {
            f"{method.upper()} {path}"
            for path, methods in self.document["paths"].items()
            for method in methods
        }

    async def ask(self, route: str) -> int:
        method, _, template = route.partition(" ")
        path = template
        for name, value in self.objects.items():
            path = path.replace(f"{{{name}}}", value)
        assert "{" not in path, f"{route}: tell the walk in `objects` what to put there."
        operation = self.document["paths"][template][method.lower()]
        sent = self.bodies.get(route) or _example(operation)
        headers = {**self.caller, "Idempotency-Key": route.replace(" ", "-")}
        answer = await self.shop.client.request(method, path, headers=headers, **sent)
        return answer.status_code


def _example(operation: dict[str, Any]) -> dict[str, Any]:
    for kind, medium in operation.get("requestBody", {}).get("content", {}).items():
        if kind == "application/json":
            return {"json": medium["example"]}
        if kind.endswith("urlencoded"):
            return {"data": {name: str(value) for name, value in medium["example"].items()}}
    return {}


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop("memory", tmp_path) as shop:
        yield shop


async def one_of_everything(shop: Shop, caller: str) -> Walk:
    admin = await shop.somebody("admin@example.com", Role.ADMIN)
    bela = await shop.somebody(OWNER)
    get, post = shop.client.get, shop.client.post

    async def made(answer: httpx.Response) -> str:
        assert answer.is_success, answer.text
        found: str = answer.json()["id"]
        return found

    [variant] = await shop.goods(50)
    page = await get(f"{API}/products", params={"in_stock": "true"})
    product = page.json()["items"][0]["id"]
    await shop.put(bela, variant)
    placed = (await shop.check_out(bela, email=None)).json()
    await shop.pay(placed)
    await shop.settle_down()
    order = placed["order"]["id"]
    cart = (await shop.put(bela, variant)).json()
    refunded = {"reason": "A chip", "amount": 100}
    emails = (await get(f"{ADMIN}/emails", headers=admin)).json()["items"]
    files = {"file": ("x.csv", CSV, "text/csv")}
    told = {"format": "shopify", "dry_run": "true"}
    sessions = (await get(f"{API}/me/sessions", headers=bela)).json()["items"]
    objects = {
        "address_id": await made(await post(f"{API}/addresses", headers=bela, json=HOME)),
        "category_id": await made(
            await post(f"{ADMIN}/categories", headers=admin, json={"name": "Empty"})
        ),
        "client_id": "nobody-registered-this",
        "email_id": emails[0]["id"],
        "import_id": await made(
            await post(f"{ADMIN}/imports", headers=admin, files=files, data=told)
        ),
        "item_id": cart["items"][0]["id"],
        "order_id": order,
        "passkey_id": order,
        "payment_id": placed["payment"]["id"],
        "product": product,
        "product_id": product,
        "provider": "nobody",
        "refund_id": await made(
            await post(f"{ADMIN}/orders/{order}/refunds", headers=admin, json=refunded)
        ),
        "session_id": sessions[0]["id"],
        "user_id": (await get(f"{API}/me", headers=bela)).json()["id"],
        "variant_id": str(variant),
    }
    (await shop.container.get(LameDuck)).begin()  # event streams end at once
    document = (await get("/openapi.json")).json()
    one = {"variant_id": str(variant), "quantity": 1}
    bodies: dict[str, dict[str, Any]] = {
        f"POST {ADMIN}/products": {"json": {"title": "Lamp"}},
        f"PATCH {ADMIN}/products/{{product_id}}": {"json": {"tags": ["brass"]}},
        f"POST {ADMIN}/categories": {"json": {"name": "Lamps"}},
        f"PATCH {ADMIN}/categories/{{category_id}}": {"json": {"name": "Nothing"}},
        f"POST {ADMIN}/products/{{product_id}}/images": {"files": {"file": ("x.gif", PICTURE)}},
        f"POST {ADMIN}/imports": {"files": files, "data": told},
        f"POST {ADMIN}/orders/{{order_id}}/refunds": {"json": refunded},
        f"PUT {ADMIN}/users/{{user_id}}/roles": {"json": {"roles": ["customer", "staff"]}},
        f"POST {API}/addresses": {"json": HOME},
        f"PATCH {API}/updateuser": {"json": {"name": "Somebody"}},
        f"POST {API}/cart/items": {"json": one},
        f"POST {API}/orders/{{order_id}}/returns": {
            "json": {"items": [one], "reason": "Too small"}
        },
    }
    return Walk(shop, document, objects, bodies, await _come_as(shop, caller, admin))


async def _come_as(shop: Shop, caller: str, admin: Headers) -> Headers:
    match caller:
        case "customer":
            return await shop.somebody("ravi@example.com")
        case "staff":
            return await shop.staff()
        case "admin":
            return admin
        case "program":
            return await _program(shop)
        case _:
            return {}


async def _program(shop: Shop) -> Headers:
    """A program that Bela let in, as far as `SCOPE` goes."""
    async with shop.container() as scope:
        issuer, uow = await scope.get(Issuer), await scope.get(UnitOfWork)
        users, sessions = await scope.get(Users), await scope.get(Sessions)
        key = (await scope.get(EmailAddresses)).parse(OWNER).key
        async with uow.begin():
            owner = await users.by_email(key)
            assert owner is not None
            session, _, refresh = issuer.session(owner, "a program", client_id="x", scope=SCOPE)
            await sessions.add(session)
        pair = await issuer.pair(owner, refresh, client_id="x", scope=SCOPE)
    return {"Authorization": f"Bearer {pair.access_token}"}


@pytest.mark.parametrize("caller", CALLERS)
async def test_everybody_gets_just_as_far_as_the_table_says(shop: Shop, caller: str) -> None:
    walk = await one_of_everything(shop, caller)
    column = CALLERS.index(caller)
    rows = table()
    told = {route: int(row[column]) for route, row in rows.items() if route in walk.routes()}
    seen = {route: await walk.ask(route) for route in told}
    wrong = {route: (told[route], found) for route, found in seen.items() if found != told[route]}
    assert not wrong, f"as {caller}, (table, seen): {json.dumps(wrong, indent=1)}"


async def test_the_table_has_every_route_and_no_other(shop: Shop) -> None:
    document = (await shop.client.get("/openapi.json")).json()
    routes = Walk(shop, document, {}, {}, {}).routes()
    rows = table()
    assert routes - set(rows) == set(), "Give these routes a row in access_table.toml."
    assert set(rows) - routes == set(), "These rows have no route any more."
    assert {route for route, row in rows.items() if len(row) != len(CALLERS)} == set()


def test_the_back_office_lets_in_staff_alone() -> None:
    for route, (nobody, customer, _, _, program) in table().items():
        if f" {ADMIN}/" in route:
            assert (nobody, customer, program) == ("401", "403", "403"), route


async def test_every_deed_of_an_administrator_is_one_line_of_the_log(shop: Shop) -> None:
    walk = await one_of_everything(shop, "admin")

    async def lines() -> list[dict[str, Any]]:
        page = await shop.client.get(f"{ADMIN}/log", params={"limit": 100}, headers=walk.caller)
        found: list[dict[str, Any]] = page.json()["items"]
        return found

    before = len(await lines())
    done = 0
    for route in table():
        method, _, path = route.partition(" ")
        if method == "GET" or not path.startswith(f"{ADMIN}/") or route not in walk.routes():
            continue
        status = await walk.ask(route)
        if status < 300:
            done += 1
            newest = (await lines())[0]
            assert newest["user_id"] is not None, route
            assert newest["request_id"], route
            assert newest["address"] == "127.0.0.1", route
        assert len(await lines()) == before + done, (route, status)
    assert done >= 15
    written = json.dumps(await lines())
    assert "@" not in written
    assert HOME["name"] not in written
