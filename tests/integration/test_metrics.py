"""Dashboards and rules ask for metrics that a started shop really serves."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.kit.process import ROOT, Purchase, Shop, filled, free_port, until, variant_of
from tests.kit.servers import REDIS

RULES = ROOT / "deploy" / "prometheus"
BOARDS = sorted((ROOT / "deploy" / "grafana").glob("*.json"))
RUNBOOKS = ROOT / "docs" / "runbooks.md"
_SELECTOR = re.compile(r"\b([a-z][a-z0-9_]*(?::[a-z0-9_:]+)?)\s*(\{[^}]*\})?(?=[\s\[)\]]|$)")
_MATCHER = re.compile(r'(\w+)(=~|!=|=)"([^"]*)"')
_WORDS = frozenset({"sum", "max", "min", "rate", "increase", "by", "le", "and", "or", "time"})
_WORDS |= {"absent", "vector", "count", "histogram_quantile"}
Served = dict[str, list[dict[str, str]]]


def served_by(text: str) -> Served:
    found: Served = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """After an order that was paid; and of a shop with a real gateway, which nobody asked, and a
    common cache."""
    folder = tmp_path_factory.mktemp("metrics")
    with Shop(folder) as shop:
        filled(folder)
        running = shop.run()
        client = shop.client()
        Purchase(variant_of(client)["id"], "a").whole(client)
        paid = 'shop_events_published_total{type="shop.payment.captured.v1"} 1.0'
        until(lambda: paid in running.ask("/metrics").text)
        found = served_by(running.ask("/metrics").text)
        assert running.stop() == 0
        gateway = shop.run(
            SHOP_PAYMENTS_PROVIDER="razorpay",
            SHOP_RAZORPAY_KEY_ID="rzp_test_x",
            SHOP_RAZORPAY_KEY_SECRET="x",
            SHOP_RAZORPAY_WEBHOOK_SECRET="x",
            SHOP_CACHE_URL=REDIS.wanted(),
            SHOP_RAZORPAY_URL=f"http://127.0.0.1:{free_port()}",
        )
        found |= served_by(gateway.ask("/metrics").text)
        yield found


def rules(name: str) -> list[dict[str, Any]]:
    groups = yaml.safe_load((RULES / f"{name}.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


RECORDED = frozenset(rule["record"] for rule in rules("recording"))


def asked(expression: str) -> Iterator[tuple[str, str]]:
    """Metrics with their label matchers."""
    bare = re.sub(r"\b(by|without) *\([^)]*\)", " ", expression)
    for name, labels in _SELECTOR.findall(bare):
        if name not in _WORDS:
            yield name, labels


def missing(expression: str, served: Served) -> list[str]:
    wrong = []
    for name, labels in asked(expression):
        if name in RECORDED:
            continue
        series = served.get(name, [])
        for label, how, value in _MATCHER.findall(labels):
            if how == "=":
                series = [one for one in series if one.get(label) == value]
            else:
                series = [one for one in series if label in one]
        if not series:
            wrong.append(name + labels)
    return wrong


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.stem)
def test_every_panel_shows_what_is_served(board: Path, served: Served) -> None:
    panels = json.loads(board.read_text())["panels"]
    assert panels
    for panel in panels:
        for target in panel["targets"]:
            assert list(asked(target["expr"])), target["expr"]
            assert missing(target["expr"], served) == [], panel["title"]


def test_every_rule_asks_for_what_is_served(served: Served) -> None:
    for rule in [*rules("alerts"), *rules("recording")]:
        assert list(asked(rule["expr"])), rule["expr"]
        assert missing(rule["expr"], served) == [], rule


def scaling() -> list[dict[str, Any]]:
    """What prometheus-adapter makes out of them for the autoscalers, asked for one pod."""
    values = yaml.safe_load((ROOT / "deploy" / "k8s" / "prometheus-adapter.yaml").read_text())
    asked_for = {"<<.LabelMatchers>>": 'namespace="n",pod="p"', "<<.GroupBy>>": "pod"}
    made = []
    for rule in values["rules"]["custom"]:
        query = rule["metricsQuery"]
        for placeholder, text in asked_for.items():
            query = query.replace(placeholder, text)
        made.append({"record": rule["name"]["as"] + ":asked", "expr": query} | rule)
    return made


def test_what_scales_the_shop_is_served(served: Served) -> None:
    assert len(scaling()) == 2
    for rule in scaling():
        query = rule["expr"].replace('{namespace="n",pod="p"}', "")  # Prometheus adds these
        assert list(asked(query))
        assert missing(query, served) == []
        assert rule["seriesQuery"].partition("{")[0] in served


def test_a_slow_pod_and_one_that_lags_are_told_apart_from_others(tmp_path: Path) -> None:
    """The adapter's queries, evaluated as Prometheus would."""
    rules = [{"record": one["record"], "expr": one["expr"]} for one in scaling()]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "x", "rules": rules}]}))
    bucket = 'http_server_request_duration_seconds_bucket{namespace="n",pod="%s",le="%s"}'
    lag = 'shop_consumer_lag{namespace="n",pod="%s",consumer="%s"}'
    series = {
        bucket % ("p", "0.25"): "0+90x10",
        bucket % ("p", "0.5"): "0+100x10",
        bucket % ("p", "+Inf"): "0+100x10",
        bucket % ("q", "+Inf"): "0+900x10",
        lag % ("p", "order-mails"): "7x10",
        lag % ("p", "stock"): "3x10",
        lag % ("q", "stock"): "900x10",
    }
    expected = {"shop_request_seconds_p95:asked": 0.375, "shop_consumer_lag:asked": 7}
    tests = {
        "rule_files": ["rules.yml"],
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": k, "values": v} for k, v in series.items()],
                "promql_expr_test": [
                    {
                        "expr": f"round({name}, 0.001)",
                        "eval_time": "10m",
                        "exp_samples": [{"labels": '{pod="p"}', "value": value}],
                    }
                    for name, value in expected.items()
                ],
            }
        ],
    }
    (tmp_path / "tests.yml").write_text(json.dumps(tests))
    promtool("test", "rules", "tests.yml", folder=tmp_path)


