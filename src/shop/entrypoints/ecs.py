"""Log lines in the field names of the Elastic Common Schema, which Elasticsearch takes as they are.

Names are dotted, as in Elastic's own loggers. What the schema has no name for stands below `shop.`;
`deploy/elastic/index-template.json` gives each field its type.
"""

import traceback
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field
from structlog.typing import EventDict, ExcInfo, WrappedLogger

from shop import __version__

VERSION = "9.3.0"
SERVICE = {"service.name": "shop", "service.version": __version__}
#: What the shop calls them, and what Elastic does. The first three come first, for people.
NAMES: Mapping[str, str] = {
    "timestamp": "@timestamp",
    "level": "log.level",
    "event": "message",
    "logger": "log.logger",
    "request_id": "http.request.id",
    "trace_id": "trace.id",
    "span_id": "span.id",
    "route": "url.path",
    "why": "event.reason",
    "error": "error.type",
    "code": "error.code",
    "exit_code": "process.exit_code",
}
#: All other fields of the shop are words, whatever they are made of: a field has one type.
NUMBERS = frozenset({"after", "exit_code", "partitions", "restart_in", "seconds", "spans"})
_SERVER_ERROR = 500


def rename(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """The last step before a line is written."""
    told: dict[str, Any] = {NAMES[key]: event.pop(key, "") for key in ("timestamp", "level")}
    told["message"] = str(event.get("event", ""))
    told |= {"ecs.version": VERSION, **SERVICE}
    if "logger" not in event:  # ours say what happened in one word, libraries talk
        told["event.action"] = told["message"]
    del event["event"]
    told |= event.pop("exception", {})
    for key, value in event.items():
        told[NAMES.get(key, f"shop.{key}")] = value if key in NUMBERS else _words(value)
    return told


def _words(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [str(one) for one in value]
    return value if value is None else str(value)


def told_of(exc_info: ExcInfo) -> dict[str, str]:
    """Without local variables: they are where the passwords are."""
    kind, error, _ = exc_info
    return {
        "error.type": f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins."),
        "error.message": str(error),
        "error.stack_trace": "".join(traceback.format_exception(*exc_info)),
    }


class AccessLine(Struct):
    """A request; `route` is its template, and the transaction is what a trace calls its span."""

    timestamp: datetime = field(name="@timestamp")
    message: str
    method: str = field(name="http.request.method")
    route: str = field(name="url.path")
    status: int = field(name="http.response.status_code")
    nanoseconds: int = field(name="event.duration")
    request_id: str = field(name="http.request.id")
    outcome: str = field(name="event.outcome")
    trace_id: str | UnsetType = field(name="trace.id", default=UNSET)
    transaction_id: str | UnsetType = field(name="transaction.id", default=UNSET)
    level: str = field(name="log.level", default="info")
    version: str = field(name="ecs.version", default=VERSION)
    service: str = field(name="service.name", default=SERVICE["service.name"])
    service_version: str = field(name="service.version", default=SERVICE["service.version"])
    kind: str = field(name="event.kind", default="event")
    category: tuple[str, ...] = field(name="event.category", default=("web",))
    type: tuple[str, ...] = field(name="event.type", default=("access",))
    action: str = field(name="event.action", default="http_request")


def access_line(
    at: datetime, method: str, route: str, status: int, seconds: float, request: str
) -> AccessLine:
    return AccessLine(
        at,
        f"{method} {route} {status}",
        method,
        route,
        status,
        int(seconds * 1e9),
        request,
        "failure" if status >= _SERVER_ERROR else "success",
    )
