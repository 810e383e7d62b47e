"""One JSON object a line on stdout, or coloured lines for people."""

import asyncio
import logging
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, BinaryIO, TextIO

import msgspec
import structlog
from msgspec import Struct
from structlog import dev, processors, stdlib
from structlog.contextvars import merge_contextvars
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from shop.core.kernel.context import correlation

# The id of the request being served. Events carry the same one.
request_id = correlation

REDACTED = "[redacted]"
_PRIVATE = re.compile(
    r"passw|token|secret|authorization|cookie|credential|api_?key|idempotency_?key"
    r"|e_?mail(?!_id)|phone|contact|address(?!_id)|\botp\b|card_?number|cvv",
    re.IGNORECASE,
)
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^\s:/@]*):[^\s/@]+(?=@)")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+")


def configure(*, json: bool, level: int | str = "INFO", stream: TextIO | None = None) -> None:
    """Libraries that use `logging` (alembic, aiokafka) come out in the same shape as ours."""
    out = stream or sys.stdout
    number = level if isinstance(level, int) else logging.getLevelNamesMapping()[level.upper()]
    stamp = processors.TimeStamper(fmt="iso", utc=True)
    shared: list[Processor] = [merge_contextvars, _request, processors.add_log_level, stamp]
    if json:
        # Never with local variables: they are where the passwords are.
        transform = ExceptionDictTransformer(show_locals=False)
        shared.append(processors.ExceptionRenderer(transform))
    shared.append(redact)
    render: Processor
    if json:
        render = processors.JSONRenderer(_encode)
    else:
        render = dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=dev.plain_traceback, pad_event_to=24
        )
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        stdlib.ProcessorFormatter(
            processors=[stdlib.ProcessorFormatter.remove_processors_meta, render],
            foreign_pre_chain=[stdlib.add_logger_name, *shared],
        )
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)
    # It tells of each look at a database, which is no news.
    logging.getLogger("alembic").setLevel(max(number, logging.WARNING))
    # It tells ten times a second that a broker is away; the actors say so when it matters.
    logging.getLogger("aiokafka").setLevel(max(number, logging.CRITICAL))


def _request(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    if current := request_id.get():
        event.setdefault("request_id", current)
    return event


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Blot out what must never be written: values of telling names, passwords inside of URLs."""
    for key, value in event.items():
        if key not in {"exc_info", "_record"}:
            event[key] = _clean(key, value)
    return event


@lru_cache(1024)
def _private(key: str) -> bool:
    return _PRIVATE.search(key) is not None


def _clean(key: str, value: Any) -> Any:
    if _private(key):
        return value if value is None or isinstance(value, bool) else REDACTED
    if isinstance(value, str):
        if "://" in value:
            value = _PASSWORD_IN_URL.sub(rf"\1:{REDACTED}", value)
        return _BEARER.sub(rf"\1 {REDACTED}", value)
    if isinstance(value, dict):
        return {name: _clean(str(name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(key, inner) for inner in value]
    return value


def _encode(event: EventDict, default: Callable[[Any], Any], **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=default).decode()


class _Line(Struct):
    timestamp: datetime
    method: str
    route: str
    status: int
    ms: float
    request_id: str
    level: str = "info"
    event: str = "http_request"


class AccessLog:
    """A line for each request, written many at a time: one by one they cost a system call each.

    A line waits a fifth of a second at most; `flush()` at the end writes what is left. With
    `plain` the lines are short ones for people.
    """

    _AFTER = 0.2
    _FULL = 1 << 16

    def __init__(
        self,
        out: BinaryIO | None = None,
        *,
        plain: bool = False,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._out = out or sys.stdout.buffer
        self._plain = plain
        self._now = now
        self._buffer = bytearray()
        self._encoder = msgspec.json.Encoder()
        self._second, self._when = 0, ""

    def write(self, method: str, route: str, status: int, seconds: float, request: str) -> None:
        if not self._buffer:
            asyncio.get_running_loop().call_later(self._AFTER, self.flush)
        at = self._now()
        if self._plain:
            self._buffer += self._plainly(at, method, route, status, seconds, request)
        else:
            when, ms = datetime.fromtimestamp(at, UTC), round(seconds * 1000, 2)
            line = _Line(when, method, route, status, ms, request)
            self._encoder.encode_into(line, self._buffer, -1)
        self._buffer += b"\n"
        if len(self._buffer) > self._FULL:
            self.flush()

    def _plainly(
        self, at: float, method: str, route: str, status: int, seconds: float, request: str
    ) -> bytes:
        if (second := int(at)) != self._second:  # a busy second has thousands of lines
            self._second = second
            self._when = f"{datetime.fromtimestamp(second, UTC):%Y-%m-%dT%H:%M:%SZ}"
        route = route if route.isprintable() else ascii(route)
        text = f"{self._when} {status} {method:<6} {route} {seconds * 1000:.1f} ms {request}"
        return text.encode("utf-8", "replace")

    def flush(self) -> None:
        if self._buffer:
            self._out.write(self._buffer)
            self._buffer.clear()
            self._out.flush()
