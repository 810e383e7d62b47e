"""Orders over HTTP: webhooks, the way back, the sandbox page, staff, guests, papers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, cast
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest
from dishka import AsyncContainer
from litestar import Litestar

from shop.adapters.sandbox.gateway import SandboxGateway
from shop.core.kernel.access import NOBODY, Caller
from shop.core.kernel.errors import Unauthenticated
from shop.core.orders.model import Order
from shop.entrypoints.actors.desks import SettlementDesk
from shop.entrypoints.http.api.admin_orders import AdminOrderController, AdminRefundController
from shop.entrypoints.http.api.live import follow
from shop.entrypoints.http.api.orders import OrderController
from shop.entrypoints.http.api.payments import PaymentController
from shop.entrypoints.http.auth import Authenticator
from shop.entrypoints.http.edge import LameDuck
from shop.entrypoints.http.order_tokens import OrderTokens
from shop.entrypoints.http.problems import PROBLEMS
from shop.entrypoints.http.web.sandbox import SandboxController
from shop.entrypoints.http.webhooks.razorpay import RazorpayController
from shop.ports.orders import OrderReads
from shop.ports.sandbox import SandboxBooks
from shop.ports.system import Clock, Ids
from tests.kit.clock import ManualClock
from tests.kit.framework import lent
from tests.kit.goods import stocked
from tests.kit.orders import Shown, an_order, shown, staff, stock

CONTROLLERS = [
    OrderController,
    PaymentController,
    AdminOrderController,
    AdminRefundController,
    RazorpayController,
    SandboxController,
]
STAFF = {"Authorization": "Bearer staff"}
SECRET_LINE = "X-Razorpay-Signature"


class Doorman(Authenticator):
    def __init__(self, known: dict[str, Caller]) -> None:
        self._known = known

    async def caller(self, authorization: str | None) -> Caller:
        if authorization is None:
            return NOBODY
        try:
            return self._known[authorization]
        except KeyError:
            raise Unauthenticated("No.") from None


@pytest.fixture
async def client(container: AsyncContainer) -> AsyncIterator[httpx.AsyncClient]:
    known = {"Bearer staff": staff(await container.get(Ids))}
    with lent(_app, {"container": container, "authenticator": Doorman(known)}) as app:
        transport = httpx.ASGITransport(app=cast(Any, app))
        async with (
            serving(container),
            httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client,
        ):
            yield client


def _app() -> Litestar:
    return Litestar(CONTROLLERS, exception_handlers=PROBLEMS, openapi_config=None)


@asynccontextmanager
async def serving(container: AsyncContainer) -> AsyncIterator[None]:
    desk = await container.get(SettlementDesk)
    running = asyncio.create_task(desk.run())
    try:
        await asyncio.sleep(0)
        yield
    finally:
        await desk.drain()
        await running


@pytest.fixture
async def order(container: AsyncContainer) -> Shown:
    [variant] = await stocked(container, 5)
    return await an_order(container, variant)


async def key(container: AsyncContainer, order: Shown) -> dict[str, str]:
    return {"X-Order-Token": (await container.get(OrderTokens)).make(order.order.id)}


def page_of(order: Shown) -> str:
    assert order.payment.link_url
    assert "/i/" not in order.payment.link_url
    return urlsplit(order.payment.link_url).path


async def press(client: httpx.AsyncClient, order: Shown, outcome: str) -> httpx.Response:
    return await client.post(page_of(order), data={"outcome": outcome})


async def deliver(container: AsyncContainer, client: httpx.AsyncClient) -> list[int]:
    """Send the queued webhooks, as the poller does, through the test's own client."""
    books, gateway = await container.get(SandboxBooks), await container.get(SandboxGateway)
    clock = await container.get(Clock)
    statuses = []
    for hook in reversed(await books.due(clock.now(), 50)):
        headers = {SECRET_LINE: gateway.sign(hook.body), "x-razorpay-event-id": hook.id}
        answer = await client.post("/webhooks/razorpay", content=hook.body, headers=headers)
        statuses.append(answer.status_code)
    return statuses


