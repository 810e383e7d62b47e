"""One trace from the request to the mail, by a collector that listens as a real one does."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.kit.collector import Collector, Seen
from tests.kit.databases import DATABASES
from tests.kit.process import ROOT, Purchase, Shop, filled, free_port, until, variant_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
STATE = "theirs=00f067aa0ba902b7,others=t61rcWkgMzE"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": STATE}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def goods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("goods"))


def a_shop(goods: Path, folder: Path, collector: Collector | None, **more: str) -> Shop:
    environ = {"SHOP_TRACES_URL": collector.url} if collector else {}
    shop = Shop(folder, **environ, **more)
    shop.data.mkdir(parents=True)
    for file in goods.iterdir():
        if file.is_file():
            (shop.data / file.name).write_bytes(file.read_bytes())
    return shop


def below(spans: list[Seen], top: Seen) -> list[Seen]:
    """The span and all that was done for it."""
    found, more = [top], {top.id}
    while more:
        more = {span.id for span in spans if span.parent in more}
        found += [span for span in spans if span.id in more]
    return found


def one(spans: list[Seen], name: str) -> Seen:
    [found] = [span for span in spans if span.name == name]
    return found


class OnDelivery(Purchase):
    """Is confirmed, and has its mail, by the checkout alone."""

    @property
    def body(self) -> dict[str, Any]:
        return {**super().body, "payment_method": "cod"}

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, **TRACEPARENT}


def bought(shop: Shop, name: str = "a") -> Purchase:
    """A purchase whose checkout has our trace; returns when its mail is there."""
    client = shop.client()
    purchase = OnDelivery(variant_of(client)["id"], name)
    purchase.fill(client)
    answer = purchase.check_out(client)
    assert answer.status_code == 201, answer.text
    until(lambda: shop.confirmations(purchase.number))
    return purchase


def test_one_trace_leads_from_the_request_over_the_bus_to_the_reaction(
    goods: Path, tmp_path: Path, collector: Collector
) -> None:
    with a_shop(
        goods,
        tmp_path,
        collector,
        SHOP_TRACES_ATTRIBUTES="deployment.environment.name=test",
        SHOP_TRACES_HEADERS="authorization=Bearer%20hunter2",
    ) as shop:
        running = shop.run()
        purchase = bought(shop)
        purchase.order(shop.client())
        assert running.stop() == 0
        spans = collector.of(TRACE)
        top = one(spans, "POST /api/v1/checkout")
        assert (top.kind, top.parent, top.failed) == ("SERVER", PARENT, False)
        assert top.facts["http.request.method"] == "POST"
        assert top.facts["http.route"] == "/api/v1/checkout"
        assert top.facts["http.response.status_code"] == 201
        assert top.resource["service.name"] == "shop"
        assert top.resource["deployment.environment.name"] == "test"
        assert len(str(top.resource["service.instance.id"])) == 36
        looked = below(collector.spans, one(collector.spans, "GET /api/v1/orders/{order_id}"))
        assert "OrderLookup.account" in {span.name for span in looked}
        inside = below(spans, top)
        assert len(inside) == len(spans), "nothing stands apart"
        desk = one(inside, "desk checkout")
        assert desk.parent == top.id
        unit = next(span for span in inside if span.parent == desk.id)
        assert unit.name == "unit of work"
        statements = {span.name: span for span in inside if span.parent == unit.id}
        assert {"INSERT orders", "INSERT outbox"} <= statements.keys()
        insert = statements["INSERT orders"]
        assert insert.kind == "CLIENT"
        assert insert.facts["db.system.name"] == "sqlite"
        assert str(insert.facts["db.query.text"]).startswith("INSERT INTO orders (")
        published = {span.kind for span in inside if span.name == "publish"}
        assert published == {"PRODUCER"}
        reacted = [span for span in inside if span.name == "process order-mails"]
        assert {span.kind for span in reacted} == {"CONSUMER"}
        assert {span.state for span in inside} == {STATE}, "what others say of it goes along"
        for private in (purchase.email, "A. Buyer", "Temple", purchase.placed["order_token"]):
            assert not any(private.encode() in body for body in collector.bodies), private
        assert {headers["authorization"] for headers in collector.headers} == {"Bearer hunter2"}
        assert "hunter2" not in running.out + running.err
        access = [
            json.loads(line) for line in running.out.splitlines() if '"/api/v1/checkout"' in line
        ]
        assert [line["trace_id"] for line in access] == [TRACE]


def test_the_trace_goes_over_kafka_with_mysql_and_redis_in_it(
    tmp_path: Path, collector: Collector, kafka_url: str, topic_prefix: str, redis_url: str
) -> None:
    server = DATABASES.lend()
    filled(tmp_path / "goods", server)
    with Shop(
        tmp_path / "shop",
        SHOP_TRACES_URL=collector.url,
        SHOP_DATABASE_URL=server,
        SHOP_BUS_URL=kafka_url,
        SHOP_BUS_PREFIX=topic_prefix,
        SHOP_CACHE_URL=redis_url,
        SHOP_LIMITS_ENABLED="true",
    ) as shop:
        assert shop.command("migrate").returncode == 0
        running = shop.run("--role", "api")
        consumer = shop.beside("--role", "consumer")
        bought(shop)
        assert consumer.stop() == running.stop() == 0
        spans = collector.of(TRACE)
        top = one(spans, "POST /api/v1/checkout")
        inside = below(spans, top)
        systems = {span.facts.get("db.system.name") for span in inside}
        assert systems - {None} in ({"mariadb", "redis"}, {"mysql", "redis"})
        instances = {span.name: span.resource["service.instance.id"] for span in inside}
        assert instances["publish"] == instances["process order-mails"]
        assert instances["publish"] != instances["POST /api/v1/checkout"]


def test_who_writes_together_is_linked_with_what_was_done_for_all(
    goods: Path, tmp_path: Path, collector: Collector
) -> None:
    with a_shop(goods, tmp_path, collector) as shop:
        running = shop.run()
        variant = variant_of(shop.client())["id"]

        def buy(number: int) -> None:
            Purchase(variant, f"buyer-{number}").whole(shop.client())

        def some_wait() -> bool:
            depth = re.search(
                r'^shop_desk_depth{desk="carts"} (\S+)$', running.ask("/metrics").text, re.MULTILINE
            )
            return depth is not None and float(depth[1]) > 1

        with ThreadPoolExecutor(16) as pool:
            # While somebody else writes, nobody is so quick as to meet no other.
            with closing(sqlite3.connect(shop.data / "shop.db", isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                buying = [pool.submit(buy, number) for number in range(16)]
                until(some_wait)
            for done in buying:
                done.result()
        assert running.stop() == 0
        by_id = {span.id: span for span in collector.spans}
        works = [span for span in collector.spans if span.name.startswith("desk carts together")]
        assert works, "some waited together, and were not served so"
        for work in works:
            waiting = [by_id[link] for link in work.links]
            assert len(waiting) == work.facts["shop.batch.size"]
            for each in waiting:
                assert each.name == "desk carts"
                assert work.id in each.links
                assert each.trace != work.trace
            assert len(below(collector.of(work.trace), work)) > 1, "the statements are there"


def test_a_stranger_names_the_trace_but_does_not_decide_what_is_recorded(
    goods: Path, tmp_path: Path, collector: Collector
) -> None:
    with a_shop(goods, tmp_path, collector, SHOP_TRACES_RATIO="0") as shop:
        running = shop.run()
        bought(shop)
        assert running.stop() == 0
        assert collector.spans == []
        sealed = [body for (body,) in shop.rows("SELECT body FROM event_log")]
        told = [event for event in map(json.loads, sealed) if TRACE in event.get("traceparent", "")]
        assert told
        for event in told:
            assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-00", event["traceparent"])
            assert event["tracestate"] == STATE
        trusting = shop.run(SHOP_HTTP_PROXIES="127.0.0.1/32")
        bought(shop, "b")
        assert trusting.stop() == 0
        assert one(collector.of(TRACE), "POST /api/v1/checkout").parent == PARENT
        ours = {span.id for span in collector.of(TRACE)}
        for span in collector.spans:
            top = span.trace == TRACE or span.parent or span.links <= ours
            assert top, f"{span.name} began a trace"


def test_what_is_no_traceparent_begins_a_trace_of_its_own(
    goods: Path, tmp_path: Path, collector: Collector
) -> None:
    broken = ("", "nonsense", f"00-{'0' * 32}-{'0' * 16}-01")
    with a_shop(goods, tmp_path, collector) as shop:
        running, client = shop.run(), shop.client()
        for each in broken:
            assert client.get("/healthz", headers={"traceparent": each}).status_code == 200
        assert client.get("/nowhere").status_code == 404
        for _ in range(3):
            assert client.get("/api/v1/products/mug").status_code == 200
        assert running.stop() == 0
        asked = [span for span in collector.spans if span.name == "GET /healthz"]
        assert [(span.parent, span.failed) for span in asked] == [("", False)] * len(broken)
        assert len({span.trace for span in asked}) == len(broken)
        assert one(collector.spans, "GET").facts["http.response.status_code"] == 404
        products = [span for span in collector.spans if span.name.endswith("/{product}")]
        assert len(products) == 3, "also those that lay ready"
        assert not any("mug" in str(value) for span in products for value in span.facts.values())


def test_a_state_that_would_swell_every_event_is_dropped_and_the_trace_goes_on(
    goods: Path, tmp_path: Path, collector: Collector
) -> None:
    longest = f"a={'x' * 254},b={'x' * 253}"
    given = {longest: longest, f"{longest}x": "", "no state": ""}
    with a_shop(goods, tmp_path, collector) as shop:
        running, client = shop.run(), shop.client()
        for each in given:
            headers = {**TRACEPARENT, "tracestate": each}
            assert client.get("/healthz", headers=headers).status_code == 200
        assert running.stop() == 0
        asked = [span for span in collector.of(TRACE) if span.name == "GET /healthz"]
        assert [span.state for span in asked] == list(given.values())
        assert len(longest) == 512


def test_a_collector_that_is_away_or_hangs_keeps_nobody_waiting(
    goods: Path, tmp_path: Path
) -> None:
    away = {"SHOP_TRACES_URL": f"http://127.0.0.1:{free_port()}"}
    with Collector(hangs=True) as hanging:
        for name, environ in (("a", away), ("b", {"SHOP_TRACES_URL": hanging.url})):
            with a_shop(goods, tmp_path / name, None, **environ) as shop:
                running = shop.run()
                bought(shop)
                assert running.stop() == 0, running.out
                assert "stop_forced" not in running.out
                lost = [line for line in running.events if line["event"] == "traces_lost"]
                assert len(lost) <= 1


def test_without_a_collector_nothing_of_opentelemetry_is_there(goods: Path, tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from shop.entrypoints.cli import processes, serving\n"
        "from shop.settings_reading import load\n"
        "container = processes._container(load(None, {})[0])\n"
        "print([name for name in sys.modules"
        " if name.startswith(('opentelemetry', 'google', 'shop.traced', 'shop.adapters.otel'))])\n"
    )
    with a_shop(goods, tmp_path, None) as shop:
        done = subprocess.run(  # noqa: S603
            [sys.executable, "-c", script],
            env=shop.environ(),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "[]\n"
        running = shop.run()
        bought(shop)
        running.stop()
        bodies = [json.loads(body) for (body,) in shop.rows("SELECT body FROM event_log")]
        assert bodies
        assert not any("traceparent" in body for body in bodies)


def test_the_missing_extra_is_named_in_one_line(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "opentelemetry"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('x', name='opentelemetry')\n")
    with Shop(tmp_path, SHOP_TRACES_URL="http://127.0.0.1:1") as shop:
        path = f"{hidden.parent}:{ROOT / 'src'}"
        done = shop.command("run", PYTHONPATH=path)
        assert done.returncode == 1
        assert done.stderr == (
            "shop: SHOP_TRACES_URL: needs OpenTelemetry; install the extra shop[traces]"
            " (opentelemetry is missing).\n"
        )
