"""What every request gets, whatever answers it."""

import asyncio
import gc
import io
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from litestar.utils import normalize_path
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from structlog.testing import capture_logs

from shop.entrypoints.http.asgi import App, Header, Message, Receive, Scope, Send
from shop.entrypoints.http.edge import (
    Bodies,
    Edge,
    LameDuck,
    Limiter,
    Rate,
    request_durations,
)
from shop.entrypoints.logs import AccessLog, request_id
from shop.ports.cache import Verdict

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


async def hello(scope: Scope, _: Receive, send: Send) -> None:
    scope["shop.route"] = "/orders/{id}"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-app", b"1")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def reader(_: Scope, receive: Receive, send: Send) -> None:
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


class Answer:
    def __init__(self, sent: list[Message]) -> None:
        self.sent = sent
        self.status = sent[0]["status"]
        self.headers = dict(sent[0]["headers"])
        self.body = b"".join(one.get("body", b"") for one in sent[1:])

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers[b"content-type"] == b"application/problem+json"
        body: dict[str, Any] = msgspec.json.decode(self.body)
        assert body["status"] == self.status
        assert body["type"] == f"/problems/{body['code']}"
        return body


class Kit:
    """An edge round an app, and one way to ask it."""

    def __init__(self, app: App = hello, **options: Any) -> None:
        self.duck = LameDuck()
        self.durations = request_durations()
        self.lines = io.BytesIO()
        self.access = AccessLog(self.lines, now=NOON.timestamp)
        self.edge = Edge(
            app,
            new_id=lambda: b"made",
            duck=self.duck,
            durations=self.durations,
            access=self.access,
            **options,
        )

    async def ask(
        self,
        *headers: Header,
        path: str = "/orders/7",
        method: str = "GET",
        body: Iterable[bytes] = (b"",),
    ) -> Answer:
        chunks = list(body)
        sent: list[Message] = []

        async def receive() -> Message:
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": b"email=a@example.org",
            "headers": list(headers),
        }
        await self.edge(scope, receive, send)
        return Answer(sent)

    def logged(self) -> list[dict[str, Any]]:
        self.access.flush()
        return [msgspec.json.decode(line) for line in self.lines.getvalue().splitlines()]

    def scraped(self) -> str:
        registry = CollectorRegistry()
        registry.register(self.durations)
        return generate_latest(registry).decode()


async def test_an_answer_gets_the_request_id_and_the_security_headers() -> None:
    answer = await Kit().ask()
    assert answer.body == b"hello"
    assert answer.headers == {
        b"x-app": b"1",
        b"x-request-id": b"made",
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"strict-origin-when-cross-origin",
        b"x-frame-options": b"DENY",
    }


async def test_programs_are_told_nothing_of_frames_and_links() -> None:
    answer = await Kit().ask(path="/api/v1/orders/7")
    assert answer.headers == {
        b"x-app": b"1",
        b"cache-control": b"no-store",
        b"x-request-id": b"made",
        b"x-content-type-options": b"nosniff",
    }


async def test_an_unchanged_answer_repeats_no_guards() -> None:
    async def unchanged(_scope: Scope, _receive: Receive, send: Send) -> None:
        start = {"type": "http.response.start", "status": 304, "headers": [(b"etag", b'"1"')]}
        await send(start)
        await send({"type": "http.response.body", "body": b""})

    answer = await Kit(unchanged).ask()
    assert answer.headers == {b"etag": b'"1"', b"x-request-id": b"made"}


async def test_a_sane_request_id_is_kept_and_seen_by_the_app() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend([request_id.get(), scope["state"]["request_id"]])
        await hello(scope, receive, send)

    answer = await Kit(app).ask((b"x-request-id", b"web-1.2_3"))
    assert answer.headers[b"x-request-id"] == b"web-1.2_3"
    assert seen == ["web-1.2_3"] * 2


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 65, b"a\xff", b"<script>", b"a\n"])
async def test_a_strange_request_id_is_replaced(given: bytes) -> None:
    answer = await Kit().ask((b"x-request-id", given))
    assert answer.headers[b"x-request-id"] == b"made"


async def test_a_message_of_the_app_is_not_changed() -> None:
    prepared: Message = {"type": "http.response.start", "status": 204, "headers": ()}

    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send(prepared)
        await send({"type": "http.response.body"})

    assert (await Kit(app).ask()).status == 204
    assert prepared == {"type": "http.response.start", "status": 204, "headers": ()}


async def test_a_lame_duck_asks_to_connect_anew() -> None:
    kit = Kit()
    kit.duck.begin()
    await kit.duck.begun()
    assert (await kit.ask()).headers[b"connection"] == b"close"


