"""One JSON object a line on stdout, in our names or Elastic's, or coloured lines for people."""

import asyncio
import logging
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, BinaryIO, Literal, TextIO

import msgspec
import structlog
from msgspec import UNSET, Struct, UnsetType
from structlog import dev, processors, stdlib
from structlog.contextvars import merge_contextvars
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from shop.core.kernel.context import correlation
from shop.entrypoints import ecs

Form = Literal["json", "ecs", "console"]
#: The trace that is under way and the span in it, if any.
Following = Callable[[], tuple[str, str] | None]

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


def configure(form: Form, *, level: int | str = "INFO", stream: TextIO | None = None) -> None:
    """Libraries that use `logging` (alembic, aiokafka) come out in the same shape as ours."""
    out = stream or sys.stdout
    number = level if isinstance(level, int) else logging.getLevelNamesMapping()[level.upper()]
    stamp = processors.TimeStamper(fmt="iso", utc=True)
    shared: list[Processor] = [merge_contextvars, _request, processors.add_log_level, stamp]
    if form == "ecs":
        shared.append(processors.ExceptionRenderer(ecs.told_of))
    elif form == "json":
        # Never with local variables: they are where the passwords are.
        transform = ExceptionDictTransformer(show_locals=False)
        shared.append(processors.ExceptionRenderer(transform))
    shared.append(redact)
    render: list[Processor] = [processors.JSONRenderer(_encode)]
    if form == "ecs":
        render.insert(0, ecs.rename)
    elif form == "console":
        render = [
            dev.ConsoleRenderer(
                colors=out.isatty(), exception_formatter=dev.plain_traceback, pad_event_to=24
            )
        ]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        stdlib.ProcessorFormatter(
            processors=[stdlib.ProcessorFormatter.remove_processors_meta, *render],
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
    if _following is not None and (trace := _following()) is not None:
        event["trace_id"], event["span_id"] = trace
    return event


_following: Following | None = None


def follow(following: Following | None) -> None:
    """Name the trace in every line from now on."""
    global _following  # noqa: PLW0603 - logging is of the process, as is this
    _following = following


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
    trace_id: str | UnsetType = UNSET
    level: str = "info"
    event: str = "http_request"


#: Method, route, status, seconds, and the request's id.
_Told = tuple[str, str, int, float, str]
_encode_line = msgspec.json.Encoder().encode


@lru_cache(8)  # a busy second has thousands of lines
def _second(at: int) -> str:
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _as_text(at: float, told: _Told) -> bytes:
    method, route, status, seconds, request = told
    route = route if route.isprintable() else ascii(route)
    text = f"{_second(int(at))} {status} {method:<6} {route} {seconds * 1000:.1f} ms {request}"
    return text.encode("utf-8", "replace")


def _as_json(at: float, told: _Told) -> bytes:
    method, route, status, seconds, request = told
    when, ms = datetime.fromtimestamp(at, UTC), round(seconds * 1000, 2)
    line = _Line(when, method, route, status, ms, request)
    if _following is not None and (trace := _following()) is not None:
        line.trace_id, _ = trace
    return _encode_line(line)


def _as_ecs(at: float, told: _Told) -> bytes:
    line = ecs.access_line(datetime.fromtimestamp(at, UTC), *told)
    if _following is not None and (trace := _following()) is not None:
        line.trace_id, line.transaction_id = trace
    return _encode_line(line)


_FORMS: dict[Form, Callable[[float, _Told], bytes]] = {
    "json": _as_json,
    "ecs": _as_ecs,
    "console": _as_text,
}


class AccessLog:
    """A line for each request, written many at a time: one by one they cost a system call each.

    A line waits a fifth of a second at most; `flush()` at the end writes what is left.
    """

    _AFTER = 0.2
    _FULL = 1 << 16

    def __init__(
        self,
        out: BinaryIO | None = None,
        *,
        form: Form = "json",
        now: Callable[[], float] = time.time,
    ) -> None:
        self._out = out or sys.stdout.buffer
        self._line = _FORMS[form]
        self._now = now
        self._buffer = bytearray()

    def write(self, method: str, route: str, status: int, seconds: float, request: str) -> None:
        if not self._buffer:
            asyncio.get_running_loop().call_later(self._AFTER, self.flush)
        self._buffer += self._line(self._now(), (method, route, status, seconds, request))
        self._buffer += b"\n"
        if len(self._buffer) > self._FULL:
            self.flush()

    def flush(self) -> None:
        if self._buffer:
            self._out.write(self._buffer)
            self._buffer.clear()
            self._out.flush()
