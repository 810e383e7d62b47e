"""The SDK's traps: no deadlines, prints, shared defaults, old certificates, silent threads."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import certifi
import pytest

from shop.adapters.razorpay.breaker import Breaker
from shop.adapters.razorpay.checkup import RazorpayCheckup
from shop.adapters.razorpay.gateway import RazorpayGateway
from shop.adapters.razorpay.line import (
    Clients,
    Crowded,
    KeyRejected,
    OutcomeUnknown,
    Rejected,
    StillRunning,
    TooMany,
)
from shop.core.kernel.money import Money
from shop.core.payments.model import Capture
from shop.ports.checkup import Unwell
from tests.kit.clock import ManualClock
from tests.kit.process import free_port
from tests.kit.razorpay import HTML, KEY_ID, KEY_SECRET, FakeRazorpay, razorpay_served


@pytest.fixture
async def fake() -> AsyncIterator[FakeRazorpay]:
    async with razorpay_served(ManualClock()) as fake:
        yield fake


#: Seconds to wait for an answer that never comes; where one comes, a busy machine has its time.
HASTY = 0.2


@asynccontextmanager
async def calling(url: str, **how: Any) -> AsyncIterator[Clients]:
    clients = Clients(KEY_ID, KEY_SECRET, url, **{"read_seconds": 30.0, **how})
    yield clients
    clients.close()


async def ask(clients: Clients) -> Any:
    return await asyncio.wrap_future(clients.submit(lambda client: client.payment.all()))


ERROR = b'{"error": {"code": "BAD_REQUEST_ERROR", "description": "No.", "metadata": []}}'


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, ERROR, Rejected),
        (404, ERROR, Rejected),
        (400, HTML, OutcomeUnknown),
        (400, b"", OutcomeUnknown),
        (401, ERROR, KeyRejected),
        (403, HTML, KeyRejected),
        (408, ERROR, OutcomeUnknown),
        (409, ERROR, StillRunning),
        (429, HTML, TooMany),
        (200, HTML, OutcomeUnknown),
        (200, b'"text"', OutcomeUnknown),
        (204, b"", OutcomeUnknown),
        (302, b"", OutcomeUnknown),
        (500, ERROR, OutcomeUnknown),
        (503, HTML, OutcomeUnknown),
    ],
)
async def test_answers_are_told_apart_by_status_and_body(
    fake: FakeRazorpay, status: int, body: bytes, kind: type[Exception]
) -> None:
    fake.fail("GET", status=status, body=body)
    async with calling(fake.url) as clients:
        with pytest.raises(kind) as caught:
            await ask(clients)
        assert type(caught.value) is kind
        assert await ask(clients)  # the same thread serves the next


async def test_the_reason_of_a_refusal_is_kept_and_bounded(fake: FakeRazorpay) -> None:
    long = b'{"error": {"description": "%s"}}' % (b"x" * 5000)
    strange = (b'{"error": null}', b'{"error": "No."}', b'{"error": {"description": 5}}')
    async with calling(fake.url) as clients:
        for body, said in ((ERROR, "No."), (long, "x" * 300)):
            fake.fail("GET", status=400, body=body)
            with pytest.raises(Rejected, match=f"^{said}$"):
                await ask(clients)
        for body in strange:
            fake.fail("GET", status=400, body=body)
            with pytest.raises(Rejected, match="without a reason"):
                await ask(clients)


async def test_who_is_not_there_or_does_not_answer_is_given_up_in_silence(
    fake: FakeRazorpay, capfd: pytest.CaptureFixture[str]
) -> None:
    fake.fail("GET", times=1)
    async with calling(fake.url, read_seconds=HASTY) as clients:
        with pytest.raises(OutcomeUnknown):
            await ask(clients)
    async with calling(f"http://127.0.0.1:{free_port()}") as clients:
        with pytest.raises(OutcomeUnknown):
            await ask(clients)
    assert capfd.readouterr() == ("", "")


async def test_an_answer_that_dribbles_holds_no_thread_for_ever() -> None:
    async def dribble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        try:
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.02)
        except (OSError, asyncio.CancelledError):
            writer.close()

    server = await asyncio.start_server(dribble, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, calling(url, connect_seconds=0.1, read_seconds=HASTY) as clients:
        async with asyncio.timeout(30):
            with pytest.raises(OutcomeUnknown, match="come to an end"):
                await ask(clients)


async def test_no_more_wait_than_there_is_room_for(fake: FakeRazorpay) -> None:
    async with calling(fake.url, read_seconds=HASTY, threads=1, waiting=1) as clients:
        fake.fail("GET", times=2)
        busy = [asyncio.ensure_future(ask(clients)) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Crowded, match="Too many wait"):
            await ask(clients)
        for one in busy:
            with pytest.raises(OutcomeUnknown):
                await one
        await until_free(clients)


async def until_free(clients: Clients) -> None:
    """The place of a call is free a moment after its answer, which a busy machine may owe."""
    deadline = time.monotonic() + 30
    while True:
        try:
            assert await ask(clients)
        except (Crowded, OutcomeUnknown):
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        else:
            return


async def test_certificates_are_those_of_today(fake: FakeRazorpay) -> None:
    async with calling(fake.url) as clients:
        bundle = await asyncio.wrap_future(clients.submit(lambda client: client.cert_path))
    assert bundle == certifi.where()


async def test_captures_at_once_send_their_own_amounts(fake: FakeRazorpay) -> None:
    clock = ManualClock()
    async with calling(fake.url, threads=8) as clients:
        gateway = RazorpayGateway(
            clients, Breaker(clock), clock, key_secret=b"k", webhook_secrets=[]
        )
        amounts = range(1000, 1040)
        for amount in amounts:
            entity = b'{"id": "pay_%d", "amount": %d, "currency": "INR", "status": "captured"}'
            fake.fail(
                f"POST /v1/payments/pay_{amount}/capture",
                status=200,
                body=entity % (amount, amount),
            )
        captures = [
            Capture(provider_payment_id=f"pay_{amount}", amount=Money(amount, "INR"))
            for amount in amounts
        ]
        assert await asyncio.gather(*map(gateway.capture, captures)) == captures
    assert sorted(fake.bodies("/capture"), key=lambda body: body["amount"]) == [
        {"amount": amount, "currency": "INR"} for amount in amounts
    ]


async def test_the_doctor_tells_what_is_wrong(fake: FakeRazorpay) -> None:
    async with calling(fake.url) as clients:
        assert await RazorpayCheckup(clients, KEY_ID, fake.url).examine() == "Razorpay, test mode"
        fake.fail("GET", status=503, body=HTML)
        with pytest.raises(Unwell, match="cannot be used"):
            await RazorpayCheckup(clients, KEY_ID, fake.url).examine()
        fake.fail("GET", status=429, body=HTML)
        with pytest.raises(Unwell, match="too often"):
            await RazorpayCheckup(clients, KEY_ID, fake.url).examine()
    stranger = Clients(KEY_ID, "another secret", fake.url)
    with pytest.raises(Unwell, match="does not take our key") as caught:
        await RazorpayCheckup(stranger, KEY_ID, fake.url).examine()
    assert "another secret" not in str(caught.value)
    stranger.close()


async def test_a_crowd_of_ours_and_refusals_do_not_open_the_breaker(fake: FakeRazorpay) -> None:
    clock = ManualClock()
    breaker = Breaker(clock)
    async with calling(fake.url, threads=1, waiting=0) as clients:
        gateway = RazorpayGateway(clients, breaker, clock, key_secret=b"k", webhook_secrets=[])
        capture = Capture(provider_payment_id="pay_1", amount=Money(100, "INR"))
        for _ in range(10):
            with pytest.raises(Rejected):
                await gateway.capture(capture)
        answers = await asyncio.gather(
            *(gateway.capture(capture) for _ in range(10)), return_exceptions=True
        )
        assert {type(one) for one in answers} == {Rejected, Crowded}
        assert breaker.spared() == 0.0
