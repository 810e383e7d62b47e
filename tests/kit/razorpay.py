"""Razorpay on a port of this machine: the sandbox gateway over HTTP, with scripted faults."""

import asyncio
import base64
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from msgspec import Struct, field
from msgspec.structs import replace

from shop.adapters.memory.sandbox import MemorySandboxBooks
from shop.adapters.memory.store import MemoryStore
from shop.adapters.sandbox import wire
from shop.adapters.sandbox.gateway import SandboxGateway
from shop.adapters.system.clock import Uuid7
from shop.core.kernel.ids import OrderId, PaymentId, RefundId
from shop.core.kernel.money import Money
from shop.core.payments.model import Payment, Refund
from shop.ports.payments import GatewayRefused, LinkRequest
from shop.ports.sandbox import SandboxHook, SandboxLink
from shop.ports.system import Clock

KEY_ID = "rzp_test_0123456789abcd"
KEY_SECRET = "EnLs21M47BllR3X8PSFtjtbd"
WEBHOOK_SECRET = "a webhook secret"
HTML = b"<html><body>Bad gateway</body></html>"

_NOBODY = UUID(int=0)
_SHORTEST = 15 * 60


class Fault(Struct, kw_only=True):
    """What happens to the next call whose line begins with `call` ("POST /v1/payment_links").

    `works`: the call does what it should before it goes wrong. Without a status nobody answers
    until the client has hung up; with `late` the work is done only then, when so many other calls
    have been answered.
    """

    call: str
    works: bool = False
    late: int = 0
    status: int | None = None
    body: bytes = b"{}"
    times: int = 1


class Refused(Exception):
    """Answered by an error of the gateway's."""

    def __init__(self, description: str, status: int = 400) -> None:
        super().__init__(description)
        self.status = status