async def test_the_page_pays_and_leads_back_to_a_confirmed_order(
    client: httpx.AsyncClient, container: AsyncContainer, order: Shown
) -> None:
    page = await client.get(page_of(order))
    assert page.status_code == 200
    assert order.order.number in page.text
    assert "₹998<" in page.text
    back = await press(client, order, "success")
    assert back.status_code == 303
    assert back.headers["location"].startswith(
        "http://localhost:8000/payments/razorpay/callback?razorpay_payment_id=pay_"
    )
    on = await client.get(back.headers["location"])
    assert on.status_code == 303
    assert on.headers["location"] == f"/checkout/return/{order.order.number}"
    seen = await client.get(f"/api/v1/orders/{order.order.id}", headers=await key(container, order))
    assert seen.json()["status"] == "confirmed"
    assert seen.json()["payment_link"] is None
    again = await press(client, order, "success")
    assert again.headers["location"] == back.headers["location"]


async def test_webhooks_alone_confirm_too_and_their_repeats_change_nothing(
    client: httpx.AsyncClient, container: AsyncContainer, order: Shown
) -> None:
    await press(client, order, "failure")
    await press(client, order, "success")
    assert await deliver(container, client) == [200, 200, 200]
    first = await shown(container, order.order.id)
    assert first.order.status == "confirmed"
    assert await deliver(container, client) == [200, 200, 200]
    assert await shown(container, order.order.id) == first
    assert await stock(container, order.order.lines[0].variant_id) == (3, 0)


async def test_a_failed_attempt_leads_back_and_can_be_followed_by_a_good_one(
    client: httpx.AsyncClient, container: AsyncContainer, order: Shown
) -> None:
    failed = await press(client, order, "failure")
    assert failed.status_code == 303
    assert (await client.get(failed.headers["location"])).status_code == 303
    assert (await shown(container, order.order.id)).order.status == "pending_payment"
    assert (await press(client, order, "success")).status_code == 303


