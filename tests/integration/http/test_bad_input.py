"""What nobody should send: each refusal is a problem with its code, and gives nothing away."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.kit.goods import on_shelf
from tests.kit.site import ADMIN, API, HOME, PASSWORD, Headers, Shop

MIB = 2**20
#: An id that nothing has. It is part of names of tests, which every worker must know alike.
NOBODY = "01980000-0000-7000-8000-000000000000"
#: What would tell how the shop is made.
_LEAKS = re.compile(
    r"Traceback|File \"|\.py\b|sqlite|sqlalchemy|litestar|msgspec|SELECT |INSERT |UPDATE |"
    r"IntegrityError|[A-Z][a-z]+Error\b|[A-Z][a-z]+Exception\b|<class",
)


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Status and code, of an answer that has all that a refusal must have."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    problem = answer.json()
    assert problem["type"] == f"/problems/{problem['code']}"
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == answer.request.url.path
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert not _LEAKS.search(answer.text), answer.text
    code: str = problem["code"]
    return answer.status_code, code


MALFORMED = (400, "validation-failed")


# Bodies


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\x00",
        b"\xff\xfe",
        b'{"variant_id": "x"}',
        b'{"a": NaN}',
        b"[" * 100_000,
        b'{"variant_id":' * 5_000,
    ],
)
async def test_broken_json_is_malformed(site: Shop, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    for path in ("cart/items", "login", "signup", "checkout"):
        answer = await site.client.post(
            f"{API}/{path}", content=body, headers={**headers, **site.key()}
        )
        assert refused(answer) == MALFORMED, path


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("login", {"email": 1, "password": PASSWORD}),
        ("login", {"email": "a@example.com", "password": None}),
        ("login", {"email": "a@example.com", "password": PASSWORD, "admin": True}),
        ("login", {"email": "a@example.com"}),
        ("login", {"email": "a\x00@example.com", "password": PASSWORD}),
        ("signup", {"name": "A\x00B", "email": "a@example.com", "password": PASSWORD}),
        ("signup", {"name": "", "email": "a@example.com", "password": PASSWORD}),
        ("signup", {"name": "A", "email": "nobody", "password": PASSWORD}),
        ("signup", {"name": "A", "email": "a@example.com", "password": ["x"]}),
        ("verify-email", {"token": "\x00"}),
        ("verify-email", {"token": {}}),
        ("cart/items", {"variant_id": 7, "quantity": 1}),
        ("cart/items", {"variant_id": str(uuid4()), "quantity": 1, "price": 1}),
        ("checkout", {"payment_method": "online", "discount": 100}),
        ("checkout", {"payment_method": "barter", "shipping_address": HOME}),
        ("checkout", {"payment_method": "online", "shipping_address": {**HOME, "name": "\x00"}}),
        ("checkout", {"payment_method": "online", "shipping_address": {**HOME, "zipcode": "1"}}),
        ("checkout", {"payment_method": "online", "shipping_address": {**HOME, "phone": "call"}}),
        ("checkout", {"payment_method": "online", "shipping_address": HOME, "email": "\x00@b.c"}),
        (
            "checkout",
            {"payment_method": "cod", "expected_total": {"amount": 1.5, "currency": "INR"}},
        ),
        ("checkout", {"payment_method": "cod", "expected_total": 5}),
    ],
)
async def test_wrong_types_and_unknown_fields_are_malformed(
    site: Shop, path: str, body: dict[str, Any]
) -> None:
    [variant] = await site.goods(5)
    guest = await site.guest(variant)
    headers = {**guest, **site.key()}
    answer = await site.client.post(f"{API}/{path}", json=body, headers=headers)
    assert refused(answer) == MALFORMED
    assert answer.json()["errors"]


@pytest.mark.parametrize("quantity", [0, -1, 100, 10**9, 10**30, "2", 2.5, True, None, [1]])
async def test_a_quantity_is_a_whole_number_from_1_to_99(site: Shop, quantity: Any) -> None:
    [variant] = await site.goods(200)
    guest = await site.guest(variant)
    body = {"variant_id": str(variant), "quantity": quantity}
    answer = await site.client.post(f"{API}/cart/items", json=body, headers=guest)
    assert refused(answer) == MALFORMED
    cart = (await site.client.get(f"{API}/cart", headers=guest)).json()
    url = f"{API}/cart/items/{cart['items'][0]['id']}"
    answer = await site.client.patch(url, json={"quantity": quantity}, headers=guest)
    assert refused(answer) == MALFORMED
    assert (await site.client.get(f"{API}/cart", headers=guest)).json() == cart


async def test_two_mebibytes_are_too_much_however_they_come(site: Shop) -> None:
    headers = {"Content-Type": "application/json", **site.key()}
    big = b'{"name":"' + b"x" * 2 * MIB + b'"}'

    async def in_pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 65_536):
            yield big[start : start + 65_536]

    for path in ("signup", "login", "cart/items", "checkout", "admin/products"):
        url = f"{API}/{path}"
        whole = await site.client.post(url, content=big, headers=headers)
        assert refused(whole) == (413, "body-too-large"), path
        pieces = await site.client.post(url, content=in_pieces(), headers=headers)
        assert refused(pieces) == (413, "body-too-large"), path
    hook = await site.client.post("/webhooks/razorpay", content=big)
    assert refused(hook) == (413, "body-too-large")


@pytest.mark.parametrize(
    "kind", ["text/plain", "text/xml", "application/x-www-form-urlencoded", "x"]
)
async def test_an_unknown_content_type_is_refused(site: Shop, kind: str) -> None:
    body = json.dumps({"email": "a@example.com", "password": PASSWORD})
    for path in ("login", "signup", "cart/items", "checkout"):
        headers = {"Content-Type": kind, **site.key()}
        answer = await site.client.post(f"{API}/{path}", content=body, headers=headers)
        assert refused(answer) == (415, "unsupported-media-type"), path


async def test_an_upload_is_a_form_with_a_file(site: Shop) -> None:
    staff = await site.staff()
    for path in ("imports", f"products/{uuid4()}/images"):
        url = f"{ADMIN}/{path}"
        typed = await site.client.post(url, json={}, headers=staff)
        assert refused(typed) == (415, "unsupported-media-type"), path
        empty = await site.client.post(url, files={"other": b"x"}, headers=staff)
        assert refused(empty) == MALFORMED, path
        assert "file" in [error["field"] for error in empty.json()["errors"]], path


@pytest.mark.parametrize(
    "part",
    [
        b'name="alt"\r\n\r\n\xff',
        b'name="\xff"\r\n\r\nx',
        b'name="alt"\r\nContent-Type: text/plain; charset=none\r\n\r\nx',
    ],
)
async def test_a_part_that_is_no_text_is_malformed(site: Shop, part: bytes) -> None:
    torn = b"--b\r\nContent-Disposition: form-data; " + part + b"\r\n--b--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    headers = kind | await site.staff()
    for path in ("imports", f"products/{uuid4()}/images"):
        answer = await site.client.post(f"{ADMIN}/{path}", content=torn, headers=headers)
        assert refused(answer) == MALFORMED, path
    page = await site.client.post("/sign-in", content=torn, headers=kind)
    assert page.status_code == 400


async def test_an_upload_is_not_read_for_somebody_who_may_not_send_one(site: Shop) -> None:
    read = 0

    async def large() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(64):
            read += 1
            yield b"x" * 65_536

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    customer = await site.somebody("c@example.com")
    for who, status in (({}, 401), ({"Authorization": "Bearer x"}, 401), (customer, 403)):
        for path in ("imports", f"products/{uuid4()}/images"):
            url = f"{ADMIN}/{path}"
            answer = await site.client.post(url, content=large(), headers=kind | who)
            assert answer.status_code == status, path
    assert read < 64


async def test_an_adjustment_by_nothing_names_its_field(site: Shop) -> None:
    [variant] = await site.goods(3)
    url = f"{ADMIN}/inventory/{variant}/adjustments"
    body = {"delta": 0, "reason": "counted"}
    answer = await site.client.post(url, json=body, headers=await site.staff())
    assert refused(answer) == MALFORMED
    assert [error["field"] for error in answer.json()["errors"]] == ["delta"]


async def test_a_wrong_method_is_told_the_right_ones(site: Shop) -> None:
    for method, path, allowed in [
        ("DELETE", "login", "POST"),
        ("GET", "login", "POST"),
        ("POST", "categories", "GET"),
        ("PUT", "products", "GET"),
        ("PATCH", f"orders/{uuid4()}", "GET"),
        ("POST", "cart", "GET"),
        ("DELETE", "checkout", "POST"),
    ]:
        answer = await site.client.request(method, f"{API}/{path}")
        assert refused(answer) == (405, "method-not-allowed"), path
        assert allowed in answer.headers["allow"], path


@pytest.mark.parametrize("some", [NOBODY, "no-uuid", "%00", "0", "..%2f..", "é" * 300])
async def test_what_is_not_there_is_not_found(site: Shop, some: str) -> None:
    staff = await site.staff()
    for path in (
        *("products/{}", "products/{}/reviews", "orders/{}", "orders/{}/tracking"),
        *("orders/{}/events", "orders/{}/invoice.pdf", "payments/{}", "admin/refunds/{}"),
        *("admin/emails/{}", "admin/imports/{}", "nothing/{}"),
    ):
        answer = await site.client.get(f"{API}/{path.format(some)}", headers=staff)
        status, code = refused(answer)
        assert status == 404, path
        assert code.endswith("not-found"), path
    for path in ("orders/{}/cancel", "orders/{}/payment-link", "admin/orders/{}/pack"):
        answer = await site.client.post(f"{API}/{path.format(some)}", headers=staff)
        assert refused(answer)[0] == 404, path
    for path in ("cart/items/{}", "addresses/{}", "me/sessions/{}"):
        answer = await site.client.delete(f"{API}/{path.format(some)}", headers=staff)
        assert refused(answer)[0] == 404, path


async def test_an_unknown_variant_cannot_be_put_in(site: Shop) -> None:
    answer = await site.put({}, uuid4())
    status, code = refused(answer)
    assert status == 404
    assert code.endswith("not-found")


# Somebody else's


async def test_what_is_somebody_elses_does_not_exist(site: Shop) -> None:
    one, other = await site.somebody("1@example.com"), await site.somebody("2@example.com")
    kept = (await site.client.post(f"{API}/addresses", json=HOME, headers=one)).json()
    placed = await site.order()
    order, payment = placed["order"]["id"], placed["payment"]["id"]
    [variant] = await site.goods(3)
    stranger = await site.order()
    for who in (
        other,
        {},
        stranger["opens"],
        {"X-Order-Token": "AAAA"},
        {"X-Order-Token": "x" * 9000},
    ):
        for method, path in [
            ("GET", f"orders/{order}"),
            ("GET", f"orders/{order}/tracking"),
            ("GET", f"orders/{order}/invoice.pdf"),
            ("POST", f"orders/{order}/cancel"),
            ("POST", f"orders/{order}/payment-link"),
            ("GET", f"payments/{payment}"),
        ]:
            answer = await site.client.request(method, f"{API}/{path}", headers=who)
            assert refused(answer)[0] == 404, path
    url = f"{API}/addresses/{kept['id']}"
    assert refused(await site.client.patch(url, json={"city": "X"}, headers=other))[0] == 404
    assert refused(await site.client.delete(url, headers=other))[0] == 404
    await site.put(other, variant)
    stolen = await site.check_out(other, shipping_address=None, shipping_address_id=kept["id"])
    assert refused(stolen)[0] == 404
    line = (await site.client.get(f"{API}/cart", headers=other)).json()["items"][0]["id"]
    url = f"{API}/cart/items/{line}"
    assert refused(await site.client.delete(url, headers=one))[0] == 404
    url = f"{ADMIN}/refunds/{uuid4()}"
    assert refused(await site.client.get(url, headers=one)) == (403, "denied")


# Keys


async def test_checkout_wants_a_key_that_can_be_read(site: Shop) -> None:
    [variant] = await site.goods(3)
    guest = await site.guest(variant)
    body = {"payment_method": "online", "shipping_address": HOME, "email": "a@example.com"}
    missing = await site.client.post(f"{API}/checkout", json=body, headers=guest)
    assert refused(missing) == (400, "idempotency-key-missing")
    sooner = await site.client.post(f"{API}/checkout", json={}, headers=guest)
    assert refused(sooner) == (400, "idempotency-key-missing"), "the key comes before the body"
    for odd in ("", " ", "a b", "x" * 256, "a\tb"):
        headers = {**guest, "Idempotency-Key": odd}
        answer = await site.client.post(f"{API}/checkout", json=body, headers=headers)
        assert answer.status_code == 400, odd
        refused(answer)


async def test_parallel_twins_of_one_key_make_one_order(site: Shop) -> None:
    [variant] = await site.goods(50)
    who = {**await site.guest(variant), "Idempotency-Key": "twins"}
    answers = await asyncio.gather(*(site.check_out(who) for _ in range(12)))
    made = [one for one in answers if one.status_code == 201]
    assert made
    assert len({one.content for one in made}) == 1
    for one in answers:
        if one.status_code != 201:
            assert refused(one) == (409, "idempotency-in-progress")
    assert await on_shelf(site.container, variant) == (50, 1)
    assert (await site.check_out(who)).content == made[0].content


async def test_the_last_five_are_sold_to_five_of_fifty(site: Shop) -> None:
    [variant] = await site.goods(5)
    guests = [await site.guest(variant) for _ in range(50)]
    answers = await asyncio.gather(*(site.check_out(guest) for guest in guests))
    assert sorted(one.status_code for one in answers) == [201] * 5 + [409] * 45
    for one in answers:
        if one.status_code == 409:
            assert refused(one) == (409, "out-of-stock")
    assert await on_shelf(site.container, variant) == (5, 5)


# Checkout


async def test_a_checkout_that_makes_no_sense_says_why(site: Shop) -> None:
    [variant] = await site.goods(5)
    guest = await site.guest(variant)
    total = {"amount": 1, "currency": "INR"}
    dollars = {"amount": 49_900, "currency": "USD"}
    cases: list[tuple[dict[str, Any], set[tuple[int, str]]]] = [
        ({"expected_total": total}, {(409, "price-changed")}),
        ({"expected_total": dollars}, {(409, "price-changed"), MALFORMED}),
        ({"shipping_method": "catapult"}, {(404, "shipping-method-unknown")}),
        ({"payment_method": "barter"}, {MALFORMED}),
        ({"shipping_address": None}, {MALFORMED}),
        ({"email": None}, {MALFORMED}),
        ({"shipping_address_id": str(uuid4())}, {MALFORMED}),
        (
            {"shipping_address": None, "shipping_address_id": str(uuid4())},
            {(404, "address-not-found")},
        ),
    ]
    for changes, wanted in cases:
        answer = await site.check_out(guest, **changes)
        assert refused(answer) in wanted, changes
    assert await on_shelf(site.container, variant) == (5, 0)


async def test_an_empty_cart_buys_nothing(site: Shop) -> None:
    [variant] = await site.goods(5)
    for who in ({}, {"X-Cart-Token": "x" * 43}, await site.somebody("c@example.com")):
        assert refused(await site.check_out(who)) == (409, "cart-empty")
    bad = await site.check_out({"X-Cart-Token": "../etc"})
    assert refused(bad) == MALFORMED
    guest = await site.guest(variant)
    assert (await site.check_out(guest)).status_code == 201
    assert refused(await site.check_out(guest)) == (409, "cart-empty")


async def test_an_unknown_coupon_gives_a_reason(site: Shop) -> None:
    [variant] = await site.goods(5)
    guest = await site.guest(variant)
    for code in ("NOPE", "x" * 32, "'; DROP TABLE carts; --"):
        answer = await site.client.put(f"{API}/cart/coupon", json={"code": code}, headers=guest)
        assert refused(answer) == (422, "coupon-invalid")
    for odd in ("", "\x00", "x" * 10_000):
        answer = await site.client.put(f"{API}/cart/coupon", json={"code": odd}, headers=guest)
        assert refused(answer) in {MALFORMED, (422, "coupon-invalid")}


# Payments


async def test_paying_twice_pays_once(site: Shop) -> None:
    placed = await site.order()
    await asyncio.gather(*(site.pay(placed) for _ in range(5)))
    await site.pay(placed)
    for body, headers in await site.hooks():
        assert (await site.hook(body, headers)).status_code == 200
    url = f"{API}/orders/{placed['order']['id']}"
    order = (await site.client.get(url, headers=placed["opens"])).json()
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    assert order["refund_ids"] == []
    assert await on_shelf(site.container, placed["variant"]) == (18, 0)
    link = await site.client.post(f"{url}/payment-link", headers=placed["opens"])
    assert refused(link)[0] == 409


async def test_the_link_of_an_expired_order_takes_no_money(site: Shop) -> None:
    placed = await site.order()
    site.clock.advance(901)
    await site.settle_down()
    url = f"{API}/orders/{placed['order']['id']}"
    order = (await site.client.get(url, headers=placed["opens"])).json()
    assert (order["status"], order["payment_link"]) == ("expired", None)
    assert (await site.press(placed["payment"]["url"])).status_code in {409, 410}
    for path in ("payment-link", "cancel"):
        answer = await site.client.post(f"{url}/{path}", headers=placed["opens"])
        assert refused(answer) == (409, "order-state")
    assert await on_shelf(site.container, placed["variant"]) == (20, 0)


async def test_forged_news_is_refused_and_changes_nothing(site: Shop) -> None:
    placed = await site.order()
    back = (await site.press(placed["payment"]["url"])).headers["location"]
    url = f"{API}/orders/{placed['order']['id']}"
    before = (await site.client.get(url, headers=placed["opens"])).json()
    [(body, headers), *_] = await site.hooks()
    forged: list[Headers] = [
        {},
        {"X-Razorpay-Signature": ""},
        {"X-Razorpay-Signature": "0" * 64},
        {"X-Razorpay-Signature": "x" * 9000},
        {**headers, "X-Razorpay-Signature": headers["X-Razorpay-Signature"][:-1]},
    ]
    for one in forged:
        assert refused(await site.hook(body, one)) == (401, "signature-invalid")
    assert refused(await site.hook(body + b" ", headers)) == (401, "signature-invalid")
    path = back.partition("?")[0]
    for query in (
        "",
        "?razorpay_signature=x",
        back.partition("?")[2][:-1] and "?" + back.partition("?")[2][:-1],
    ):
        assert refused(await site.client.get(path + query))[0] == 400
    assert (await site.client.get(url, headers=placed["opens"])).json() == before


async def test_the_same_webhook_ten_times_and_before_the_callback_counts_once(site: Shop) -> None:
    placed = await site.order()
    back = (await site.press(placed["payment"]["url"])).headers["location"]
    hooks = await site.hooks()
    sent = [hook for hook in reversed(hooks) for _ in range(10)]
    answers = await asyncio.gather(*(site.hook(*hook) for hook in sent))
    assert {one.status_code for one in answers} == {200}
    assert (await site.client.get(back)).status_code == 303
    url = f"{API}/orders/{placed['order']['id']}"
    order = (await site.client.get(url, headers=placed["opens"])).json()
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    assert [one["status"] for one in order["timeline"]].count("confirmed") == 1
    assert await on_shelf(site.container, placed["variant"]) == (18, 0)


# Staff


async def test_of_cancel_and_ship_one_wins(site: Shop) -> None:
    staff = await site.staff()
    for turn in range(4):
        placed = await site.order()
        await site.pay(placed)
        url = f"{ADMIN}/orders/{placed['order']['id']}"
        await site.client.post(f"{url}/pack", headers=staff)
        ship = {"carrier": "Post", "tracking_number": "T1"}
        both = [
            site.client.post(f"{url}/ship", headers=staff, json=ship),
            site.client.post(
                f"{API}/orders/{placed['order']['id']}/cancel", headers=placed["opens"]
            ),
        ]
        answers = await asyncio.gather(*(both if turn % 2 else both[::-1]))
        assert sorted(one.status_code for one in answers) == [200, 409]
        won, lost = sorted(answers, key=lambda one: one.status_code)
        assert refused(lost) == (409, "order-state")
        kept = {"shipped": (18, 0), "cancelled": (20, 0)}[won.json()["status"]]
        assert await on_shelf(site.container, placed["variant"]) == kept


async def test_moves_the_state_machine_does_not_know_are_refused(site: Shop) -> None:
    staff = await site.staff()
    placed = await site.order()
    url = f"{ADMIN}/orders/{placed['order']['id']}"
    ship = {"carrier": "Post", "tracking_number": "T1"}

    async def move(name: str) -> httpx.Response:
        more: dict[str, Any] = {"json": ship} if name == "ship" else {}
        return await site.client.post(f"{url}/{name}", headers=staff, **more)

    async def only(good: str) -> None:
        for name in {"pack", "ship", "deliver"} - {good}:
            assert refused(await move(name)) == (409, "order-state"), name
        if good:
            assert (await move(good)).status_code == 200

    await only("")
    await site.pay(placed)
    await only("pack")
    await only("ship")
    assert refused(await move("cancel")) == (409, "order-state")
    await only("deliver")
    await only("")
    for name in ("ship", "tracking-events"):
        answer = await site.client.post(f"{url}/{name}", headers=staff, json={"carrier": ""})
        assert refused(answer) == MALFORMED


async def test_nobody_refunds_more_than_was_paid(site: Shop) -> None:
    staff = await site.staff()
    placed = await site.order()
    url = f"{ADMIN}/orders/{placed['order']['id']}/refunds"
    early = await site.client.post(url, json={"reason": "x"}, headers=staff)
    assert refused(early)[0] in {409, 422}
    await site.pay(placed)
    for amount in (0, -1, 1.5, "1", 10**16):
        answer = await site.client.post(url, json={"amount": amount, "reason": "x"}, headers=staff)
        assert refused(answer)[0] in {400, 422}, amount
    much = await site.client.post(url, json={"amount": 99_801, "reason": "x"}, headers=staff)
    assert refused(much) == (422, "refund-too-large")
    body = {"amount": 60_000, "reason": "x"}
    answers = await asyncio.gather(
        *(site.client.post(url, json=body, headers=staff) for _ in range(4))
    )
    assert sorted(one.status_code for one in answers) == [201, 422, 422, 422]


async def test_refunds_with_one_key_are_one_refund(site: Shop) -> None:
    staff = await site.staff()
    placed = await site.order()
    await site.pay(placed)
    url = f"{ADMIN}/orders/{placed['order']['id']}/refunds"
    headers = {**staff, "Idempotency-Key": "r-1"}
    body = {"amount": 100, "reason": "x"}
    answers = await asyncio.gather(
        *(site.client.post(url, json=body, headers=headers) for _ in range(6))
    )
    made = [one for one in answers if one.status_code == 201]
    assert len({one.content for one in made}) == 1
    for one in answers:
        if one.status_code != 201:
            assert refused(one) == (409, "idempotency-in-progress")
    order = f"{API}/orders/{placed['order']['id']}"
    shown = (await site.client.get(order, headers=placed["opens"])).json()
    assert len(shown["refund_ids"]) == 1
    other = await site.client.post(url, json={**body, "amount": 200}, headers=headers)
    assert refused(other) == (422, "idempotency-key-reused")


# Signing in


async def test_who_does_not_exist_and_who_mistypes_get_the_same_answer(site: Shop) -> None:
    await site.somebody("a@example.com")
    answers = []
    for email in ("a@example.com", "nobody@example.com"):
        body = {"email": email, "password": "wrong kettles here"}
        answer = await site.client.post(f"{API}/login", json=body, headers={"X-Request-Id": "same"})
        assert refused(answer) == (401, "bad-credentials")
        answers.append(answer.content)
    assert answers[0] == answers[1]


async def test_tokens_that_do_not_hold_are_refused_everywhere(site: Shop) -> None:
    for odd in ("Bearer ", "Bearer x", "Basic YTpi", "x", "Bearer a.b.c", "Bearer " + "x" * 9000):
        for path in ("me", "orders", "cart", "addresses", "admin/orders"):
            answer = await site.client.get(f"{API}/{path}", headers={"Authorization": odd})
            assert refused(answer) == (401, "unauthenticated"), (path, odd)
            assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "query",
    [
        *("limit=0", "limit=101", "limit=abc", "limit=1.5", "limit=1e3", "cursor=zzz"),
        *("cursor=AAAA", "min_price=-1", "max_price=x", "min_rating=6", "sort=best"),
        *("in_stock=maybe", "facets=perhaps", "limit=%00", "min_rating=nan", "min_rating=inf"),
    ],
)
async def test_a_malformed_query_is_refused(site: Shop, query: str) -> None:
    assert refused(await site.client.get(f"{API}/products?{query}")) == MALFORMED


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/sign-in", "application/x-www-form-urlencoded"),
        ("/sign-in", "multipart/form-data; boundary=b"),
        ("/oauth2/authorize", "application/x-www-form-urlencoded"),
        ("/oauth2/token", "application/x-www-form-urlencoded"),
        ("/sandbox/pay/x", "application/x-www-form-urlencoded"),
        ("/webhooks/razorpay", "application/json"),
        (f"{API}/login", "application/json"),
    ],
)
async def test_who_hangs_up_within_a_body_is_no_error_of_ours(
    site: Shop, path: str, kind: str
) -> None:
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        statuses.append(message.get("status", 0))

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"content-type", kind.encode()), (b"content-length", b"9")],
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 8000),
        "state": {},
    }
    await site.edge(scope, receive, send)
    assert statuses[0] == 400
