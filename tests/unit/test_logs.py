"""What comes out, and what never does."""

import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest
import structlog

from shop.entrypoints import logs


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    stream = io.StringIO()
    logs.configure("json", level="info", stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def lines(out: io.StringIO) -> list[dict[str, object]]:
    return [msgspec.json.decode(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_json_object_with_its_request(out: io.StringIO) -> None:
    token = logs.request_id.set("r-1")
    structlog.get_logger().info("order_placed", order="7")
    structlog.get_logger().debug("not_this")
    logs.request_id.reset(token)
    (line,) = lines(out)
    assert line.pop("timestamp")
    assert line == {"event": "order_placed", "order": "7", "level": "info", "request_id": "r-1"}


def test_libraries_come_out_in_the_same_shape(out: io.StringIO) -> None:
    logging.getLogger("alembic").warning("Running %s", "upgrade")
    (line,) = lines(out)
    assert (line["event"], line["level"], line["logger"]) == (
        "Running upgrade",
        "warning",
        "alembic",
    )


def test_secrets_and_personal_data_are_blotted_out(out: io.StringIO) -> None:
    structlog.get_logger().info(
        "settings_read",
        password="hunter2-a",
        user={"email": "hunter2-b", "email_verified": True, "id": "7"},
        headers=[{"Authorization": "hunter2-c"}],
        url="mysql://shop:hunter2-d@db/shop",
        text="Bearer hunter2-e",
    )
    assert "hunter2" not in out.getvalue()
    assert '"id":"7"' in out.getvalue()
    assert "mysql://shop:[redacted]@db/shop" in out.getvalue()


def test_tracebacks_come_without_local_variables(out: io.StringIO) -> None:
    def fail(password: str) -> None:
        raise ValueError(f"mysql://shop:{password}@db is down")

    try:
        fail("hunter2")
    except ValueError:
        structlog.get_logger().exception("failed")
        logging.getLogger("library").exception("failed too")
    assert "hunter2" not in out.getvalue()
    assert [line["event"] for line in lines(out)] == ["failed", "failed too"]
    assert all("ValueError" in str(line["exception"]) for line in lines(out))


async def test_an_access_line_is_json_for_programs_and_short_for_people() -> None:
    program, person = io.BytesIO(), io.BytesIO()
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    forms: tuple[tuple[io.BytesIO, logs.Form], ...] = ((program, "json"), (person, "console"))
    for out, form in forms:
        access = logs.AccessLog(out, form=form, now=at.timestamp)
        access.write("GET", "/orders/{id}", 200, 0.00123, "r-1")
        access.write("GET", "/no\nway", 404, 0.1, "r-2")
        access.flush()
    first = msgspec.json.decode(program.getvalue().splitlines()[0])
    assert (first["route"], first["status"], first["ms"]) == ("/orders/{id}", 200, 1.23)
    assert person.getvalue().decode().splitlines() == [
        "2026-01-02T03:04:05Z 200 GET    /orders/{id} 1.2 ms r-1",
        "2026-01-02T03:04:05Z 404 GET    '/no\\nway' 100.0 ms r-2",
    ]


def test_the_chatter_of_migrations_is_left_out(out: io.StringIO) -> None:
    logging.getLogger("alembic.runtime.migration").info("Context impl SQLiteImpl.")
    assert out.getvalue() == ""


def test_the_console_is_for_people() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    logs.configure("console", stream=stream)
    structlog.get_logger().info("order_placed", order="7", token="hunter2")
    structlog.reset_defaults()
    root.handlers[:], root.level = before
    assert "order_placed" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