async def test_forged_webhooks_and_callbacks_leave_no_trace(
    client: httpx.AsyncClient, container: AsyncContainer, order: Shown
) -> None:
    back = (await press(client, order, "success")).headers["location"]
    books, gateway = await container.get(SandboxBooks), await container.get(SandboxGateway)
    [hook, *_] = await books.due((await container.get(Clock)).now(), 1)
    before = await shown(container, order.order.id)
    forged: list[dict[str, str]] = [
        {},
        {SECRET_LINE: ""},
        {SECRET_LINE: "0" * 64},
        {SECRET_LINE: gateway.sign(hook.body + b" ")},
    ]
    for headers in forged:
        answer = await client.post("/webhooks/razorpay", content=hook.body, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["code"] == "signature-invalid"
    path, query = urlsplit(back).path, dict(parse_qsl(urlsplit(back).query))
    for name in query:
        spoiled = {**query, name: query[name][:-1] + "é"}
        assert (await client.get(f"{path}?{urlencode(spoiled)}")).status_code == 400
    assert (await client.get(path)).status_code == 400
    assert await shown(container, order.order.id) == before


async def test_signed_news_that_means_nothing_is_taken(
    client: httpx.AsyncClient, container: AsyncContainer
) -> None:
    gateway = await container.get(SandboxGateway)
    for text, status in [
        (b'{"event":"payment.downtime.started","payload":{}}', 200),
        (b'{"event":"payment_link.expired","payload":{"payment_link":{"entity":{"id":"p"}}}}', 200),
        (b"no json", 400),
    ]:
        headers = {SECRET_LINE: gateway.sign(text)}
        answer = await client.post("/webhooks/razorpay", content=text, headers=headers)
        assert answer.status_code == status


async def test_the_page_says_when_there_is_nothing_to_pay(
    client: httpx.AsyncClient, container: AsyncContainer, order: Shown, clock: ManualClock
) -> None:
    assert (await client.post(page_of(order), data={})).status_code == 400
    assert (await client.get("/sandbox/pay/abc")).status_code == 404
    spoiled = page_of(order)[:-4] + "AAAA"
    assert (await client.post(spoiled, data={"outcome": "success"})).status_code == 404
    [variant] = await stocked(container, 5)
    other = await an_order(container, variant)
    path = f"/api/v1/orders/{other.order.id}/cancel"
    assert (await client.post(path, headers=await key(container, other))).status_code == 200
    assert (await press(client, other, "success")).status_code == 409
    assert (await client.get(page_of(other))).status_code == 409
    clock.advance(3600)
    assert (await press(client, order, "success")).status_code == 410
    assert (await client.get(page_of(order))).status_code == 410


async def test_a_guest_opens_their_own_order_and_no_other(
    client: httpx.AsyncClient, container: AsyncContainer, order: Shown
) -> None:
    [variant] = await stocked(container, 5)
    other = await an_order(container, variant)
    mine = await key(container, order)
    paths = ["", "/tracking", "/events", "/invoice.pdf", "/receipt.pdf"]
    for path in paths:
        for url, headers in [
            (f"/api/v1/orders/{order.order.id}{path}", {}),
            (f"/api/v1/orders/{other.order.id}{path}", mine),
        ]:
            answer = await client.get(url, headers=headers)
            assert answer.status_code == 404, url
    token = mine["X-Order-Token"]
    url = f"/api/v1/orders/{order.order.id}"
    assert (await client.get(url, params={"order_token": token})).status_code == 200
    cancel = await client.post(f"{url}/cancel", params={"order_token": token})
    assert cancel.status_code == 404
    payment = f"/api/v1/payments/{order.payment.id}"
    assert (await client.get(payment)).status_code == 404
    assert (await client.get(payment, headers=mine)).json()["amount"] == 99_800
    assert (await client.get("/api/v1/orders")).status_code == 401


async def test_staff_moves_an_order_to_the_door_and_no_further(
    client: httpx.AsyncClient, container: AsyncContainer, order: Shown
) -> None:
    url = f"/api/v1/admin/orders/{order.order.id}"
    assert (await client.post(f"{url}/pack", headers=STAFF)).json()["code"] == "order-state"
    assert (await client.post(f"{url}/pack")).status_code == 401
    await press(client, order, "success")
    await deliver(container, client)
    ship = {"carrier": "Post", "tracking_number": "T1"}
    seen = {"status": "out", "description": "On its way", "occurred_at": "2030-01-01T13:00:00Z"}
    assert (await client.post(f"{url}/pack", headers=STAFF)).json()["status"] == "packed"
    assert (await client.post(f"{url}/ship", headers=STAFF, json={})).status_code == 400
    for field in ship:
        blank = await client.post(f"{url}/ship", headers=STAFF, json=ship | {field: " \t"})
        assert (blank.status_code, blank.json()["errors"][0]["field"]) == (400, field)
    padded = {field: f"  {value} " for field, value in ship.items()}
    shipped = await client.post(f"{url}/ship", headers=STAFF, json=padded)
    assert shipped.status_code == 200
    assert shipped.json()["tracking"] == {"carrier": "Post", "number": "T1", "events": []}
    late = await client.post(f"{url}/cancel", headers=STAFF)
    assert (late.status_code, late.json()["code"]) == (409, "order-state")
    now = (await container.get(Clock)).now()
    for ahead, status in ((timedelta(days=1, seconds=1), 400), (timedelta(days=1), 201)):
        told = seen | {"occurred_at": (now + ahead).isoformat(), "status": "planned"}
        early = await client.post(f"{url}/tracking-events", headers=STAFF, json=told)
        assert early.status_code == status
        if status == 400:
            assert early.json()["errors"][0] == {
                "field": "occurred_at",
                "code": "range",
                "message": "This has not happened yet.",
            }
    tracked = await client.post(f"{url}/tracking-events", headers=STAFF, json=seen)
    assert tracked.status_code == 201
    statuses = [one["status"] for one in tracked.json()["tracking"]["events"]]
    assert statuses == ["planned", "out"]
    assert tracked.json()["tracking"]["events"][1]["description"] == "On its way"
    before_all = seen | {"occurred_at": "0001-01-01T00:00:00+14:00"}
    never = await client.post(f"{url}/tracking-events", headers=STAFF, json=before_all)
    assert never.json()["errors"][0]["field"] == "occurred_at"
    there = seen | {"occurred_at": "2029-12-31T18:30:00+05:30"}
    local = await client.post(f"{url}/tracking-events", headers=STAFF, json=there)
    assert local.json()["tracking"]["events"][2]["at"] == "2029-12-31T13:00:00Z"
    assert (await client.post(f"{url}/deliver", headers=STAFF)).json()["status"] == "delivered"
    mine = await key(container, order)
    back: dict[str, Any] = {
        "items": [{"variant_id": str(order.order.lines[0].variant_id), "quantity": 2}],
        "reason": "Too small",
    }
    url = f"/api/v1/orders/{order.order.id}/returns"
    asked = await client.post(url, headers=mine, json=back)
    assert asked.json()["timeline"][-1]["kind"] == "return"
    back["items"][0]["quantity"] = 3
    assert (await client.post(url, headers=mine, json=back)).status_code == 422
    listed = await client.get("/api/v1/admin/orders", headers=STAFF, params={"status": "delivered"})
    assert [one["id"] for one in listed.json()["items"]] == [str(order.order.id)]


async def test_a_refund_is_repeated_by_its_key_only(
    client: httpx.AsyncClient, container: AsyncContainer, order: Shown
) -> None:
    await press(client, order, "success")
    await deliver(container, client)
    url = f"/api/v1/admin/orders/{order.order.id}/refunds"
    headers = {**STAFF, "Idempotency-Key": "r1"}
    body = {"amount": 100, "reason": "Scratched"}
    first = await client.post(url, headers=headers, json=body)
    again = await client.post(url, headers=headers, json=body)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"
    other = await client.post(url, headers=headers, json={**body, "amount": 200})
    assert other.json()["code"] == "idempotency-key-reused"
    for nothing in ("", " ", "\n\t"):
        unsaid = await client.post(url, headers=STAFF, json={"reason": nothing})
        assert (unsaid.status_code, unsaid.json()["errors"][0]["field"]) == (400, "reason")
    much = await client.post(url, headers=STAFF, json={"amount": 99_701, "reason": "x"})
    assert (much.status_code, much.json()["code"]) == (422, "refund-too-large")
    one = await client.get(f"/api/v1/admin/refunds/{first.json()['id']}", headers=STAFF)
    assert one.json()["amount"] == {"amount": 100, "currency": "INR"}
    assert len((await shown(container, order.order.id)).refunds) == 1


async def test_papers_come_when_there_is_something_to_say(
    client: httpx.AsyncClient, container: AsyncContainer, order: Shown
) -> None:
    mine = await key(container, order)
    url = f"/api/v1/orders/{order.order.id}"
    for paper in ("invoice.pdf", "receipt.pdf"):
        early = await client.get(f"{url}/{paper}", headers=mine)
        assert (early.status_code, early.json()["code"]) == (409, "order-state")
    await press(client, order, "success")
    await deliver(container, client)
    for paper in ("invoice.pdf", "receipt.pdf"):
        got = await client.get(f"{url}/{paper}", headers=mine)
        assert got.headers["content-type"] == "application/pdf"
        assert got.content.startswith(b"%PDF-")


async def test_a_new_link_comes_by_post(
    client: httpx.AsyncClient, container: AsyncContainer, order: Shown
) -> None:
    url = f"/api/v1/orders/{order.order.id}/payment-link"
    answer = await client.post(url, headers=await key(container, order))
    assert answer.status_code == 200
    assert answer.json()["payment"]["url"] != order.payment.link_url
    assert answer.json()["order"]["payment_id"] == answer.json()["payment"]["id"]
    assert (await press(client, order, "success")).status_code == 409


async def test_the_live_timeline_goes_on_where_it_was(
    client: httpx.AsyncClient, container: AsyncContainer, order: Shown
) -> None:
    reads = await container.get(OrderReads)

    async def look() -> Order:
        found: Order = await reads.get(order.order.id)
        return found

    duck = LameDuck()
    told = [part async for part in follow(look, 0, duck, looks=1)]
    assert told[1].startswith(b"id: 1\nevent: status\ndata: {")
    live = follow(look, 1, duck, pause=0.0)
    assert await anext(live) == b"retry: 1000\n\n"
    await press(client, order, "success")
    await deliver(container, client)
    assert (await anext(live)).startswith(b"id: 2\n")
    duck.begin()
    assert [part async for part in live] == []
    bad = {**await key(container, order), "Last-Event-ID": "x"}
    events = f"/api/v1/orders/{order.order.id}/events"
    assert (await client.get(events, headers=bad)).status_code == 400