async def test_durations_are_counted_by_route_and_status() -> None:
    kit = Kit()
    for number in range(3):
        await kit.ask(path=f"/orders/{number}")
    labels = 'http_request_method="GET",http_response_status_code="200",http_route="/orders/{id}"'
    name = "http_server_request_duration_seconds"
    assert f"{name}_count{{{labels}}} 3.0" in kit.scraped()
    assert f'{name}_bucket{{{labels},le="+Inf"}} 3.0' in kit.scraped()


async def test_strange_methods_make_no_new_series() -> None:
    kit = Kit()
    for number in range(3):
        await kit.ask(method=f"X{number}")
    assert 'http_request_method="_OTHER"' in kit.scraped()
    assert "X1" not in kit.scraped()


async def test_the_access_line_names_the_route_and_no_query_or_id() -> None:
    kit = Kit()
    await kit.ask((b"authorization", b"Bearer abc"))
    (line,) = kit.logged()
    assert line.pop("ms") >= 0
    assert line == {
        "timestamp": "2030-01-01T12:00:00Z",
        "level": "info",
        "event": "http_request",
        "method": "GET",
        "route": "/orders/{id}",
        "status": 200,
        "request_id": "made",
    }


async def test_too_many_at_once_are_refused() -> None:
    gate = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.wait()
        await hello(scope, receive, send)

    kit = Kit(app, most=2)
    busy = [asyncio.create_task(kit.ask()) for _ in range(2)]
    await asyncio.sleep(0)
    refused = await kit.ask()
    assert refused.status == 503
    assert refused.headers[b"retry-after"] == b"1"
    assert refused.problem["code"] == "unavailable"
    gate.set()
    assert [one.status for one in await asyncio.gather(*busy)] == [200, 200]
    assert kit.edge.in_flight == 0


async def test_a_declared_body_over_the_limit_is_refused_unread() -> None:
    kit = Kit(reader, bodies=Bodies(10, {"/admin/imports": 100}))
    refused = await kit.ask((b"content-length", b"11"), method="POST")
    assert (refused.status, refused.problem["code"]) == (413, "body-too-large")
    assert refused.headers[b"connection"] == b"close"
    assert (await kit.ask((b"content-length", b"10"), method="POST")).status == 200
    upload = "/admin/imports/9"
    assert (await kit.ask((b"content-length", b"100"), path=upload, method="PUT")).status == 200
    assert (await kit.ask((b"content-length", b"101"), path=upload, method="PUT")).status == 413


async def test_a_chunked_body_is_counted_while_it_comes() -> None:
    kit = Kit(reader, bodies=Bodies(10))
    chunked = (b"transfer-encoding", b"chunked")
    fits = await kit.ask(chunked, method="POST", body=[b"12345", b"67890"])
    assert (fits.status, fits.body) == (200, b"10")
    refused = await kit.ask(chunked, method="POST", body=[b"12345", b"678901", b"more"])
    assert (refused.status, refused.problem["code"]) == (413, "body-too-large")


async def test_a_body_that_does_not_come_breaks_off_and_keeps_nobody_out() -> None:
    arrived: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            arrived.extend([await receive(), await receive(), await receive()])
        await hello(scope, receive, send)

    kit = Kit(app, most=1, patience=0)
    pieces = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive() -> Message:
        return pieces.pop() if pieces else await asyncio.get_running_loop().create_future()

    async def send(_: Message) -> None:
        pass

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"2")]}
    waiting = [asyncio.create_task(kit.edge(dict(scope), receive, send)) for _ in range(3)]
    await asyncio.sleep(0)
    assert (await kit.ask()).status == 200
    await asyncio.gather(*waiting)
    assert [one["type"] for one in arrived].count("http.disconnect") == 8
    assert kit.edge.in_flight == 0


async def test_whoever_is_cancelled_while_a_body_comes_stays_cancelled() -> None:
    async def receive() -> Message:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    kit = Kit(reader)
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", b"2")]}
    asking = asyncio.create_task(kit.edge(scope, receive, lambda _: asyncio.sleep(0)))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_an_app_that_answers_the_cut_body_itself_is_not_heard() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await reader(scope, receive, send)
        except Exception:  # noqa: BLE001 - as frameworks do
            await hello(scope, receive, send)

    kit = Kit(app, bodies=Bodies(10))
    refused = await kit.ask((b"transfer-encoding", b"chunked"), method="POST", body=[b"x" * 11])
    assert refused.status == 413
    assert len(refused.sent) == 2