class Call(Struct):
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: dict[str, Any]

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class FakeRazorpay(Struct):
    """`calls` are the lines of all requests; `faults` are used up in order."""

    url: str
    clock: Clock
    books: MemorySandboxBooks
    gateway: SandboxGateway
    calls: list[str] = field(default_factory=list)
    asked: list[Call] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    links: dict[str, LinkRequest] = field(default_factory=dict)
    promised: dict[str, SandboxLink] = field(default_factory=dict)
    refund_keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    belated: list[tuple[int, Call]] = field(default_factory=list)
    down: bool = False
    #: Who gets no answer need not wait for it.
    hangs_up: bool = False

    # --- what people do there -------------------------------------------------------------------

    def fail(self, call: str, **how: Any) -> None:
        self.faults.append(Fault(call=call, **how))

    def bodies(self, ending: str) -> list[Any]:
        """What was sent to paths that end so."""
        return [call.body for call in self.asked if call.path.endswith(ending)]

    async def pay(self, url: str, *, success: bool = True) -> str:
        """Press a button of the hosted page; the URL of the way back."""
        return await self.gateway.answer(url.rpartition("/")[2], success=success)

    async def promise(self, reference: str) -> str:
        """A bank promises the money, and the account does not capture by itself."""
        link = await self._link(self.link_id(reference))
        id_ = f"pay_{len(self.promised):014}"
        now = self.clock.now()
        entity = wire.payment(link, id_, "authorized", now)
        event = wire.event("payment.authorized", {"payment": entity}, now)
        hook = SandboxHook(id=f"evt_{id_}", body=json.dumps(event).encode(), next_try_at=now)
        await self.books.put(link, [hook])
        self.promised[id_] = await self._link(link.id)
        return id_

    async def take_money(self, reference: str) -> str:
        """The buyer's bank was late: money arrives whatever became of the link meanwhile."""
        link = await self._link(self.link_id(reference))
        id_ = f"pay_late{len(self.calls):010}"
        now = self.clock.now()
        paid = replace(link, status="paid", payment_id=id_, paid_at=now)
        entity = wire.payment(paid, id_, "captured", now) | {"late_authorized": True}
        event = wire.event("payment.captured", {"payment": entity}, now)
        hook = SandboxHook(id=f"evt_{id_}", body=json.dumps(event).encode(), next_try_at=now)
        await self.books.put(paid, [hook])
        return id_

    def link_id(self, reference: str) -> str:
        [found] = [id_ for id_, one in self.links.items() if one.reference == reference]
        return found

    async def hooks(self) -> list[tuple[bytes, dict[str, str]]]:
        """The signed webhooks that wait, the oldest first."""
        due = await self.books.due(self.clock.now(), 100)
        return [
            (
                hook.body,
                {
                    "X-Razorpay-Signature": self.gateway.sign(hook.body),
                    "X-Razorpay-Event-Id": hook.id,
                },
            )
            for hook in due
        ]

    async def lose_hooks(self) -> None:
        """They never arrive."""
        due = await self.books.due(self.clock.now(), 100)
        await self.books.sent([hook.id for hook in due], [])

    # --- what the API does ----------------------------------------------------------------------

    async def catch_up(self) -> None:
        """Do what was asked by those who have hung up, when its time has come."""
        due = [call for left, call in self.belated if left == 1]
        self.belated = [(left - 1, call) for left, call in self.belated if left > 1]
        for call in due:
            with suppress(Refused):
                await self.answer(call)

    async def answer(self, call: Call) -> dict[str, Any]:
        given = call.headers.get("authorization", "")
        if base64.b64decode(given.removeprefix("Basic ")) != f"{KEY_ID}:{KEY_SECRET}".encode():
            raise Refused("Authentication failed", 401)
        for method, pattern, work in self._routes():
            found = re.fullmatch(pattern, call.path)
            if found and method == call.method:
                return await work(call, *found.groups())
        raise Refused("The id provided does not exist")

    def _routes(self) -> list[tuple[str, str, Callable[..., Awaitable[dict[str, Any]]]]]:
        return [
            ("POST", "/v1/payment_links", self._make),
            ("GET", "/v1/payment_links", self._find),
            ("GET", "/v1/payment_links/([^/]+)", self._show),
            ("POST", "/v1/payment_links/([^/]+)/cancel", self._cancel),
            ("GET", "/v1/orders/([^/]+)/payments", self._tried),
            ("GET", "/v1/payments", self._nothing),
            ("GET", "/v1/payments/([^/]+)", self._payment),
            ("POST", "/v1/payments/([^/]+)/capture", self._capture),
            ("POST", "/v1/payments/([^/]+)/refund", self._refund),
            ("GET", "/v1/payments/([^/]+)/refunds", self._refunds),
            ("GET", "/v1/refunds/([^/]+)", self._show_refund),
        ]

    async def _nothing(self, _: Call) -> dict[str, Any]:
        return _collection([])

    async def _find(self, call: Call) -> dict[str, Any]:
        wanted = call.query["reference_id"]
        ours = [id_ for id_, one in self.links.items() if one.reference == wanted]
        return {"payment_links": [await self._entity(id_) for id_ in ours]}

    async def _show(self, _: Call, link_id: str) -> dict[str, Any]:
        return await self._entity(link_id)

    async def _refunds(self, _: Call, payment_id: str) -> dict[str, Any]:
        made = await self.books.refunds_of(payment_id)
        return _collection([wire.refund(one) for one in made])

    async def _show_refund(self, _: Call, refund_id: str) -> dict[str, Any]:
        for body in self.refund_keys.values():
            if body["id"] == refund_id:
                return body
        raise Refused("The id provided does not exist")

    async def _make(self, call: Call) -> dict[str, Any]:
        body = call.body
        reference, expire_by = body["reference_id"], body["expire_by"]
        if any(one.reference == reference for one in self.links.values()):
            raise Refused("payment link creation with reference ID already attempted")
        if type(body["amount"]) is not int or body["amount"] < 100:
            raise Refused("The amount must be an integer")
        if expire_by < self.clock.now().timestamp() + _SHORTEST:
            raise Refused("expire_by should be at least 15 minutes after current time")
        if body["callback_method"] != "get" or len(reference) > 40:
            raise Refused("The callback method must be get")
        request = LinkRequest(
            reference=reference,
            amount=Money(body["amount"], body["currency"]),
            description=body["description"],
            callback_url=body["callback_url"],
            expires_at=datetime.fromtimestamp(expire_by, UTC),
            email=body["customer"]["email"],
            phone=body["customer"]["contact"],
            name=body["customer"]["name"],
        )
        link = await self.gateway.create_link(request)
        self.links[link.id] = request
        return await self._entity(link.id)

    async def _link(self, link_id: str) -> SandboxLink:
        if link_id not in self.links:
            raise Refused("The id provided does not exist")
        made = await self.gateway.create_link(self.links[link_id])
        link = await self.gateway.open(made.url.rpartition("/")[2])
        if link.status == "created" and link.expires_at <= self.clock.now():
            link = replace(link, status="expired")
        return link

    async def _entity(self, link_id: str) -> dict[str, Any]:
        link = await self._link(link_id)
        made = await self.gateway.create_link(self.links[link_id])
        entity = wire.payment_link(link, self.clock.now(), made.url)
        if any(one.id == link_id for one in self.promised.values()):
            entity["order_id"] = wire.order_id(link_id)
        return entity

    async def _cancel(self, _: Call, link_id: str) -> dict[str, Any]:
        link = await self._link(link_id)
        if link.status != "created":
            raise Refused(f"Payment link cannot be cancelled: it is {link.status}")
        request = self.links[link_id]
        await self.gateway.cancel_link(
            Payment(
                id=PaymentId(UUID(hex=request.reference)),
                order_id=OrderId(_NOBODY),
                amount=request.amount,
                method="online",
                created_at=self.clock.now(),
                expires_at=request.expires_at,
            )
        )
        return await self._entity(link_id)

    async def _tried(self, _: Call, order_id: str) -> dict[str, Any]:
        now = self.clock.now()
        tried = [
            wire.payment(link, id_, "authorized", now)
            for id_, link in self.promised.items()
            if wire.order_id(link.id) == order_id
        ]
        return _collection(tried)

    async def _payment(self, _: Call, payment_id: str) -> dict[str, Any]:
        link = await self.books.paid_link(payment_id)
        if link is not None:
            return wire.payment(link, payment_id, "captured", link.paid_at or self.clock.now())
        if payment_id not in self.promised:
            raise Refused("The id provided does not exist")
        return wire.payment(self.promised[payment_id], payment_id, "authorized", self.clock.now())

    async def _capture(self, call: Call, payment_id: str) -> dict[str, Any]:
        link = self.promised.pop(payment_id, None)
        if link is None:
            raise Refused("This payment has already been captured")
        if Money(call.body["amount"], call.body["currency"]) != link.amount:
            raise Refused("Capture amount must be equal to the amount authorized")
        await self.books.put(
            replace(link, status="paid", payment_id=payment_id, paid_at=self.clock.now())
        )
        return await self._payment(call, payment_id)

    async def _refund(self, call: Call, payment_id: str) -> dict[str, Any]:
        key = call.headers.get("x-refund-idempotency", "")
        known = self.refund_keys.get(key)
        if known is not None:
            return known
        currency = (await self._payment(call, payment_id))["currency"]
        asked = Refund(
            id=RefundId(UUID(hex=call.body["receipt"])),
            payment_id=PaymentId(_NOBODY),
            order_id=OrderId(_NOBODY),
            amount=Money(call.body["amount"], currency),
            reason="",
            requested_at=self.clock.now(),
        )
        try:
            done = await self.gateway.refund(asked, payment_id)
        except GatewayRefused as no:
            raise Refused(str(no)) from no
        made = await self.books.refund(asked.id.hex)
        assert made is not None
        assert made.id == done.provider_refund_id
        body = wire.refund(made)
        self.refund_keys[key] = body
        return body


