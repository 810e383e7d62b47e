"""What every payment gateway does alike: the sandbox on each storage, and Razorpay's SDK."""

import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import pytest
from msgspec import Struct
from msgspec.structs import replace

from shop.adapters.razorpay.breaker import Breaker
from shop.adapters.razorpay.gateway import RazorpayGateway
from shop.adapters.razorpay.line import Clients
from shop.adapters.sandbox.gateway import SandboxGateway
from shop.adapters.system.clock import Uuid7
from shop.core.kernel.ids import OrderId, PaymentId, RefundId
from shop.core.kernel.money import Money
from shop.core.payments.model import Capture, Link, Payment, Refund, RefundStatus
from shop.ports.payments import Gateway, GatewayRefused, LinkRequest
from shop.ports.system import Clock
from tests.kit.clock import NOON, ManualClock
from tests.kit.containers import running, settings_for
from tests.kit.razorpay import KEY_ID, KEY_SECRET, WEBHOOK_SECRET, razorpay_served

ids = Uuid7()


class Counter(Struct):
    """A gateway, and a buyer at its page: `pay` presses a button and returns the way back."""

    gateway: Gateway
    hosted: SandboxGateway
    clock: ManualClock
    sign: Callable[[bytes], str]

    async def pay(self, link: Link, *, success: bool = True) -> str:
        return await self.hosted.answer(link.url.rpartition("/")[2], success=success)


@pytest.fixture(params=["sandbox-memory", "sandbox-sqlite", "razorpay"])
async def counter(request: Any, tmp_path: Path) -> AsyncIterator[Counter]:
    if request.param == "razorpay":
        clock = ManualClock()
        async with razorpay_served(clock) as fake:
            clients = Clients(KEY_ID, KEY_SECRET, fake.url, threads=2)
            gateway = RazorpayGateway(
                clients,
                Breaker(clock),
                clock,
                key_secret=KEY_SECRET.encode(),
                webhook_secrets=[WEBHOOK_SECRET.encode(), b"the one before"],
            )
            yield Counter(gateway, fake.gateway, clock, fake.gateway.sign)
            clients.close()
        return
    settings = settings_for(request.param.removeprefix("sandbox-"), tmp_path)
    async with running(settings) as container:
        manual = await container.get(Clock)
        assert isinstance(manual, ManualClock)
        sandbox = await container.get(SandboxGateway)
        yield Counter(sandbox, sandbox, manual, sandbox.sign)


def a_request(**changes: Any) -> LinkRequest:
    given: dict[str, Any] = {
        "reference": ids.new().hex,
        "amount": Money(129_900, "INR"),
        "description": "Shop, order 1",
        "callback_url": "http://localhost:8000/payments/razorpay/callback",
        "expires_at": NOON + timedelta(minutes=20),
        "email": "a@example.com",
        "phone": "+919845012345",
        "name": "A. Buyer",
    }
    return LinkRequest(**given | changes)


def asked(request: LinkRequest, link: Link | None = None) -> Payment:
    """The shop's row for it."""
    return Payment(
        id=PaymentId(UUID(hex=request.reference)),
        order_id=OrderId(ids.new()),
        amount=request.amount,
        method="online",
        created_at=NOON,
        expires_at=request.expires_at,
        link_id=link.id if link else None,
        link_url=link.url if link else None,
    )


def a_refund(amount: int, **changes: Any) -> Refund:
    given: dict[str, Any] = {
        "id": RefundId(ids.new()),
        "payment_id": PaymentId(ids.new()),
        "order_id": OrderId(ids.new()),
        "amount": Money(amount, "INR"),
        "reason": "Too small",
        "requested_at": NOON,
    }
    return Refund(**given | changes)


async def paid(counter: Counter) -> Capture:
    request = a_request()
    link = await counter.gateway.create_link(request)
    await counter.pay(link)
    [capture] = (await counter.gateway.fetch_link(asked(request, link))).captures
    return capture


async def test_a_reference_has_one_link_however_often_it_is_asked_for(counter: Counter) -> None:
    request = a_request()
    first = await counter.gateway.create_link(request)
    assert first.reference == request.reference
    assert first.status == "created"
    assert first.url.startswith("http")
    for again in (False, True):
        assert await counter.gateway.create_link(request, again=again) == first
    other = await counter.gateway.create_link(a_request(), again=True)
    assert other.id != first.id


async def test_a_link_tells_of_the_money_that_came_through_it(counter: Counter) -> None:
    request = a_request()
    link = await counter.gateway.create_link(request)
    payment = asked(request, link)
    seen = await counter.gateway.fetch_link(payment)
    assert (seen.id, seen.status, seen.captures, seen.authorized) == (link.id, "created", (), ())
    await counter.pay(link, success=False)
    seen = await counter.gateway.fetch_link(payment)
    assert (seen.status, seen.captures) == ("created", ())
    await counter.pay(link)
    seen = await counter.gateway.fetch_link(payment)
    assert seen.status == "paid"
    [capture] = seen.captures
    assert capture.amount == request.amount
    assert capture.provider_payment_id.startswith("pay_")
    assert (capture.link_id, capture.reference, capture.at) == (link.id, request.reference, NOON)


