"""The whole shop with Razorpay, on its bad days. After each, the audit agrees."""

import random
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dishka import Provider, Scope, provide
from msgspec import Struct

from shop.adapters.razorpay.breaker import Breaker
from shop.adapters.razorpay.gateway import RazorpayGateway
from shop.adapters.razorpay.line import Clients
from shop.core.checkout.audit import Audit
from shop.core.checkout.expiry import Expiry
from shop.core.checkout.links import PaymentLinks
from shop.core.checkout.refunds import RefundSender
from shop.ports.payments import Gateway
from shop.ports.system import Clock
from shop.settings import Payments, Razorpay, Secret, Url
from tests.kit.clock import ManualClock
from tests.kit.razorpay import (
    HTML,
    KEY_ID,
    KEY_SECRET,
    WEBHOOK_SECRET,
    FakeRazorpay,
    razorpay_served,
)
from tests.kit.site import API, Headers, Shop, a_shop

#: What the breaker shows in the metrics.
CLOSED, HALF_OPEN, OPEN = 0.0, 0.5, 1.0
CREATE = "POST /v1/payment_links"
FIND = "GET /v1/payment_links"
#: Seconds after which the shop makes the links that were not there at checkout.
GRACE = 11
CHECK = 301
HOLD = 901


class Patient(Provider):
    """The real adapter. The gateway hangs up on who gets no answer, which is the same to it: by a
    short time to wait it would take a busy machine for a silent gateway."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    @provide(scope=Scope.APP, override=True)
    def gateway(self, breaker: Breaker, clock: Clock) -> Iterator[Gateway]:
        clients = Clients(KEY_ID, KEY_SECRET, self._url, threads=2, read_seconds=30.0)
        yield RazorpayGateway(
            clients,
            breaker,
            clock,
            key_secret=KEY_SECRET.encode(),
            webhook_secrets=[WEBHOOK_SECRET.encode()],
        )
        clients.close()


class Scene(Struct):
    """A shop, its gateway, and one time for both."""

    shop: Shop
    fake: FakeRazorpay

    def later(self, seconds: float) -> None:
        self.shop.clock.advance(seconds)
        assert isinstance(self.fake.clock, ManualClock)
        self.fake.clock.advance(seconds)

    async def work(self, kind: Any, what: Callable[[Any], Any]) -> None:
        async with self.shop.container() as scope:
            await what(await scope.get(kind))

    async def make_links(self) -> None:
        await self.work(PaymentLinks, lambda links: links.create_missing())

    async def check_links(self) -> None:
        await self.work(PaymentLinks, lambda links: links.check_due())

    async def expire(self) -> None:
        await self.work(Expiry, lambda expiry: expiry.run_once())

    async def refunds(self) -> None:
        await self.work(RefundSender, lambda sender: sender.send_due())

    async def look(self, placed: dict[str, Any]) -> dict[str, Any]:
        path = f"{API}/orders/{placed['order']['id']}"
        answer = await self.shop.client.get(path, headers=placed["opens"])
        assert answer.status_code == 200, answer.text
        order: dict[str, Any] = answer.json()
        return order

    async def come_back(self, url: str) -> None:
        """The browser, from the gateway's page."""
        answer = await self.shop.client.get(url)
        assert answer.status_code == 303, answer.text

    async def deliver(self, hooks: list[tuple[bytes, Headers]]) -> None:
        for body, headers in hooks:
            answer = await self.shop.hook(body, headers)
            assert answer.status_code == 200, answer.text

    async def agrees(self) -> None:
        """Once everything has come to rest."""
        await self.shop.settle_down()
        await self.shop.settle_down()
        async with self.shop.container() as scope:
            report = await (await scope.get(Audit)).run()
        assert report.findings == []

    async def links_of(self, placed: dict[str, Any]) -> list[str]:
        """The references of all links the gateway has."""
        assert placed
        return [one.reference for one in self.fake.links.values()]


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with (
        razorpay_served(ManualClock()) as fake,
        a_shop(
            "mysql",
            tmp_path,
            Patient(fake.url),
            payments=Payments(provider="razorpay"),
            razorpay=Razorpay(
                key_id=KEY_ID,
                key_secret=Secret(KEY_SECRET),
                webhook_secret=Secret(WEBHOOK_SECRET),
                url=Url(fake.url),
            ),
        ) as shop,
    ):
        fake.hangs_up = True
        yield Scene(shop, fake)


# --- good days -----------------------------------------------------------------------------------


async def test_a_buyer_pays_and_the_way_back_confirms(scene: Scene) -> None:
    placed = await scene.shop.order()
    assert placed["payment"]["url"].startswith(scene.fake.url)
    await scene.come_back(await scene.fake.pay(placed["payment"]["url"]))
    order = await scene.look(placed)
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    await scene.deliver(await scene.fake.hooks())
    assert await scene.look(placed) == order
    await scene.agrees()