def _collection(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"entity": "collection", "count": len(items), "items": items}


def _error(description: str) -> bytes:
    error = {"code": "BAD_REQUEST_ERROR", "description": description, "metadata": []}
    return json.dumps({"error": error}).encode()


@asynccontextmanager
async def razorpay_served(clock: Clock) -> AsyncIterator[FakeRazorpay]:
    """The fake, listening until the block ends."""
    talks: set[asyncio.Task[None]] = set()
    fakes: list[FakeRazorpay] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        task.add_done_callback(talks.discard)
        try:
            while await _one_answer(fakes[0], reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # it is over
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    books = MemorySandboxBooks(MemoryStore())
    gateway = SandboxGateway(
        books,
        clock,
        Uuid7(),
        site_url=url,
        key_secret=KEY_SECRET.encode(),
        webhook_secret=WEBHOOK_SECRET.encode(),
    )
    fakes.append(FakeRazorpay(url=url, clock=clock, books=books, gateway=gateway))
    try:
        yield fakes[0]
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


async def _one_answer(
    fake: FakeRazorpay, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> bool:
    """Whether the connection may be used again."""
    call = await _read(reader)
    fake.calls.append(call.line)
    fake.asked.append(call)
    fault = next((one for one in fake.faults if call.line.startswith(one.call)), None)
    if fault is not None:
        fault.times -= 1
        if not fault.times:
            fake.faults.remove(fault)
    if fake.down:
        return False
    status, body = 200, b""
    if fault is None or fault.works:
        try:
            body = json.dumps(await fake.answer(call)).encode()
        except Refused as no:
            status, body = no.status, _error(str(no))
    if fault is not None:
        if fault.status is None:
            if fault.late:
                fake.belated.append((fault.late, call))
            if not fake.hangs_up:
                await reader.read()  # until the client has had enough
            return False
        status, body = fault.status, fault.body
    await fake.catch_up()
    writer.write(
        b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % (status, len(body))
    )
    writer.write(body)
    await writer.drain()
    return True


async def _read(reader: asyncio.StreamReader) -> Call:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ")
    headers = {
        name.lower(): value.strip()
        for name, _, value in (line.partition(":") for line in head[1:] if line)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return Call(method, parts.path, query, headers, json.loads(body) if body else {})
