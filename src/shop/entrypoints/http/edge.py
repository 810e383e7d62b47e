"""The outermost ring of the HTTP server: what every request gets, whatever answers it.

One wrapper instead of one for each concern, because a framework's middlewares cost more than most
of our answers. It is pure ASGI and knows no framework. What is inside tells it one thing, the route
template, in `scope["shop.route"]` or, as Litestar does, in `scope["path_template"]`; metrics and
access lines never carry a path that could hold an id or a token, unless no route was found.
"""

import asyncio
import math
import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping

import msgspec
import structlog
from msgspec import UNSET, Struct, UnsetType

from shop.core.kernel.context import address
from shop.entrypoints.http.arriving import PATIENCE, Arriving
from shop.entrypoints.http.asgi import App, Header, Message, Receive, Scope, Send
from shop.entrypoints.logs import AccessLog, request_id
from shop.entrypoints.metrics import Histogram
from shop.ports.cache import Verdict

log = structlog.get_logger()

_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# What programs read is neither framed nor left by a link, and on a ready answer each header counts.
# A 304 stands for an answer that has them already.
_FOR_PROGRAMS: tuple[Header, ...] = ((b"x-content-type-options", b"nosniff"),)
_FOR_BROWSERS: tuple[Header, ...] = (
    *_FOR_PROGRAMS,
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
    (b"x-frame-options", b"DENY"),
)
_PROGRAMS = "/api/"
#: Of what says nothing itself: nearly all of it is somebody's own, also where only a header or a
#: query says whose, which caches on the way do not look at.
_PRIVATE: Header = (b"cache-control", b"no-store")
_NOT_MODIFIED = 304
_OURS = 500
_CLOSE: Header = (b"connection", b"close")
_CODES = {413: "body-too-large", 429: "rate-limited", 500: "internal-error", 503: "unavailable"}


class Rate(Struct, frozen=True):
    """What the limiter says of a request: the policy it fell under, and how it fared."""

    policy: str
    quota: int
    window: int
    verdict: Verdict


#: None for what is not counted.
Limiter = Callable[[Scope], Awaitable[Rate] | None]


#: Tells a person, by the path and what their browser accepts, in a page why they were refused:
#: status, detail. Its headers and body, or None for programs.
Page = Callable[[Scope, int, str], tuple[list[Header], bytes] | None]


class Prepared:
    """An answer to a GET that lies ready: all of it but the id of the request."""

    __slots__ = ("body", "headers", "route", "status")

    def __init__(self, status: int, headers: list[Header], body: Message, route: str) -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self.route = route


#: Finds what nobody is kept from, and waits for nothing.
Ready = Callable[[Scope], Prepared | None]


class LameDuck:
    """Tells when the server is about to stop: from then on answers close their connections.

    Answers without an end of their own, such as event streams, end when `begun()` returns.
    """

    def __init__(self) -> None:
        self.active = False
        self._event = asyncio.Event()

    def begin(self) -> None:
        self.active = True
        self._event.set()

    async def begun(self) -> None:
        await self._event.wait()


class Bodies(Struct, frozen=True):
    """The largest bodies in bytes, and larger ones below some paths."""

    most: int = 1 << 20
    uploads: Mapping[str, int] = {}

    def limit(self, path: str) -> int:
        for prefix, most in self.uploads.items():
            if path.startswith(prefix):
                return most
        return self.most