async def test_webhooks_may_come_ten_times_shuffled_and_before_the_browser(scene: Scene) -> None:
    placed = await scene.shop.order()
    await scene.fake.pay(placed["payment"]["url"], success=False)
    back = await scene.fake.pay(placed["payment"]["url"])
    hooks = await scene.fake.hooks() * 10
    random.Random(7).shuffle(hooks)  # noqa: S311 - the same each time
    await scene.deliver(hooks)
    order = await scene.look(placed)
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    await scene.come_back(back)
    after = await scene.look(placed)
    assert after == order
    await scene.agrees()


async def test_a_payment_nobody_reports_is_found_by_asking(scene: Scene) -> None:
    placed = await scene.shop.order()
    await scene.fake.pay(placed["payment"]["url"])
    await scene.fake.lose_hooks()
    await scene.check_links()
    assert (await scene.look(placed))["status"] == "pending_payment"
    scene.later(CHECK)
    await scene.check_links()
    assert (await scene.look(placed))["status"] == "confirmed"
    await scene.agrees()


async def test_a_payment_is_found_though_its_failed_attempts_cannot_be_listed(scene: Scene) -> None:
    placed = await scene.shop.order()
    url = placed["payment"]["url"]
    await scene.fake.pay(url, success=False)
    no = b'{"error": {"description": "The id provided does not exist"}}'
    scene.fake.fail("GET /v1/orders", status=400, body=no)
    scene.later(CHECK)
    await scene.check_links()
    await scene.fake.pay(url)
    await scene.fake.lose_hooks()
    scene.later(CHECK)
    await scene.check_links()
    assert (await scene.look(placed))["status"] == "confirmed"
    await scene.agrees()


async def test_a_payment_in_the_last_second_wins_over_the_clock(scene: Scene) -> None:
    placed = await scene.shop.order()
    await scene.fake.pay(placed["payment"]["url"])
    await scene.fake.lose_hooks()
    scene.later(HOLD)
    await scene.expire()
    assert (await scene.look(placed))["status"] == "confirmed"
    await scene.agrees()


async def test_money_a_bank_has_promised_is_taken_once(scene: Scene) -> None:
    placed = await scene.shop.order()
    [reference] = await scene.links_of(placed)
    payment = await scene.fake.promise(reference)
    await scene.deliver(await scene.fake.hooks())
    await scene.check_links()
    order = await scene.look(placed)
    assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    assert scene.fake.calls.count(f"POST /v1/payments/{payment}/capture") == 1
    await scene.agrees()


async def test_a_new_link_closes_the_old_one(scene: Scene) -> None:
    placed = await scene.shop.order()
    path = f"{API}/orders/{placed['order']['id']}/payment-link"
    answer = await scene.shop.client.post(path, headers={**placed["opens"], **scene.shop.key()})
    assert answer.status_code in {200, 201}, answer.text
    new = (await scene.look(placed))["payment_link"]
    assert new != placed["payment"]["url"]
    with pytest.raises(Exception, match="was cancelled"):
        await scene.fake.pay(placed["payment"]["url"])
    await scene.come_back(await scene.fake.pay(new))
    assert (await scene.look(placed))["status"] == "confirmed"
    await scene.agrees()


# --- links ---------------------------------------------------------------------------------------

BAD_ANSWERS = [
    pytest.param({"status": 500, "body": b"{}"}, id="500"),
    pytest.param({"status": 500, "works": True}, id="500-after-the-work"),
    pytest.param({"status": 429, "body": b"{}"}, id="429"),
    pytest.param({"status": 502, "body": HTML}, id="502-html"),
    pytest.param({"status": 200, "body": HTML, "works": True}, id="200-html-after-the-work"),
    pytest.param({"status": 200, "body": b"[]", "works": True}, id="200-list-after-the-work"),
    pytest.param({"status": 200, "body": b"{}", "works": True}, id="200-empty-after-the-work"),
    pytest.param({"status": 302, "body": b""}, id="302"),
    pytest.param({"status": 401, "body": b"{}"}, id="401"),
    pytest.param({}, id="no-answer"),
    pytest.param({"works": True}, id="no-answer-after-the-work"),
    # Nobody waits any more when it is done: after the look-up, after the next one, or after the
    # same was asked for again.
    *(pytest.param({"late": calls}, id=f"done-{calls}-calls-later") for calls in (1, 2, 3)),
]


