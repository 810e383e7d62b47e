"""The sandbox's webhooks on a real connection."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from shop.adapters.memory.sandbox import MemorySandboxBooks
from shop.adapters.memory.store import MemoryStore
from shop.adapters.sandbox.gateway import SandboxGateway
from shop.adapters.sandbox.webhooks import SandboxWebhooks
from shop.adapters.system.clock import Uuid7
from shop.core.kernel.money import Money
from shop.ports.payments import LinkRequest
from tests.kit.clock import NOON, ManualClock

SDK_SECRET = b"EnLs21M47BllR3X8PSFtjtbd"


@asynccontextmanager
async def listening(status: int) -> AsyncIterator[tuple[str, list[bytes]]]:
    heard: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        heard.append(head + await reader.readexactly(length))
        writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/webhooks/razorpay", heard


async def paid(clock: ManualClock) -> tuple[MemorySandboxBooks, SandboxGateway]:
    books = MemorySandboxBooks(MemoryStore())
    gateway = SandboxGateway(
        books,
        clock,
        Uuid7(),
        site_url="http://localhost:8000",
        key_secret=SDK_SECRET,
        webhook_secret=b"w",
    )
    link = gateway.link_now(
        LinkRequest(
            reference="0" * 32,
            amount=Money(100, "INR"),
            description="One",
            callback_url="http://localhost:8000/payments/razorpay/callback",
            expires_at=NOON + timedelta(minutes=20),
            email="",
            phone="",
            name="",
        )
    )
    assert link is not None
    await gateway.answer(link.url.rpartition("/")[2], success=True)
    return books, gateway


async def test_a_webhook_arrives_signed_and_is_forgotten() -> None:
    clock = ManualClock()
    books, gateway = await paid(clock)
    async with listening(200) as (url, heard):
        sender = SandboxWebhooks(books, gateway, clock, Uuid7(), url)
        assert await sender.deliver_due() == 2
        assert await sender.deliver_due() == 0
    assert len(heard) == 2
    for request in heard:
        head, _, body = request.partition(b"\r\n\r\n")
        assert f"X-Razorpay-Signature: {gateway.sign(body)}".encode() in head
        assert b"x-razorpay-event-id: evt_" in head


async def test_a_webhook_that_is_refused_or_not_heard_is_sent_again_later() -> None:
    clock = ManualClock()
    books, gateway = await paid(clock)
    async with listening(503) as (url, heard):
        sender = SandboxWebhooks(books, gateway, clock, Uuid7(), url)
        assert await sender.deliver_due() == 0
        assert await sender.deliver_due() == 0
        assert len(heard) == 2
    clock.advance(1)
    assert await sender.deliver_due() == 0
    clock.advance(60)
    async with listening(204) as (url, heard):
        assert await SandboxWebhooks(books, gateway, clock, Uuid7(), url).deliver_due() == 2


async def test_of_two_who_deliver_at_once_each_sends_its_own() -> None:
    clock = ManualClock()
    books, gateway = await paid(clock)
    async with listening(200) as (url, heard):
        two = [SandboxWebhooks(books, gateway, clock, Uuid7(), url) for _ in range(2)]
        assert sum(await asyncio.gather(*(sender.deliver_due() for sender in two))) == 2
    assert len(heard) == 2


async def test_the_callback_is_signed_as_the_gateways_own_library_expects() -> None:
    _, gateway = await paid(ManualClock())
    query = {
        "razorpay_payment_link_id": "plink_IH3cNucfVEgV68",
        "razorpay_payment_link_reference_id": "TSsd1989",
        "razorpay_payment_link_status": "paid",
        "razorpay_payment_id": "pay_IH3d0ara9bSsjQ",
        "razorpay_signature": "07ae18789e35093e51d0a491eb9922646f3f82773547e5b0f67ee3f2d3bf7d5b",
    }
    claim = gateway.callback(query)
    assert claim is not None
    assert claim.reference == "TSsd1989"
    assert gateway.callback({**query, "razorpay_payment_link_status": "created"}) is None
