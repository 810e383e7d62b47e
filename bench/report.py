"""The arithmetic of a bench, its targets, and how it is shown and stored."""

from collections.abc import Callable, Iterable, Sequence
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from msgspec import Struct

# (row, connections) -> the least ratio to what it is measured beside, in the same round
RATIOS = {
    ("list", 32): 0.65,
    ("list", 256): 0.50,
    ("list-304", 32): 0.70,
    ("list-304", 256): 0.60,
    ("detail", 32): 0.65,
    ("detail", 256): 0.50,
    ("cart-add", 32): 0.06,
    ("cart-add", 256): 0.04,
    ("checkout", 32): 0.055,
    ("checkout", 256): 0.04,
    ("login", 4): 0.80,
    ("login all", 8): 0.80,
    ("signup all", 8): 0.80,
}

YARDSTICKS = {"bare", "argon2", "argon2 all"}

# single figure -> (the most it may be, whether reaching that very value is good enough)
LIMITS = {
    "list p99 during logins / idle": (3.0, True),
    "detail p99 during logins / idle": (3.0, True),
    "token seen before": (5.0, True),
    "first answer": (1.5, False),
    "memory idle": (120.0, False),
    "memory after load": (200.0, False),
}


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that `percent` of all do not exceed (nearest rank); 0 of nothing."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    return ordered[max(1, ceil(len(ordered) * percent / 100)) - 1]


class Sample(Struct, frozen=True, kw_only=True):
    """One round of one row, and the rate of its yardstick in that very round."""

    row: str
    connections: int
    rate: float
    beside: float
    p50_ms: float
    p99_ms: float
    errors: int = 0
    ran_out: bool = False

    @property
    def ratio(self) -> float:
        return self.rate / self.beside if self.beside else 0.0


class Row(Struct, frozen=True, kw_only=True):
    """Medians over the rounds; the ratio is the median of ratios, not a ratio of medians."""

    row: str
    connections: int
    rate: float
    lowest: float
    highest: float
    ratio: float | None  # None: this row is the yardstick itself
    p50_ms: float
    p99_ms: float
    errors: int
    ran_out: bool
    target: float | None
    reached: bool | None

    @property
    def label(self) -> str:
        return f"{self.row}/{self.connections}"


class Figure(Struct, frozen=True, kw_only=True):
    name: str
    value: float
    unit: str
    target: float | None
    reached: bool | None


class Check(Struct, frozen=True):
    """What was verified after the load, or could not be measured at all."""

    name: str
    good: bool
    detail: str


class _Row(Protocol):
    """`label` names it where it missed its target."""

    @property
    def label(self) -> str: ...
    @property
    def ran_out(self) -> bool: ...
    @property
    def reached(self) -> bool | None: ...