@pytest.mark.parametrize("bad", BAD_ANSWERS)
@pytest.mark.parametrize("lookup", ["lookup-works", "lookup-fails"])
async def test_an_order_has_one_link_whatever_the_gateway_answers(
    scene: Scene, bad: dict[str, Any], lookup: str
) -> None:
    scene.fake.fail(CREATE, **bad)
    if lookup == "lookup-fails":
        scene.fake.fail(FIND, status=503, body=HTML)
    placed = await scene.shop.order()
    if lookup == "lookup-works" and bad.get("works"):
        assert placed["payment"]["url"] is not None  # it was found at once
    scene.fake.faults.clear()
    scene.later(GRACE)
    await scene.make_links()
    order = await scene.look(placed)
    assert len(await scene.links_of(placed)) == 1
    await scene.come_back(await scene.fake.pay(order["payment_link"]))
    assert (await scene.look(placed))["status"] == "confirmed"
    await scene.agrees()


async def test_a_link_made_while_nobody_listened_is_cancelled_with_its_order(scene: Scene) -> None:
    scene.fake.fail(CREATE, works=True)
    scene.fake.fail(FIND, status=500, times=2)
    placed = await scene.shop.order()
    assert placed["payment"]["url"] is None
    path = f"{API}/orders/{placed['order']['id']}/cancel"
    answer = await scene.shop.client.post(path, headers={**placed["opens"], **scene.shop.key()})
    assert answer.status_code == 200, answer.text
    scene.later(CHECK)
    await scene.check_links()
    [link_id] = scene.fake.links
    assert f"POST /v1/payment_links/{link_id}/cancel" in scene.fake.calls
    await scene.agrees()


async def test_a_refused_link_leaves_the_order_and_another_may_be_asked_for(scene: Scene) -> None:
    body = b'{"error": {"code": "BAD_REQUEST_ERROR", "description": "No.", "metadata": []}}'
    scene.fake.fail(CREATE, status=400, body=body)
    placed = await scene.shop.order()
    assert placed["payment"]["url"] is None
    assert (await scene.look(placed))["payment_status"] == "failed"
    path = f"{API}/orders/{placed['order']['id']}/payment-link"
    await scene.shop.client.post(path, headers={**placed["opens"], **scene.shop.key()})
    await scene.come_back(await scene.fake.pay((await scene.look(placed))["payment_link"]))
    assert (await scene.look(placed))["status"] == "confirmed"
    await scene.agrees()


async def test_while_the_gateway_is_down_orders_are_taken_and_it_is_spared(scene: Scene) -> None:
    breaker = await scene.shop.container.get(Breaker)
    scene.fake.down = True
    placed = [await scene.shop.order() for _ in range(6)]
    assert {one["payment"]["url"] for one in placed} == {None}
    assert breaker.spared() == OPEN
    asked = len(scene.fake.calls)
    placed.append(await scene.shop.order())
    cash = await scene.shop.order(payment_method="cod")
    assert cash["order"]["status"] == "confirmed"
    assert len(scene.fake.calls) == asked  # nobody waited for it
    scene.later(GRACE)
    await scene.make_links()
    assert breaker.spared() == OPEN
    scene.fake.down = False
    scene.later(60)
    assert breaker.spared() == HALF_OPEN
    await scene.make_links()  # one call tries, and spares those beside it
    assert breaker.spared() == CLOSED
    await scene.make_links()
    for one in placed:
        order = await scene.look(one)
        await scene.come_back(await scene.fake.pay(order["payment_link"]))
        assert (await scene.look(one))["status"] == "confirmed"
    assert len(set(await scene.links_of(placed[0]))) == len(placed)
    await scene.agrees()


async def test_an_order_outlives_its_time_while_the_gateway_cannot_be_asked(scene: Scene) -> None:
    placed = await scene.shop.order()
    scene.fake.down = True
    scene.later(HOLD)
    await scene.expire()
    assert (await scene.look(placed))["status"] == "pending_payment"
    scene.fake.down = False
    await scene.expire()
    assert (await scene.look(placed))["status"] == "expired"
    with pytest.raises(Exception, match="was cancelled"):
        await scene.fake.pay(placed["payment"]["url"])
    await scene.agrees()


# --- late money ----------------------------------------------------------------------------------


@pytest.mark.parametrize("stock", ["left", "gone"])
async def test_money_after_the_end_revives_the_order_or_goes_back(scene: Scene, stock: str) -> None:
    placed = await scene.shop.order(20 if stock == "gone" else 2)
    [reference] = await scene.links_of(placed)
    scene.later(HOLD)
    await scene.expire()
    assert (await scene.look(placed))["status"] == "expired"
    if stock == "gone":
        guest = await scene.shop.guest(placed["variant"])
        bought = await scene.shop.check_out(guest, payment_method="cod")
        assert bought.status_code == 201, bought.text
    await scene.fake.take_money(reference)
    hooks = await scene.fake.hooks()
    await scene.deliver(hooks * 3)
    await scene.refunds()
    order = await scene.look(placed)
    if stock == "left":
        assert (order["status"], order["payment_status"]) == ("confirmed", "paid")
    else:
        assert (order["status"], order["payment_status"]) == ("expired", "refunded")
        assert len(scene.fake.refund_keys) == 1
    await scene.agrees()


