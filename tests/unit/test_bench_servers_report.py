import json
from pathlib import Path

import pytest

from bench.report import Check
from bench.servers_report import Report, Taken, figure, rows_of, table


def taken(
    row: str,
    rate: float = 2000,
    *,
    beside: float = 40_000,
    p99_ms: float = 100,
    errors: int = 0,
    micros: dict[str, float] | None = None,
    others: float = 0.0,
) -> Taken:
    return Taken(
        row=row,
        connections=256,
        rate=rate,
        beside=beside,
        p50_ms=1,
        p99_ms=p99_ms,
        errors=errors,
        micros=micros or {},
        others=others,
    )


def report(*samples: Taken, checks: tuple[Check, ...] = ()) -> Report:
    return Report(
        machine={"processors": 2},
        rows=rows_of(samples),
        figures=[figure("events", [2000, 4000, 9000], "/s")],
        checks=list(checks),
        samples=list(samples),
    )


@pytest.mark.parametrize(("rate", "reached"), [(1499, False), (1500, True), (9000, True)])
def test_a_checkout_rate_is_reached_at_its_target(rate: float, *, reached: bool) -> None:
    (row,) = rows_of([taken("checkout", rate)])
    assert (row.target, row.reached) == (">= 1,500/s", reached)


def test_the_hot_product_has_to_sell_as_fast() -> None:
    (row,) = rows_of([taken("checkout, hot", 1400)])
    assert row.reached is False


def test_no_rate_makes_good_for_an_error() -> None:
    assert [row.reached for row in rows_of([taken("checkout", 9000, errors=1)])] == [False]


@pytest.mark.parametrize(("p99_ms", "reached"), [(499, True), (500, False)])
def test_a_thousand_readers_wait_less_than_half_a_second(p99_ms: float, *, reached: bool) -> None:
    (row,) = rows_of([taken("list, 1,000", p99_ms=p99_ms)])
    assert (row.target, row.reached) == ("p99 < 500 ms", reached)


def test_a_thousand_readers_are_served_without_an_error_in_any_round() -> None:
    (row,) = rows_of([taken("cart, SQLite", errors=1), taken("cart, SQLite")])
    assert (row.errors, row.reached) == (1, False)


def test_who_answers_nobody_has_not_been_quick() -> None:
    (row,) = rows_of([taken("list, 1,000", rate=0, p99_ms=0)])
    assert row.reached is False


def test_rounds_become_medians_and_the_yardstick_has_no_ratio() -> None:
    rounds = [
        taken("bare", 40_000),
        taken("new cart", 4000, micros={"api": 100, "redis": 8}, others=0.2),
        taken("new cart", 1000, beside=10_000, micros={"api": 300}, others=0.9),
        taken("new cart", 3000, micros={"api": 200, "redis": 6}, others=0.1),
    ]
    bare, cart = rows_of(rounds)
    assert bare.ratio is None
    assert (cart.rate, cart.lowest, cart.highest) == (3000, 1000, 4000)
    assert cart.ratio == pytest.approx(0.1)
    assert cart.micros == {"api": 200, "redis": 6}
    assert (cart.others, cart.target, cart.reached) == (0.2, "", None)


def test_a_figure_without_a_target_is_neither_reached_nor_missed() -> None:
    assert figure("memory api idle", [120], "MiB").reached is None
    assert figure("events", [2999], "/s").reached is False
    assert figure("token seen before", [30.1], "us").reached is False
    assert figure("token seen before", [29.9], "us").target == "<= 30"


def test_the_table_says_what_was_missed_and_what_failed() -> None:
    shown = table(
        report(
            taken("checkout", 800, micros={"api": 240, "redis": 0.2}, others=0.35),
            checks=(Check("audit", good=False, detail="two do not agree"),),
        )
    )
    assert "MISS    35%  api 240" in shown
    assert "redis" not in shown
    assert "failed: audit" in shown
    assert "missed 1 of 2 targets: checkout" in shown


def test_what_is_stored_can_be_read_by_a_program(tmp_path: Path) -> None:
    file = tmp_path / "build" / "bench-servers.json"
    report(taken("checkout", 800)).save(file)
    stored = json.loads(file.read_text())
    assert stored["missed"] == ["checkout"]
    assert stored["failed"] == []
    assert stored["rows"][0]["rate"] == 800