async def test_what_programs_get_is_kept_nowhere_unless_it_says_so() -> None:
    async def public(_: Scope, __: Receive, send: Send) -> None:
        headers = [(b"cache-control", b"public")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def told(answer: Answer) -> list[bytes]:
        return [v for k, v in answer.sent[0]["headers"] if k == b"cache-control"]

    assert told(await Kit().ask(path="/api/v1/addresses")) == [b"no-store"]
    assert told(await Kit(public).ask(path="/api/v1/products")) == [b"public"]
    assert told(await Kit().ask(path="/")) == []


async def test_an_escaped_error_is_a_problem_without_detail_and_a_log_line() -> None:
    async def app(*_: Any) -> None:
        raise ZeroDivisionError("SELECT secret")

    with capture_logs() as logged:
        answer = await Kit(app).ask()
    assert (answer.status, answer.problem["code"]) == (500, "internal-error")
    assert b"SELECT" not in answer.body
    assert answer.problem["request_id"] == "made"
    assert [one["event"] for one in logged] == ["request_failed"]


async def test_an_error_after_the_start_breaks_the_connection() -> None:
    async def app(_: Scope, __: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    with capture_logs(), pytest.raises(ZeroDivisionError):
        await Kit(app).ask()


async def test_an_app_that_says_nothing_is_a_bug() -> None:
    async def app(*_: Any) -> None:
        return

    with capture_logs():
        assert (await Kit(app).ask()).status == 500


def limited(wait: float, left: int) -> Limiter:
    rate = Rate("cart", 600, 60, Verdict(wait=wait, left=left, reset=30.0))

    async def counted() -> Rate:
        return rate

    return lambda scope: counted() if scope["path"].startswith("/cart") else None


async def test_the_limiter_refuses_with_all_its_headers() -> None:
    answer = await Kit(limiter=limited(11.2, 0)).ask(path="/cart")
    assert (answer.status, answer.problem["code"]) == (429, "rate-limited")
    assert answer.problem["facts"] == {"retry_after": 12}
    assert answer.headers[b"retry-after"] == b"12"
    assert answer.headers[b"ratelimit-policy"] == b'"cart";q=600;w=60'
    assert answer.headers[b"ratelimit"] == b'"cart";r=0;t=12'


async def test_an_allowed_answer_tells_what_is_left() -> None:
    kit = Kit(limiter=limited(0.0, 599))
    assert (await kit.ask(path="/cart")).headers[b"ratelimit"] == b'"cart";r=599;t=30'
    assert b"ratelimit" not in (await kit.ask(path="/products")).headers


async def test_a_refusal_of_head_has_no_body() -> None:
    answer = await Kit(limiter=limited(1.0, 0)).ask(path="/cart", method="HEAD")
    assert (answer.status, answer.body) == (429, b"")


async def test_other_protocols_pass() -> None:
    seen: list[str] = []

    async def app(scope: Scope, _: Receive, __: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        return {}

    await Kit(app).edge({"type": "lifespan"}, nothing, nothing)
    assert seen == ["lifespan"]


async def test_requests_leave_no_cycles_behind() -> None:
    kit = Kit()
    await kit.ask()
    gc.collect()
    gc.disable()
    try:
        for _ in range(200):
            await kit.ask()
        assert gc.collect() == 0
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "path",
    [
        *("/", "//", "///", "", "*", "login", "/login", "//login", "/login/", "/api/v1//login"),
        *("/api//v1///login//", "/api/v1/../login", "/./login", "/%2F", "/ /login", "/login/ "),
    ],
)
async def test_everything_sees_the_path_that_routing_sees(path: str) -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["path"])
        await hello(scope, receive, send)

    def limiter(scope: Scope) -> None:
        seen.append(scope["path"])

    await Kit(app, limiter=limiter).ask(path=path)
    assert seen == [normalize_path(path)] * 2


def _page(scope: Scope, status: int, detail: str) -> tuple[list[Header], bytes] | None:
    if (b"accept", b"text/html") not in scope["headers"]:
        return None
    return [(b"content-type", b"text/html")], f"<p>{status} {detail}".encode()


async def test_people_are_refused_in_a_page_and_programs_in_a_problem() -> None:
    kit = Kit(limiter=limited(4.2, 0), page=_page)
    told = await kit.ask((b"accept", b"text/html"), path="/cart", method="POST")
    assert told.status == 429
    assert told.headers[b"content-type"] == b"text/html"
    assert told.headers[b"retry-after"] == b"5"
    assert told.headers[b"content-length"] == str(len(told.body)).encode()
    assert told.body == b"<p>429 Please try again in 5 s."
    assert (await kit.ask(path="/cart", method="POST")).problem["code"] == "rate-limited"


async def test_no_page_tells_of_a_fault_that_may_be_the_pages() -> None:
    async def broken(_: Scope, __: Receive, ___: Send) -> None:
        raise RuntimeError

    told = await Kit(broken, page=_page).ask((b"accept", b"text/html"))
    assert told.problem["code"] == "internal-error"
