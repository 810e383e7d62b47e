import json
from pathlib import Path

import pytest

from bench.report import Check, Report, Sample, figure, percentile, rows_of, table


def sample(
    row: str, rate: float, beside: float, *, connections: int = 32, errors: int = 0
) -> Sample:
    return Sample(
        row=row,
        connections=connections,
        rate=rate,
        beside=beside,
        p50_ms=1,
        p99_ms=2,
        errors=errors,
    )


def report(*samples: Sample, checks: tuple[Check, ...] = ()) -> Report:
    return Report(
        machine={"processors": 2},
        rows=rows_of(samples),
        figures=[figure("first answer", [0.4, 0.6, 9.0], "s")],
        checks=list(checks),
        samples=list(samples),
    )


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)]
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(
    percent: float, expected: int
) -> None:
    assert percentile(range(100, 0, -1), percent) == expected


def test_the_percentile_of_one_value_is_that_value_and_of_none_is_zero() -> None:
    assert percentile([7.0], 99) == 7.0
    assert percentile([], 99) == 0.0


def test_the_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    # In the second round a neighbour halved both rates: the ratio must not notice.
    samples = [sample("list", 70, 100), sample("list", 36, 50), sample("list", 90, 150)]
    (row,) = rows_of(samples)
    assert (row.rate, row.lowest, row.highest) == (70, 36, 90)
    assert row.ratio == pytest.approx(0.70)
    assert row.reached is True


def test_each_connection_count_is_a_row_with_a_target_of_its_own() -> None:
    few, many = rows_of([sample("list", 60, 100), sample("list", 60, 100, connections=256)])
    assert (few.target, few.reached) == (0.65, False)
    assert (many.target, many.reached) == (0.50, True)


def test_a_ratio_exactly_at_its_target_is_reached() -> None:
    (row,) = rows_of([sample("cart-add", 6, 100)])
    assert row.reached is True


def test_a_yardstick_has_no_ratio_and_a_row_without_target_no_verdict() -> None:
    bare, search = rows_of([sample("bare", 100, 100), sample("search", 1, 100)])
    assert (bare.ratio, bare.reached) == (None, None)
    assert (search.ratio, search.reached) == (0.01, None)


def test_a_yardstick_that_answered_nothing_gives_a_ratio_of_zero() -> None:
    (row,) = rows_of([sample("list", 10, 0)])
    assert row.ratio == 0


def test_errors_are_summed_over_the_rounds_and_shown() -> None:
    shown = report(sample("checkout", 6, 100, errors=3), sample("checkout", 6, 100, errors=4))
    assert shown.rows[0].errors == 7
    (line,) = [line for line in table(shown).splitlines() if line.startswith("checkout")]
    assert line.endswith(" 7")


def test_a_figure_is_a_median_beside_its_limit() -> None:
    assert figure("first answer", [0.4, 0.6, 9.0], "s").reached is True
    assert figure("first answer", [1.5], "s").reached is False
    assert figure("list p99 during logins / idle", [3.0], "x").reached is True
    assert figure("first product list", [99.0], "s").reached is None


def test_the_last_line_names_what_was_missed_of_what_was_measured() -> None:
    shown = report(sample("list", 10, 100), sample("detail", 90, 100))
    assert table(shown).splitlines()[-1] == "missed 1 of 3 targets: list/32"
    assert table(report()).splitlines()[-1] == "missed: nothing, 1 targets measured"


def test_a_failed_check_is_named_apart_from_missed_targets() -> None:
    shown = report(checks=(Check("orders", good=False, detail="2 orders, 3 answers"),))
    assert shown.failed() == ["orders"]
    assert "failed: orders" in table(shown)
    assert shown.missed() == []


def test_the_stored_results_hold_rows_samples_and_verdicts(tmp_path: Path) -> None:
    file = tmp_path / "build" / "bench.json"
    report(sample("list", 10, 100)).save(file)
    stored = json.loads(file.read_text())
    assert stored["missed"] == ["list/32"]
    assert stored["rows"][0]["ratio"] == 0.1
    assert stored["samples"][0]["beside"] == 100