async def test_a_link_whose_id_was_lost_is_found_by_its_reference(counter: Counter) -> None:
    request = a_request()
    link = await counter.gateway.create_link(request)
    assert (await counter.gateway.fetch_link(asked(request))).id == link.id
    closed = await counter.gateway.cancel_link(asked(request))
    assert (closed.id, closed.status) == (link.id, "cancelled")


async def test_a_cancelled_link_cannot_be_paid(counter: Counter) -> None:
    request = a_request()
    link = await counter.gateway.create_link(request)
    for _ in range(2):
        closed = await counter.gateway.cancel_link(asked(request, link))
        assert (closed.status, closed.captures) == ("cancelled", ())
    with pytest.raises(Exception, match="was cancelled"):
        await counter.pay(link)


async def test_cancelling_a_paid_link_says_that_it_was_paid(counter: Counter) -> None:
    request = a_request()
    link = await counter.gateway.create_link(request)
    await counter.pay(link)
    seen = await counter.gateway.cancel_link(asked(request, link))
    assert seen.status == "paid"
    assert [one.amount for one in seen.captures] == [request.amount]


async def test_a_link_ends_with_its_time(counter: Counter) -> None:
    request = a_request()
    link = await counter.gateway.create_link(request)
    counter.clock.advance(1201)
    with pytest.raises(Exception, match="expired"):
        await counter.pay(link)
    assert (await counter.gateway.fetch_link(asked(request, link))).status == "expired"


async def test_capturing_what_was_captured_changes_nothing(counter: Counter) -> None:
    capture = await paid(counter)
    for _ in range(2):
        taken = await counter.gateway.capture(capture)
        assert taken.provider_payment_id == capture.provider_payment_id
        assert taken.amount == capture.amount
    with pytest.raises(GatewayRefused):
        await counter.gateway.capture(replace(capture, provider_payment_id="pay_unknown"))


async def test_a_refund_is_sent_once_however_often_it_is_asked_for(counter: Counter) -> None:
    capture = await paid(counter)
    refund = a_refund(100_000)
    first = await counter.gateway.refund(refund, capture.provider_payment_id)
    assert first.status is RefundStatus.PROCESSED
    assert (first.provider_refund_id or "").startswith("rfnd_")
    again = await counter.gateway.refund(replace(refund, attempts=1), capture.provider_payment_id)
    assert again.provider_refund_id == first.provider_refund_id
    known = replace(refund, provider_refund_id=first.provider_refund_id, attempts=2)
    assert (await counter.gateway.refund(known, capture.provider_payment_id)).status == "processed"
    with pytest.raises(GatewayRefused):  # 29,900 are left
        await counter.gateway.refund(a_refund(29_901), capture.provider_payment_id)
    await counter.gateway.refund(a_refund(29_900), capture.provider_payment_id)


@pytest.mark.parametrize("payment_id", ["pay_00000000000000", ""])
async def test_nothing_is_refunded_of_a_payment_nobody_knows(
    counter: Counter, payment_id: str
) -> None:
    with pytest.raises(GatewayRefused):
        await counter.gateway.refund(a_refund(100), payment_id)


async def test_the_way_back_is_believed_only_under_its_signature(counter: Counter) -> None:
    request = a_request()
    link = await counter.gateway.create_link(request)
    query = dict(parse_qsl(urlsplit(await counter.pay(link)).query))
    claim = counter.gateway.callback(query)
    assert claim is not None
    assert (claim.link_id, claim.reference, claim.status) == (link.id, request.reference, "paid")
    for name, value in query.items():
        assert counter.gateway.callback({**query, name: value + "0"}) is None
        assert counter.gateway.callback({**query, name: "ü\udcff"}) is None
        without = {key: given for key, given in query.items() if key != name}
        assert counter.gateway.callback(without) is None


async def test_a_webhook_is_believed_only_under_its_signature(counter: Counter) -> None:
    body = b'{"event": "payment.captured"}'
    right = counter.sign(body)
    assert counter.gateway.webhook(body, right)
    assert not counter.gateway.webhook(body + b" ", right)
    for wrong in (None, "", right.upper(), right[:-1], "ü", "\udcff", "0" * 64):
        assert not counter.gateway.webhook(body, wrong)


async def test_after_a_change_the_old_webhook_secret_still_counts(counter: Counter) -> None:
    body = b"{}"
    old = hmac.new(b"the one before", body, hashlib.sha256).hexdigest()
    assert counter.gateway.webhook(body, old) is isinstance(counter.gateway, RazorpayGateway)