class _Problem(Struct):
    """An RFC 9457 body, as in api.md."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    instance: str
    request_id: str
    facts: dict[str, int] | UnsetType


class _Asked(Struct, gc=False):
    """The headers that matter here."""

    id: bytes = b""
    length: int = 0
    chunked: bool = False

    @classmethod
    def of(cls, headers: Iterable[Header]) -> "_Asked":
        asked = cls()
        for name, value in headers:
            if name == b"x-request-id":
                asked.id = value
            elif name == b"content-length":
                asked.length = int(value) if value.isdigit() else 0
            elif name == b"transfer-encoding":
                asked.chunked = True
        return asked


class _TooLarge(Exception):
    """Ends the reading of a body; the refusal has been sent already."""


def request_durations() -> Histogram:
    """The histogram that `Edge` fills."""
    return Histogram(
        "http_server_request_duration_seconds",
        "Duration of HTTP server requests.",
        ["http_request_method", "http_route", "http_response_status_code"],
    )


def _no_pages(_scope: Scope, _status: int, _detail: str) -> None:
    """Everybody is told in JSON."""


def _as_it_came(_scope: Scope) -> None:
    """No proxy stands before this server."""


def plain(path: str) -> str:
    """The path as routing sees it, which looks past doubled slashes and one at the end: what is
    counted, measured and bounded by its path must be what is answered."""
    if "//" not in path and path[:1] == "/" != path[-1:]:
        return path
    return "/" + "/".join(part for part in path.split("/") if part)


class Edge:
    """Wraps the app; `in_flight` is how many requests are being answered.

    Those whose bodies are still to come are not counted when it is too busy: whoever sends none
    keeps nobody else out.
    """

    def __init__(
        self,
        app: App,
        *,
        new_id: Callable[[], bytes],
        duck: LameDuck,
        durations: Histogram,
        ready: Ready | None = None,
        access: AccessLog | None = None,
        limiter: Limiter | None = None,
        forwarded: Callable[[Scope], None] = _as_it_came,
        page: Page = _no_pages,
        bodies: Bodies = Bodies(),
        most: int = 4096,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.in_flight = 0
        self._app = app
        self._new_id = new_id
        self._duck = duck
        self._durations = durations
        self._ready = ready
        self._access = access
        self._limiter = limiter
        self._forwarded = forwarded
        self._page = page
        self._bodies = bodies
        self._most = most
        self._reading = Arriving(patience)
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = self._clock()
        if self._ready is not None and (found := self._ready(scope)) is not None:
            # No body to guard, no work to bound, no rate to count.
            request = self._named(scope["headers"])
            status = found.status
            guards = () if status == _NOT_MODIFIED else _FOR_PROGRAMS
            headers = [*found.headers, *guards, (b"x-request-id", request)]
            if self._duck.active:
                headers.append(_CLOSE)
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send(found.body)
            took = self._clock() - began
            self._durations.observe(("GET", found.route, status), took)
            if self._access is not None:
                self._access.write("GET", found.route, status, took, request.decode())
            return
        await self._work_out(scope, receive, send, began)

    async def _work_out(self, scope: Scope, receive: Receive, send: Send, began: float) -> None:
        """Let the app answer, within all bounds."""
        self._forwarded(scope)
        scope["path"] = plain(scope["path"])
        asked = _Asked.of(scope["headers"])
        request = asked.id if _SANE.fullmatch(asked.id) else self._new_id()
        current = request.decode()
        request_id.set(current)
        client = scope.get("client")
        address.set(client[0] if client else "")
        scope.setdefault("state", {})["request_id"] = current
        counting = self._limiter(scope) if self._limiter is not None else None
        rate = await counting if counting is not None else None
        programs = scope["path"].startswith(_PROGRAMS)
        status = 0

        def answer(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [*message["headers"], (b"x-request-id", request)]
                if programs and not _says(headers, _PRIVATE[0]):
                    headers.append(_PRIVATE)
                if status != _NOT_MODIFIED:
                    headers += _FOR_PROGRAMS if programs else _FOR_BROWSERS
                if rate is not None:
                    headers += _rate_headers(rate)
                if self._duck.active:
                    headers.append(_CLOSE)
                # A new message: the app may send the same prepared one again and again.
                message = {"type": "http.response.start", "status": status, "headers": headers}
            return send(message)

        self.in_flight += 1
        try:
            await self._serve(scope, receive, answer, asked, rate)
            if not status:
                raise RuntimeError("The app gave no answer.")  # noqa: TRY301 - one net for all
        except Exception:
            log.exception("request_failed", route=_route(scope))
            if status:
                raise  # half an answer is out: only a broken connection can say so now
            await self._refuse(scope, answer, _OURS, "Something went wrong on our side.")
        finally:
            self.in_flight -= 1
            self._note(scope, status, self._clock() - began, current)

    def _named(self, headers: Iterable[Header]) -> bytes:
        """The id that the caller gave, if it is sane, else a new one."""
        for name, value in headers:
            if name == b"x-request-id" and _SANE.fullmatch(value):
                return value
        return self._new_id()

    async def _serve(
        self, scope: Scope, receive: Receive, answer: Send, asked: "_Asked", rate: Rate | None
    ) -> None:
        if self.in_flight - len(self._reading) > self._most:
            await self._refuse(scope, answer, 503, "Too busy; please try again.", wait=1)
        elif rate is not None and rate.verdict.wait > 0:
            wait = math.ceil(rate.verdict.wait)
            await self._refuse(scope, answer, 429, f"Please try again in {wait} s.", wait=wait)
        elif asked.length > self._bodies.most and asked.length > self._bodies.limit(scope["path"]):
            await self._refuse(scope, answer, 413, self._too_large(scope), close=True)
        elif asked.chunked:
            receive = self._reading.in_time(receive, self._bodies.limit(scope["path"]))
            await self._counted(scope, receive, answer)
        elif asked.length:
            await self._app(scope, self._reading.in_time(receive, asked.length), answer)
        else:
            await self._app(scope, receive, answer)

    def _note(self, scope: Scope, status: int, took: float, current: str) -> None:
        method = scope["method"]
        known = method if method in METHODS else "_OTHER"
        self._durations.observe((known, _template(scope), status), took)
        if self._access is not None:
            self._access.write(known, _route(scope), status, took, current)

    def _too_large(self, scope: Scope) -> str:
        return f"A body may have {self._bodies.limit(scope['path'])} bytes here."

    async def _counted(self, scope: Scope, receive: Receive, answer: Send) -> None:
        """Run the app on a body of unknown length, and cut it off at the limit."""
        left = self._bodies.limit(scope["path"])
        started = refused = False

        async def read() -> Message:
            nonlocal left, refused
            message = await receive()
            left -= len(message.get("body", b""))
            if left >= 0:
                return message
            if not (started or refused):
                refused = True
                await self._refuse(scope, answer, 413, self._too_large(scope), close=True)
            raise _TooLarge

        async def say(message: Message) -> None:
            nonlocal started
            if not refused:  # what the app makes of the error has nobody to go to any more
                started = True
                await answer(message)

        try:
            await self._app(scope, read, say)
        except _TooLarge:
            if not refused:
                raise

    async def _refuse(
        self,
        scope: Scope,
        send: Send,
        status: int,
        detail: str,
        *,
        wait: int = 0,
        close: bool = False,
    ) -> None:
        # Where we are at fault, it may be the pages that do not work.
        page = self._page(scope, status, detail) if status != _OURS else None
        headers, body = page or _problem(scope, status, detail, wait)
        headers = [*headers, (b"content-length", str(len(body)).encode())]
        if wait:
            headers.append((b"retry-after", str(wait).encode()))
        if close:  # the rest of the body stays unread
            headers.append(_CLOSE)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        sent = b"" if scope["method"] == "HEAD" else body
        await send({"type": "http.response.body", "body": sent})


def _says(headers: Iterable[Header], what: bytes) -> bool:
    for name, _ in headers:  # noqa: SIM110 - a generator costs more than all the rest of it
        if name == what:
            return True
    return False


def _route(scope: Scope) -> str:
    return _template(scope) or scope["path"][:200]


def _template(scope: Scope) -> str:
    """What the fast lane says of its own routes, and Litestar of all others."""
    template: str = scope.get("shop.route") or scope.get("path_template") or ""
    return template


def _rate_headers(rate: Rate) -> list[Header]:
    """As in draft-ietf-httpapi-ratelimit-headers-09."""
    verdict = rate.verdict
    reset = math.ceil(verdict.wait or verdict.reset)
    return [
        (b"ratelimit-policy", f'"{rate.policy}";q={rate.quota};w={rate.window}'.encode()),
        (b"ratelimit", f'"{rate.policy}";r={max(0, verdict.left)};t={reset}'.encode()),
    ]


def _problem(scope: Scope, status: int, detail: str, wait: int) -> tuple[list[Header], bytes]:
    code = _CODES[status]
    problem = _Problem(
        type=f"/problems/{code}",
        title=code.replace("-", " ").capitalize(),
        status=status,
        detail=detail,
        code=code,
        instance=scope["path"],
        request_id=request_id.get(),
        facts={"retry_after": wait} if wait else UNSET,
    )
    headers = [(b"content-type", b"application/problem+json"), (b"cache-control", b"no-store")]
    return headers, msgspec.json.encode(problem)
