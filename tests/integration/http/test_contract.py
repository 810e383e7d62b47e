"""What a stranger may rely on, section by section of the contract, on each storage."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shop.core.kernel.access import Role
from shop.core.kernel.ids import EmailId
from shop.core.notifications.sealing import SealedLinks
from shop.ports.mail import EmailReads
from tests.kit.site import ADMIN, API, HOME, PASSWORD, Shop, a_shop

_CAMEL = re.compile(r"[a-z][A-Z]")


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for one in value.values() for key in keys_of(one)}
    if isinstance(value, list):
        return {key for one in value for key in keys_of(one)}
    return set()


def code_of(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


# Conventions


async def test_names_ids_times_and_money_look_the_same_everywhere(site: Shop) -> None:
    placed = await site.order()
    order = placed["order"]
    assert not [key for key in keys_of(placed) if _CAMEL.search(key)]
    for found in (order["id"], order["payment_id"], placed["payment"]["id"]):
        assert UUID(found).version == 7
    for at in (order["placed_at"], order["timeline"][0]["at"]):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", at), at
    assert order["total_amount"] == {"amount": 99_800, "currency": "INR"}
    figures = order["breakdown"]
    assert set(figures) == {"items", "discount", "shipping", "tax", "total"}
    amounts = {name: money["amount"] for name, money in figures.items()}
    whole = amounts["items"] - amounts["discount"] + amounts["shipping"]
    assert amounts["total"] == whole
    assert 0 < amounts["tax"] < amounts["total"]


async def test_lists_come_in_pages_that_stay_right_while_rows_are_added(site: Shop) -> None:
    await site.goods(*[1] * 5)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query: dict[str, Any] = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = (await site.client.get(f"{API}/products", params=query)).json()
        assert set(page) == {"items", "next_cursor", "total"}
        assert len(page["items"]) <= 2
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        await site.goods(1)  # newer than where we are
    assert len(seen) == len(set(seen)) == 5
    default = (await site.client.get(f"{API}/products")).json()
    assert default["total"] == 7


async def test_every_list_of_the_api_has_its_shape(site: Shop) -> None:
    boss = await site.somebody("boss@example.com", Role.ADMIN)
    lists = ["products", "categories", "search/suggest?q=a", "addresses", "me/sessions", "orders"]
    admin = ["admin/users", "admin/emails", "admin/orders", "admin/log"]
    for path in (*lists, *admin, "shipping-methods", "payment-methods"):
        page = await site.client.get(f"{API}/{path}", headers=boss)
        assert page.status_code == 200, path
        assert isinstance(page.json()["items"], list), path
        assert "next_cursor" in page.json(), path
    for path in ("products", "orders", *admin):
        for bad in (
            "limit=0",
            "limit=101",
            "limit=abc",
            "limit=",
            "cursor=%00",
            "cursor=e30",
            "cursor=zzz",
        ):
            answer = await site.client.get(f"{API}/{path}?{bad}", headers=boss)
            assert code_of(answer) == (400, "validation-failed"), (path, bad)


async def test_a_request_id_is_taken_if_sane_and_made_otherwise(site: Shop) -> None:
    made = []
    for path in (f"{API}/products", f"{API}/cart", f"{API}/nothing", "/healthz"):
        answer = await site.client.get(path, headers={"X-Request-Id": "abc-1.2_3"})
        assert answer.headers["x-request-id"] == "abc-1.2_3"
        for odd in ("", "a b", "<script>", "x" * 65):
            answer = await site.client.get(path, headers={"X-Request-Id": odd})
            made.append(answer.headers["x-request-id"])
            assert re.fullmatch("[0-9a-f]{16}-[0-9a-f]+", made[-1])
    assert len(set(made)) == len(made)
    refused = await site.client.get(f"{API}/nothing", headers={"X-Request-Id": "mine"})
    assert refused.json()["request_id"] == "mine"


async def test_a_repeated_key_gives_the_first_answer_byte_for_byte(site: Shop) -> None:
    [variant] = await site.goods(5)
    who = {**await site.guest(variant), "Idempotency-Key": "once"}
    first, again = await site.check_out(who), await site.check_out(who)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = await site.check_out(who, payment_method="cod")
    assert code_of(other) == (422, "idempotency-key-reused")
    assert (await site.client.get(f"{API}/cart", headers=who)).json()["items"] == []


async def test_a_key_belongs_to_its_caller(site: Shop) -> None:
    one, two = await site.goods(5, 5)
    key = {"Idempotency-Key": "shared"}
    first = await site.check_out({**await site.guest(one), **key})
    second = await site.check_out({**await site.guest(two), **key})
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["order"]["id"] != second.json()["order"]["id"]


async def test_a_refused_request_leaves_its_key_free(site: Shop) -> None:
    [variant] = await site.goods(5)
    who = {**await site.guest(variant), "Idempotency-Key": "again"}
    wrong = {"expected_total": {"amount": 1, "currency": "INR"}}
    assert code_of(await site.check_out(who, **wrong)) == (409, "price-changed")
    assert (await site.check_out(who)).status_code == 201


async def test_reads_of_the_catalogue_are_conditional(site: Shop) -> None:
    [variant] = await site.goods(3)
    listed = (await site.client.get(f"{API}/products")).json()["items"][0]
    for path in ("products", f"products/{listed['slug']}", "categories", "search/suggest?q=t"):
        url = f"{API}/{path}"
        first = await site.client.get(url)
        tag = first.headers["etag"]
        assert re.fullmatch('"[^"]+"', tag)  # strong
        for known in (tag, f'"x", {tag}', "*", f"W/{tag}"):
            same = await site.client.get(url, headers={"If-None-Match": known})
            assert (same.status_code, same.content) == (304, b"")
            assert same.headers["etag"] == tag
        assert (await site.client.get(url, headers={"If-None-Match": '"x"'})).status_code == 200
    before = await site.client.get(f"{API}/products/{listed['slug']}")
    await site.check_out(await site.guest(variant))
    await site.watch.look()
    after = await site.client.get(f"{API}/products/{listed['slug']}")
    assert after.headers["etag"] != before.headers["etag"]
    assert after.json()["variants"][0]["stock_quantity"] == 2


async def test_health_is_told_on_the_port_of_the_api(site: Shop) -> None:
    assert (await site.client.get("/healthz")).status_code == 200


async def test_cookies_open_nothing_in_the_api(site: Shop) -> None:
    who = await site.somebody("a@example.com")
    token = who["Authorization"].removeprefix("Bearer ")
    for name in ("session", "shop_session", "access_token", "__Host-session", "sid"):
        headers = {"Cookie": f"{name}={token}"}
        assert code_of(await site.client.get(f"{API}/me", headers=headers)) == (
            401,
            "unauthenticated",
        )
    both = {**who, "Cookie": "session=somebody-else"}
    assert (await site.client.get(f"{API}/me", headers=both)).json()["email"] == "a@example.com"
    login = await site.client.post(
        f"{API}/login", json={"email": "a@example.com", "password": PASSWORD}
    )
    assert "set-cookie" not in login.headers


async def test_a_body_may_be_left_out_where_nothing_is_asked(site: Shop) -> None:
    staff = await site.staff()
    bodies: list[dict[str, Any]] = [{}, {"json": {}}]
    for given in bodies:
        placed = await site.order()
        await site.pay(placed)
        url = f"{ADMIN}/orders/{placed['order']['id']}"
        ship = {"carrier": "Post", "tracking_number": "T1"}
        assert (await site.client.post(f"{url}/pack", headers=staff, **given)).status_code == 200
        assert (await site.client.post(f"{url}/ship", headers=staff, json=ship)).status_code == 200
        assert (await site.client.post(f"{url}/deliver", headers=staff, **given)).status_code == 200
        placed = await site.order()
        mine = f"{API}/orders/{placed['order']['id']}/cancel"
        assert (await site.client.post(mine, headers=placed["opens"], **given)).status_code == 200
        placed = await site.order()
        url = f"{ADMIN}/orders/{placed['order']['id']}/cancel"
        assert (await site.client.post(url, headers=staff, **given)).status_code == 200
    for n, given in enumerate(bodies):
        who = await site.somebody(f"out{n}@example.com")
        assert (await site.client.post(f"{API}/logout", headers=who, **given)).status_code == 204
        assert (await site.client.get(f"{API}/me", headers=who)).status_code == 401


# Identity


async def test_somebody_signs_up_by_either_name_and_in(site: Shop) -> None:
    for name in ("signup", "register"):
        body = {"name": "Asha", "email": f"{name}@example.com", "password": PASSWORD}
        made = await site.client.post(f"{API}/{name}", json=body)
        assert made.status_code == 201
        assert made.json()["roles"] == ["customer"]
        assert made.json()["email_verified"] is False
        again = await site.client.post(f"{API}/{name}", json=body)
        assert code_of(again) == (409, "email-taken")
    weak = await site.client.post(
        f"{API}/signup", json={"name": "B", "email": "b@example.com", "password": "short"}
    )
    assert code_of(weak) == (422, "weak-password")
    assert weak.json()["facts"]
    boss = await site.somebody("boss@example.com", Role.ADMIN)
    for _ in range(2):  # while it waits, and once it went out
        mails = await site.client.get(
            f"{ADMIN}/emails", headers=boss, params={"recipient": "signup@example.com"}
        )
        [mail] = mails.json()["items"]
        assert set(mail) >= {"id", "to", "from", "subject", "body", "status", "attempts"}
        assert "token=..." in mail["body"]  # the secret is for the mailbox alone
        if mail["status"] == "queued":
            kept = await (await site.container.get(EmailReads)).get(EmailId(UUID(mail["id"])))
            letter = (await site.container.get(SealedLinks)).open(kept)
            await site.settle_down()
    link = re.search(r"\S+[?&]token=(\S+)", letter.text)
    assert link
    proof = {"token": link[1]}
    assert (await site.client.post(f"{API}/verify-email", json=proof)).status_code == 204
    login = await site.client.post(
        f"{API}/login", json={"email": "signup@example.com", "password": PASSWORD}
    )
    assert set(login.json()) == {
        "access_token",
        "token_type",
        "expires_in",
        "refresh_token",
        "user",
    }
    assert login.json()["user"]["email_verified"] is True
    form = {
        "grant_type": "refresh_token",
        "refresh_token": login.json()["refresh_token"],
        "client_id": "shop",
    }
    fresh = await site.client.post("/oauth2/token", data=form)
    assert fresh.status_code == 200
    who = {"Authorization": f"Bearer {fresh.json()['access_token']}"}
    assert (await site.client.get(f"{API}/me", headers=who)).status_code == 200


async def test_only_who_may_enters_the_back_office(site: Shop) -> None:
    customer = await site.somebody("c@example.com")
    some = str(uuid4())
    calls = [
        ("GET", f"{ADMIN}/orders"),
        ("GET", f"{ADMIN}/emails"),
        ("GET", f"{ADMIN}/users"),
        ("GET", f"{ADMIN}/users/{some}/roles"),
        ("GET", f"{ADMIN}/refunds/{some}"),
        ("GET", f"{ADMIN}/imports/{some}"),
        ("POST", f"{ADMIN}/orders/{some}/pack"),
        ("POST", f"{ADMIN}/orders/{some}/deliver"),
        ("POST", f"{ADMIN}/orders/{some}/cancel"),
        ("POST", f"{ADMIN}/emails/{some}/resend"),
        ("DELETE", f"{ADMIN}/products/{some}"),
        ("DELETE", f"{ADMIN}/categories/{some}"),
    ]
    for method, url in calls:
        assert code_of(await site.client.request(method, url)) == (401, "unauthenticated"), url
        bad = {"Authorization": "Bearer nonsense"}
        assert (await site.client.request(method, url, headers=bad)).status_code == 401, url
        denied = await site.client.request(method, url, headers=customer)
        assert code_of(denied) == (403, "denied"), url
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("products", {"title": "x"}),
        ("categories", {"name": "x"}),
        (f"orders/{some}/ship", {"carrier": "x", "tracking_number": "x"}),
        (f"orders/{some}/refunds", {"reason": "x"}),
        (f"inventory/{some}/adjustments", {"delta": 1, "reason": "x"}),
    ]
    for path, body in bodies:
        url = f"{ADMIN}/{path}"
        assert (await site.client.post(url, json=body)).status_code == 401, path
        denied = await site.client.post(url, json=body, headers=customer)
        assert code_of(denied) == (403, "denied"), path


# Cart and checkout


async def test_a_cart_has_every_field_of_the_contract(site: Shop) -> None:
    [variant] = await site.goods(5)
    who = await site.guest(variant, 2)
    answer = await site.client.get(f"{API}/cart", headers=who)
    assert "x-cart-token" not in answer.headers  # only the call that makes it tells it
    cart = answer.json()
    assert set(cart) == {"id", "items", "breakdown", "coupon", "version"}
    [item] = cart["items"]
    assert set(item) >= {
        *("id", "variant_id", "product", "quantity", "unit_price", "line_total", "available"),
        "notice",
    }
    assert set(item["product"]) == {"id", "slug", "title", "image"}
    assert (item["quantity"], item["available"], item["notice"]) == (2, 5, None)
    url = f"{API}/cart/items/{item['id']}"
    more = await site.client.patch(url, headers=who, json={"quantity": 3})
    assert more.json()["items"][0]["line_total"] == {"amount": 149_700, "currency": "INR"}
    much = await site.client.patch(url, headers=who, json={"quantity": 6})
    assert code_of(much) == (409, "out-of-stock")
    assert much.json()["facts"]["available"] == 5
    empty = await site.client.delete(url, headers=who)
    assert empty.json()["items"] == []
    assert empty.json()["version"] > cart["version"]


async def test_a_guests_lines_follow_them_in_once(site: Shop) -> None:
    one, two = await site.goods(5, 5)
    customer = await site.somebody("c@example.com")
    await site.put(customer, one)
    guest = await site.guest(two, 2)
    body = {"email": "c@example.com", "password": PASSWORD}
    for _ in range(2):
        login = await site.client.post(f"{API}/login", json=body, headers=guest)
        who = {"Authorization": f"Bearer {login.json()['access_token']}"}
        cart = (await site.client.get(f"{API}/cart", headers={**who, **guest})).json()
        assert sorted(item["quantity"] for item in cart["items"]) == [1, 2]
    assert (await site.client.get(f"{API}/cart", headers=guest)).json()["items"] == []


async def test_what_can_be_chosen_is_told(site: Shop) -> None:
    [variant] = await site.goods(5)
    guest = await site.guest(variant)
    ways = (await site.client.get(f"{API}/payment-methods", headers=guest)).json()["items"]
    assert {way["code"] for way in ways} == {"online", "cod"}
    sent = (await site.client.get(f"{API}/shipping-methods", headers=guest)).json()["items"]
    for method in sent:
        placed = await site.check_out(await site.guest(variant), shipping_method=method["code"])
        assert placed.json()["order"]["breakdown"]["shipping"] == method["price"]


async def test_who_packs_an_order_can_tell_its_sizes_apart(site: Shop) -> None:
    staff = await site.staff()
    sizes = [{"options": {"Size": size}, "sku": f"TEE-{size}", "price": 100} for size in "ML"]
    body = {"title": "Tee", "status": "active", "variants": sizes}
    made = await site.client.post(f"{ADMIN}/products", json=body, headers=staff)
    variants = [one["id"] for one in made.json()["variants"]]
    for variant in variants:
        counted = f"{ADMIN}/inventory/{variant}/adjustments"
        more = {"delta": 5, "reason": "New"}
        assert (await site.client.post(counted, json=more, headers=staff)).status_code == 201
    guest = await site.guest(variants[0])
    await site.put(guest, variants[1])
    placed = await site.check_out(guest)
    items = placed.json()["order"]["items"]
    assert sorted((one["title"], one["variant_title"], one["sku"]) for one in items) == [
        ("Tee", "L", "TEE-L"),
        ("Tee", "M", "TEE-M"),
    ]


async def test_an_order_has_every_field_of_the_contract(site: Shop) -> None:
    placed = await site.order()
    assert set(placed["payment"]) == {"id", "status", "url"}
    assert placed["payment"]["status"] == "created"
    order = placed["order"]
    assert set(order) >= {
        *("id", "number", "status", "payment_status", "items", "breakdown", "total_amount"),
        *("payment_method", "shipping_address", "tracking", "invoice_number", "payment_id"),
        *("payment_link", "refund_ids", "timeline", "placed_at"),
    }
    assert set(order["items"][0]) >= {
        *("variant_id", "title", "variant_title", "sku", "quantity", "price_at_purchase", "tax"),
    }
    assert set(order["tracking"]) == {"carrier", "number", "events"}
    assert (order["status"], order["payment_link"]) == ("pending_payment", placed["payment"]["url"])
    shown = await site.client.get(f"{API}/orders/{order['id']}", headers=placed["opens"])
    assert shown.json() == order


async def test_cash_on_delivery_is_paid_at_the_door(site: Shop) -> None:
    staff = await site.staff()
    placed = await site.order(payment_method="cod")
    assert placed["payment"]["url"] is None
    assert (placed["order"]["status"], placed["payment"]["status"]) == ("confirmed", "created")
    assert re.fullmatch(r"[A-Z0-9/-]{1,16}", placed["order"]["invoice_number"])
    url = f"{ADMIN}/orders/{placed['order']['id']}"
    ship = {"carrier": "Post", "tracking_number": "T1"}
    await site.client.post(f"{url}/pack", headers=staff)
    await site.client.post(f"{url}/ship", headers=staff, json=ship)
    done = (await site.client.post(f"{url}/deliver", headers=staff)).json()
    assert (done["status"], done["payment_status"]) == ("delivered", "paid")


async def test_a_customer_buys_with_an_address_on_file(site: Shop) -> None:
    [variant] = await site.goods(5)
    who = await site.somebody("c@example.com")
    kept = await site.client.post(
        f"{API}/addresses", json={**HOME, "is_default": True}, headers=who
    )
    assert kept.status_code == 201
    await site.put(who, variant)
    placed = await site.check_out(
        who, shipping_address=None, shipping_address_id=kept.json()["id"], email=None
    )
    assert placed.status_code == 201
    assert "order_token" not in placed.json()
    mine = (await site.client.get(f"{API}/orders", headers=who)).json()
    assert [one["id"] for one in mine["items"]] == [placed.json()["order"]["id"]]
    other = await site.somebody("o@example.com")
    for path in ("", "/tracking", "/events", "/invoice.pdf", "/receipt.pdf"):
        url = f"{API}/orders/{placed.json()['order']['id']}{path}"
        assert (await site.client.get(url, headers=other)).status_code == 404
        assert (await site.client.get(url)).status_code == 404
    payment = f"{API}/payments/{placed.json()['payment']['id']}"
    assert (await site.client.get(payment, headers=other)).status_code == 404
    assert (await site.client.get(payment, headers=who)).status_code == 200


# Orders, payments, notifications


async def test_a_paid_order_is_confirmed_once_and_mailed_once(site: Shop) -> None:
    boss = await site.somebody("boss@example.com", Role.ADMIN)
    placed = await site.order()
    hooks = await site.hooks()
    await site.pay(placed)
    for body, headers in [*hooks, *await site.hooks()]:
        assert (await site.hook(body, headers)).status_code == 200
    await site.settle_down()
    url = f"{API}/orders/{placed['order']['id']}"
    order = (await site.client.get(url, params={"order_token": placed["order_token"]})).json()
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    assert re.fullmatch(r"[A-Z0-9/-]{1,16}", order["invoice_number"])
    payment = await site.client.get(
        f"{API}/payments/{order['payment_id']}", headers=placed["opens"]
    )
    assert payment.json()["invoice_number"] == order["invoice_number"]
    assert payment.json()["provider_payment_id"]
    for paper in ("invoice.pdf", "receipt.pdf"):
        got = await site.client.get(f"{url}/{paper}", headers=placed["opens"])
        assert got.content.startswith(b"%PDF-")
    mails = (await site.client.get(f"{ADMIN}/emails", headers=boss)).json()["items"]
    about = [mail for mail in mails if order["number"] in mail["subject"] + mail["body"]]
    assert len([mail for mail in about if "confirm" in mail["subject"].lower()]) == 1
    whole = await site.client.get(f"{ADMIN}/emails/{about[0]['id']}", headers=boss)
    assert whole.json()["status"] == "sent"
    again = await site.client.post(f"{ADMIN}/emails/{about[0]['id']}/resend", headers=boss)
    assert again.status_code == 202


async def test_the_way_back_ends_on_a_page_that_tells_a_stranger_little(site: Shop) -> None:
    placed = await site.order()
    back = await site.press(placed["payment"]["url"])
    page = await site.client.get(
        back.headers["location"], headers={"Accept": "text/html"}, follow_redirects=True
    )
    assert page.status_code == 200
    assert placed["order"]["number"] in page.text
    assert HOME["street"] not in page.text


async def test_money_goes_back_in_parts_and_is_told(site: Shop) -> None:
    staff = await site.staff()
    placed = await site.order()
    await site.pay(placed)
    url = f"{ADMIN}/orders/{placed['order']['id']}/refunds"
    part = await site.client.post(url, json={"amount": 100, "reason": "x"}, headers=staff)
    assert part.status_code == 201
    await site.settle_down()
    order = f"{API}/orders/{placed['order']['id']}"
    shown = (await site.client.get(order, headers=placed["opens"])).json()
    assert shown["payment_status"] == "partially_refunded"
    assert shown["refund_ids"] == [part.json()["id"]]
    rest = await site.client.post(url, json={"reason": "x"}, headers=staff)
    assert rest.json()["amount"]["amount"] == 99_700
    await site.settle_down()
    shown = (await site.client.get(order, headers=placed["opens"])).json()
    assert shown["payment_status"] == "refunded"
    one = await site.client.get(f"{ADMIN}/refunds/{rest.json()['id']}", headers=staff)
    assert one.json()["status"] == "processed"


async def test_an_unpaid_order_expires_and_late_money_revives_it(site: Shop) -> None:
    placed = await site.order()
    back = await site.press(placed["payment"]["url"])
    hooks = await site.hooks()
    site.clock.time += timedelta(seconds=901)
    await site.settle_down()
    url = f"{API}/orders/{placed['order']['id']}"
    expired = (await site.client.get(url, headers=placed["opens"])).json()
    assert expired["status"] in {"expired", "confirmed"}  # who asks the gateway first, knows
    for body, headers in hooks:
        assert (await site.hook(body, headers)).status_code == 200
    assert (await site.client.get(back.headers["location"])).status_code == 303
    revived = (await site.client.get(url, headers=placed["opens"])).json()
    assert revived["status"] == "confirmed"


async def test_the_timeline_comes_live(site: Shop) -> None:
    placed = await site.order()
    url = f"{API}/orders/{placed['order']['id']}"
    bad = await site.client.get(
        f"{url}/events", headers={**placed["opens"], "Last-Event-ID": "abc"}
    )
    assert code_of(bad) == (400, "validation-failed")
    tracking = await site.client.get(f"{url}/tracking", headers=placed["opens"])
    assert tracking.json()["timeline"][0]["status"] == "pending_payment"


# Limits


@pytest.fixture
async def limited(storage: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with a_shop(storage, tmp_path / "limited", limits=True) as shop:
        yield shop


async def test_a_caller_who_comes_too_often_is_told_when_to_come_back(limited: Shop) -> None:
    [variant] = await limited.goods(5)
    who = await limited.guest(variant)
    first = await limited.client.get(f"{API}/cart", headers=who)
    assert first.headers["ratelimit-policy"] == '"cart";q=600;w=60'
    assert re.fullmatch(r'"cart";r=\d+;t=\d+', first.headers["ratelimit"])
    answer = first
    for _ in range(601):
        answer = await limited.client.get(f"{API}/cart", headers=who)
        if answer.status_code == 429:
            break
    assert code_of(answer) == (429, "rate-limited")
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.headers["ratelimit"].startswith('"cart";r=0;t=')
    other = await limited.guest(variant)
    assert (await limited.client.get(f"{API}/cart", headers=other)).status_code == 200
    head = await limited.client.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")
    for path in (f"{API}/products", "/healthz"):
        free = await limited.client.get(path, headers=who)
        assert free.status_code == 200
        assert "ratelimit" not in free.headers