# --- refunds -------------------------------------------------------------------------------------


async def paid_and_cancelled(scene: Scene) -> dict[str, Any]:
    placed = await scene.shop.order()
    await scene.come_back(await scene.fake.pay(placed["payment"]["url"]))
    path = f"{API}/orders/{placed['order']['id']}/cancel"
    answer = await scene.shop.client.post(path, headers={**placed["opens"], **scene.shop.key()})
    assert answer.status_code == 200, answer.text
    return placed


@pytest.mark.parametrize(
    "bad", [*BAD_ANSWERS, pytest.param({"status": 409, "body": b"{}"}, id="409")]
)
async def test_money_goes_back_once_whatever_the_gateway_answers(
    scene: Scene, bad: dict[str, Any]
) -> None:
    placed = await paid_and_cancelled(scene)
    scene.fake.fail("POST /v1/payments", **bad)
    await scene.refunds()
    for _ in range(3):
        scene.later(60)
        await scene.refunds()
    assert (await scene.look(placed))["payment_status"] == "refunded"
    assert len(scene.fake.refund_keys) == 1
    await scene.deliver(await scene.fake.hooks())
    await scene.agrees()


async def test_a_refund_waits_for_the_balance_of_the_account(scene: Scene) -> None:
    placed = await paid_and_cancelled(scene)
    said = b'{"error": {"description": "Your account does not have enough balance"}}'
    scene.fake.fail("POST /v1/payments", status=400, body=said, times=2)
    for _ in range(3):
        await scene.refunds()
        scene.later(60)
    assert (await scene.look(placed))["payment_status"] == "refunded"
    await scene.agrees()


async def test_a_pending_refund_is_asked_about_until_it_is_done(scene: Scene) -> None:
    placed = await paid_and_cancelled(scene)
    pending = b'{"id": "rfnd_1", "amount": 1, "currency": "INR", "payment_id": "pay_1",'
    for call in ("POST /v1/payments", "GET /v1/refunds/rfnd_1"):
        scene.fake.fail(call, status=200, body=pending + b'"status": "pending"}')
    done = pending + b'"status": "processed"}'
    scene.fake.fail("GET /v1/refunds/rfnd_1", status=200, body=done)
    for _ in range(3):
        await scene.refunds()
        scene.later(60)
    assert (await scene.look(placed))["payment_status"] == "refunded"
    assert len([one for one in scene.fake.calls if one.endswith("/refund")]) == 1
    await scene.agrees()


async def test_a_refund_the_bank_refused_is_left_to_people(scene: Scene) -> None:
    placed = await paid_and_cancelled(scene)
    failed = (
        b'{"id": "rfnd_1", "amount": 1, "currency": "INR", "payment_id": "pay_1",'
        b' "status": "failed"}'
    )
    scene.fake.fail("POST /v1/payments", status=200, body=failed)
    await scene.refunds()
    assert (await scene.look(placed))["payment_status"] == "paid"
    async with scene.shop.container() as scope:
        report = await (await scope.get(Audit)).run()
    [finding] = report.findings
    assert finding.endswith("that pays for nothing")


# --- signatures ----------------------------------------------------------------------------------


async def test_a_forged_webhook_leaves_no_trace(scene: Scene) -> None:
    placed = await scene.shop.order()
    await scene.fake.pay(placed["payment"]["url"])
    [(body, headers), *_] = await scene.fake.hooks()
    for forged in ("", "0" * 64, headers["X-Razorpay-Signature"][:-1]):
        answer = await scene.shop.hook(body, {**headers, "X-Razorpay-Signature": forged})
        assert answer.status_code == 401
    assert (await scene.look(placed))["status"] == "pending_payment"
    await scene.deliver([(body, headers)])  # its id was not used up
    assert (await scene.look(placed))["status"] == "confirmed"
    await scene.agrees()


async def test_a_replayed_way_back_of_another_order_confirms_nothing(scene: Scene) -> None:
    first, second = await scene.shop.order(), await scene.shop.order()
    back = await scene.fake.pay(first["payment"]["url"])
    await scene.come_back(back)
    await scene.come_back(back)
    one, other = [one.reference for one in scene.fake.links.values()]
    answer = await scene.shop.client.get(back.replace(one, other))
    assert answer.status_code == 400
    assert (await scene.look(second))["status"] == "pending_payment"
    await scene.agrees()
