"""The targets of a deployment on real servers, and how its figures are shown and stored."""

from collections.abc import Sequence
from statistics import median

from msgspec import Struct, field

from bench.report import Results, Sample, fared, grouped, shown

YARDSTICK = "bare"
#: row -> the least requests a second
RATES = {"checkout": 1500.0, "checkout, hot": 1500.0}
#: row -> the most milliseconds for 99 of 100, and no error at all
WAITS = {"list, 1,000": 500.0, "cart, 1,000": 500.0, "list, SQLite": 500.0, "cart, SQLite": 500.0}
#: figure -> the least
LEAST = {"events": 3000.0}
#: figure -> the most
MOST = {"token seen before": 30.0}


class Taken(Sample, frozen=True, kw_only=True):
    """`micros` is the CPU time that a request took in each process.

    `others` is the share of the machine that went to what has nothing to do with the bench.
    """

    micros: dict[str, float] = field(default_factory=dict)
    others: float = 0.0


class Row(Struct, frozen=True, kw_only=True):
    """Medians over the rounds, errors of all of them; the ratio is to the bare route."""

    row: str
    connections: int
    rate: float
    lowest: float
    highest: float
    ratio: float | None
    p50_ms: float
    p99_ms: float
    errors: int
    ran_out: bool
    micros: dict[str, float]
    others: float
    target: str
    reached: bool | None

    @property
    def label(self) -> str:
        return self.row


class Figure(Struct, frozen=True, kw_only=True):
    name: str
    value: float
    unit: str
    detail: str
    target: str
    reached: bool | None


Report = Results[Row, Figure, Taken]


def rows_of(samples: Sequence[Taken]) -> list[Row]:
    return [_row(group) for group in grouped(samples)]


def _row(group: Sequence[Taken]) -> Row:
    name = group[0].row
    rates = [sample.rate for sample in group]
    rate, p99 = median(rates), median(sample.p99_ms for sample in group)
    errors = sum(sample.errors for sample in group)
    target, reached = "", None
    if name in RATES:
        target, reached = f">= {RATES[name]:,.0f}/s", rate >= RATES[name] and not errors
    elif name in WAITS:
        target = f"p99 < {WAITS[name]:g} ms"
        # Where nothing was answered in time there is no p99 to speak of.
        reached = rate > 0 and p99 < WAITS[name] and not errors
    processes = {process for sample in group for process in sample.micros}
    return Row(
        row=name,
        connections=group[0].connections,
        rate=rate,
        lowest=min(rates),
        highest=max(rates),
        ratio=None if name == YARDSTICK else median(sample.ratio for sample in group),
        p50_ms=median(sample.p50_ms for sample in group),
        p99_ms=p99,
        errors=errors,
        ran_out=any(sample.ran_out for sample in group),
        micros={
            process: median(sample.micros.get(process, 0.0) for sample in group)
            for process in sorted(processes)
        },
        others=median(sample.others for sample in group),
        target=target,
        reached=reached,
    )


def figure(name: str, values: Sequence[float], unit: str, detail: str = "") -> Figure:
    """The median of the values, beside the least or most that is wanted of it, if anything is."""
    value = median(values)
    target, reached = "", None
    if name in LEAST:
        target, reached = f">= {LEAST[name]:,.0f}", value >= LEAST[name]
    elif name in MOST:
        target, reached = f"<= {MOST[name]:,.0f}", value <= MOST[name]
    return Figure(name=name, value=value, unit=unit, detail=detail, target=target, reached=reached)


HEAD = (
    f"{'row':<14} {'conns':>5} {'req/s':>8} {'lowest-highest':>15} {'ratio':>6} {'p50 ms':>7} "
    f"{'p99 ms':>7} {'errors':>6} {'target':>13} {'':4} {'others':>6}  CPU of a request, us"
)


def table(report: Report) -> str:
    others = "others: share of the machine that went to something else meanwhile"
    return shown(report, (HEAD, _line), _figure_line, others)


def _line(row: Row) -> str:
    spread = f"{row.lowest:,.0f}-{row.highest:,.0f}"
    ratio = "" if row.ratio is None else f"{row.ratio:.3f}"
    cpu = ", ".join(f"{name} {spent:,.0f}" for name, spent in row.micros.items() if spent >= 1)
    name = row.row + ("*" if row.ran_out else "")
    return (
        f"{name:<14} {row.connections:>5} {row.rate:>8,.0f} {spread:>15} {ratio:>6} "
        f"{row.p50_ms:>7.1f} {row.p99_ms:>7.1f} {row.errors:>6} {row.target:>13} "
        f"{fared(reached=row.reached):4} {row.others:>6.0%}  {cpu}"
    ).rstrip()


def _figure_line(item: Figure) -> str:
    return (
        f"{item.name:<34} {item.value:>9,.2f} {item.unit:<4} {item.target:<9} "
        f"{fared(reached=item.reached):4} {item.detail}"
    ).rstrip()