class _Figure(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def reached(self) -> bool | None: ...


R = TypeVar("R", bound=_Row)
F = TypeVar("F", bound=_Figure)
S = TypeVar("S", bound=Sample)


class Results(Struct, Generic[R, F, S], frozen=True, kw_only=True):
    machine: dict[str, Any]
    rows: list[R]
    figures: list[F]
    checks: list[Check]
    samples: list[S]

    def missed(self) -> list[str]:
        rows = [row.label for row in self.rows if row.reached is False]
        figures = [figure.name for figure in self.figures if figure.reached is False]
        return rows + figures

    def failed(self) -> list[str]:
        return [check.name for check in self.checks if not check.good]

    def save(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        data = msgspec.to_builtins(self) | {"missed": self.missed(), "failed": self.failed()}
        file.write_bytes(msgspec.json.format(msgspec.json.encode(data), indent=2) + b"\n")


Report = Results[Row, Figure, Sample]


def rows_of(samples: Sequence[Sample]) -> list[Row]:
    return [_row(group) for group in grouped(samples)]


def grouped(samples: Sequence[S]) -> Iterable[list[S]]:
    """Those of one name and connection count, in the order of the first of each."""
    groups: dict[tuple[str, int], list[S]] = {}
    for sample in samples:
        groups.setdefault((sample.row, sample.connections), []).append(sample)
    return groups.values()


def _row(group: Sequence[Sample]) -> Row:
    row, connections = group[0].row, group[0].connections
    rates = [sample.rate for sample in group]
    ratio = None if row in YARDSTICKS else median(sample.ratio for sample in group)
    target = RATIOS.get((row, connections))
    return Row(
        row=row,
        connections=connections,
        rate=median(rates),
        lowest=min(rates),
        highest=max(rates),
        ratio=ratio,
        p50_ms=median(sample.p50_ms for sample in group),
        p99_ms=median(sample.p99_ms for sample in group),
        errors=sum(sample.errors for sample in group),
        ran_out=any(sample.ran_out for sample in group),
        target=target,
        reached=None if target is None or ratio is None else ratio >= target,
    )


def figure(name: str, values: Sequence[float], unit: str) -> Figure:
    """The median of the values beside the limit of that name, where the issue sets one."""
    value = median(values)
    limit, inclusive = LIMITS.get(name, (None, False))
    reached = None if limit is None else value < limit or (inclusive and value == limit)
    return Figure(name=name, value=value, unit=unit, target=limit, reached=reached)


HEAD = (
    f"{'row':<10} {'conns':>5} {'req/s':>9} {'lowest-highest':>17} {'ratio':>7} "
    f"{'target':>8}  {'':4} {'p50 ms':>8} {'p99 ms':>8} {'errors':>7}"
)


def table(report: Report) -> str:
    return shown(report, (HEAD, _line), _figure_line)


def shown(
    report: Results[R, F, S],
    rows: tuple[str, Callable[[R], str]],
    figure_line: Callable[[F], str],
    *notes: str,
) -> str:
    """The report for people: `rows` is their head and the line of one, `notes` stand below."""
    head, line = rows
    lines = [f"{name}: {value}" for name, value in report.machine.items()]
    if report.rows:
        lines += ["", head, "-" * len(head), *map(line, report.rows), *notes]
    if any(row.ran_out for row in report.rows):
        lines.append("* every prepared request was sent before the time was up; rate until then")
    if report.figures:
        lines += ["", *map(figure_line, report.figures)]
    if report.checks:
        lines.append("")
        lines += [f"{'ok' if c.good else 'FAILED':<7}{c.name}: {c.detail}" for c in report.checks]
    failed, missed = report.failed(), report.missed()
    lines += ["", *([f"failed: {', '.join(failed)}"] if failed else [])]
    verdicts = [r.reached for r in report.rows] + [f.reached for f in report.figures]
    measured = sum(verdict is not None for verdict in verdicts)
    what = f"{len(missed)} of {measured} targets: {', '.join(missed)}"
    lines.append(f"missed {what}" if missed else f"missed: nothing, {measured} targets measured")
    return "\n".join(lines)


def _line(row: Row) -> str:
    spread = f"{row.lowest:,.0f}-{row.highest:,.0f}"
    ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
    target = "" if row.target is None else f">={row.target:g}"
    name = row.row + ("*" if row.ran_out else "")
    return (
        f"{name:<10} {row.connections:>5} {row.rate:>9,.0f} {spread:>17} {ratio:>7} "
        f"{target:>8}  {fared(reached=row.reached):4} {row.p50_ms:>8.2f} {row.p99_ms:>8.2f} "
        f"{row.errors:>7}"
    ).rstrip()


def _figure_line(item: Figure) -> str:
    target = "" if item.target is None else f"target {item.target:g}"
    word = fared(reached=item.reached)
    return f"{item.name:<34} {item.value:>9.2f} {item.unit:<4} {target:<12} {word}".rstrip()


def fared(*, reached: bool | None) -> str:
    """How a target fared."""
    return {None: "", True: "ok", False: "MISS"}[reached]
