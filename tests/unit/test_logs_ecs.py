"""Elasticsearch takes the lines as they are: each field is in the index template, of its type."""

import ast
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
import yaml

from shop import __version__
from shop.entrypoints import ecs, logs
from tests.kit.process import ROOT

ELASTIC = ROOT / "deploy" / "elastic"
TEMPLATE = json.loads((ELASTIC / "index-template.json").read_text())
PROPERTIES = TEMPLATE["template"]["mappings"]["properties"]
#: What Elasticsearch accepts for a type without changing it; lists of it are accepted as well.
ACCEPTED: dict[str, tuple[type, ...]] = {
    "keyword": (str,),
    "wildcard": (str,),
    "match_only_text": (str,),
    "long": (int,),
    "double": (int, float),
    "date": (str,),
}
AT = datetime(2026, 1, 2, 3, 4, 5, 678_900, tzinfo=UTC)


def type_of(name: str) -> str | None:
    """Of a dotted field, in the template."""
    here: Any = {"properties": PROPERTIES}
    for part in name.split("."):
        here = here.get("properties", {}).get(part, {})
    found: str | None = here.get("type")
    return found


def unfit(line: dict[str, Any]) -> list[str]:
    """The fields that Elasticsearch would have to guess, change or refuse."""
    wrong = []
    for name, value in line.items():
        kind = type_of(name)
        values = value if isinstance(value, list) else [value]
        if kind is None or not all(type(one) in ACCEPTED[kind] for one in values):
            wrong.append(f"{name}={value!r} ({kind})")
    return wrong


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    logs.configure("ecs", level="debug", stream=stream)
    yield stream
    logs.follow(None)
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def logged() -> dict[str, set[str]]:
    """The fields of every event that the shop logs, read from its code."""
    found: dict[str, set[str]] = {}
    for file in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log")),
                    args=[ast.Constant(value=str(event))],
                ):
                    names = {one.arg for one in node.keywords if one.arg} - {"exc_info"}
                    found.setdefault(event, set()).update(names)
    return found


def test_every_field_that_the_shop_logs_has_its_type_in_the_template() -> None:
    found = logged()
    assert len(found) > 30
    fields = {name for names in found.values() for name in names}
    for name in fields:
        kind = type_of(ecs.NAMES.get(name, f"shop.{name}"))
        expected = {"long", "double"} if name in ecs.NUMBERS else {"keyword", "wildcard"}
        assert kind in expected, name
    assert fields >= ecs.NUMBERS
    ours = set(PROPERTIES["shop"]["properties"])
    assert ours == {name for name in fields if name not in ecs.NAMES}, "no more than is logged"


def test_a_line_is_taken_as_it_is(out: io.StringIO) -> None:
    token = logs.request_id.set("r-1")
    logs.follow(lambda: ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"))
    log = structlog.get_logger()
    log.info("started", role="all", actors=["http", "ops"])
    log.warning("worker_ended", worker="worker-1", exit_code=70, restart_in=0.5, why="x" * 3)
    logging.getLogger("alembic").warning("Running %s", "upgrade")
    logs.request_id.reset(token)
    first, second, third = found = lines(out)
    assert [unfit(line) for line in found] == [[], [], []]
    assert list(first)[:3] == ["@timestamp", "log.level", "message"]
    assert first.pop("@timestamp").endswith("Z")
    assert first == {
        "log.level": "info",
        "message": "started",
        "ecs.version": ecs.VERSION,
        "service.name": "shop",
        "service.version": __version__,
        "event.action": "started",
        "shop.role": "all",
        "shop.actors": ["http", "ops"],
        "http.request.id": "r-1",
        "trace.id": "0af7651916cd43dd8448eb211c80319c",
        "span.id": "b7ad6b7169203331",
    }
    assert second["process.exit_code"] == 70
    assert (third["message"], third["log.logger"]) == ("Running upgrade", "alembic")
    assert "event.action" not in third


def test_an_error_comes_with_its_traceback_and_without_secrets(out: io.StringIO) -> None:
    def fail(password: str) -> None:
        raise ValueError(f"mysql://shop:{password}@db is down")

    word = "hunter2"
    try:
        fail(word)
    except ValueError as error:
        structlog.get_logger().exception("failed", route="/orders/{id}")
        structlog.get_logger().error("again", exc_info=error)
        logging.getLogger("library").exception("failed too")
    found = lines(out)
    assert [unfit(line) for line in found] == [[], [], []]
    for line in found:
        assert line["error.type"] == "ValueError"
        assert line["error.message"] == "mysql://shop:[redacted]@db is down"
        assert line["error.stack_trace"].startswith("Traceback")
        assert 'raise ValueError(f"mysql' in line["error.stack_trace"]
    assert found[0]["url.path"] == "/orders/{id}"
    assert word not in out.getvalue()


async def test_an_access_line_is_taken_as_it_is() -> None:
    out = io.BytesIO()
    access = logs.AccessLog(out, form="ecs", now=AT.timestamp)
    access.write("GET", "/api/v1/orders/{number}", 200, 0.00123, "r-1")
    logs.follow(lambda: ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"))
    access.write("POST", "/api/v1/checkout", 503, 2.0, "r-2")
    logs.follow(None)
    access.flush()
    first, second = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [unfit(first), unfit(second)] == [[], []]
    assert first == {
        "@timestamp": "2026-01-02T03:04:05.678900Z",
        "log.level": "info",
        "message": "GET /api/v1/orders/{number} 200",
        "ecs.version": ecs.VERSION,
        "service.name": "shop",
        "service.version": __version__,
        "event.kind": "event",
        "event.category": ["web"],
        "event.type": ["access"],
        "event.action": "http_request",
        "event.outcome": "success",
        "event.duration": 1_230_000,
        "http.request.id": "r-1",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.path": "/api/v1/orders/{number}",
    }
    assert second["event.outcome"] == "failure"
    assert second["trace.id"] == "0af7651916cd43dd8448eb211c80319c"
    assert second["transaction.id"] == "b7ad6b7169203331"


def test_a_wrong_field_is_found() -> None:
    assert unfit({"shop.nothing": "x"}) == ["shop.nothing='x' (None)"]
    assert unfit({"event.duration": 1.5}) == ["event.duration=1.5 (long)"]
    assert unfit({"message": 7}) == ["message=7 (match_only_text)"]


def test_the_samples_write_where_the_template_reads() -> None:
    [pattern] = TEMPLATE["index_patterns"]
    assert TEMPLATE["_meta"]["ecs_version"] == ecs.VERSION
    beat = yaml.safe_load((ELASTIC / "filebeat.yml").read_text())
    assert beat["output.elasticsearch"]["index"].startswith(pattern.removesuffix("*"))
    ndjson = beat["filebeat.inputs"][0]["parsers"][1]["ndjson"]
    assert (ndjson["target"], ndjson["expand_keys"], ndjson["overwrite_keys"]) == ("", True, True)
    stash = (ELASTIC / "logstash.conf").read_text()
    assert 'data_stream_dataset => "shop"' in stash
    assert stash.count("{") == stash.count("}")