def test_what_is_not_served_is_found(served: Served) -> None:
    assert missing("sum(rate(shop_nothing_total[5m]))", served) == ["shop_nothing_total"]
    wrong = 'max(shop_stock_variants{level="none"}) > 0'
    assert missing(wrong, served) == ['shop_stock_variants{level="none"}']


def test_names_are_as_prometheus_wants_them(served: Served) -> None:
    for name in served:
        assert re.fullmatch(r"(shop|http_server|process|python)_[a-z0-9_]+", name)
        assert not re.search(r"_(ms|millis|milliseconds|minutes|kb|mb)(_|$)", name)


def test_nothing_was_oversold(served: Served) -> None:
    assert {"level": "oversold"} in served["shop_stock_variants"]


def test_every_alert_says_how_bad_it_is_and_has_a_runbook() -> None:
    written = RUNBOOKS.read_text()
    for rule in rules("alerts"):
        assert rule["labels"]["severity"] in {"page", "ticket", "info"}
        assert rule["annotations"]["summary"]
        section = f"## {rule['alert']}\n"
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert'].lower()}"
        assert section in written


def test_every_alert_is_tried() -> None:
    tests = (RULES / "tests.yml").read_text()
    for rule in rules("alerts"):
        name = rule["alert"].removesuffix("Fast").removesuffix("Slowly")
        assert name in tests, rule["alert"]


@pytest.mark.parametrize(
    "command",
    [("check", "rules", "recording.yml", "alerts.yml"), ("test", "rules", "tests.yml")],
    ids=lambda command: command[0],
)
def test_promtool_agrees(command: tuple[str, ...]) -> None:
    promtool(*command, folder=RULES)


def promtool(*command: str, folder: Path) -> None:
    program = shutil.which("promtool")
    if program is None:
        missing = "NO PROMTOOL: install the package prometheus. THE RULES WERE NOT EVALUATED."
        if os.environ.get("TEST_REQUIRE_SERVERS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    done = subprocess.run(  # noqa: S603 - found on the path
        [program, *command], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
