"""Prometheus metrics under OpenTelemetry's names. Counting is ours, exporting the library's.

A histogram of prometheus-client costs some 5 µs an observation; a cell here is a list and a float,
which one thread alone writes: the event loop's.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shop.entrypoints.actors.supervisor import Health, State

# The bounds which OpenTelemetry advises for requests, and the same idea for queues and batches.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
SHORT_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
SIZES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


def make_registry() -> CollectorRegistry:
    """A registry of its own for each process, with what Python tells of itself."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class Cell:
    """The observations of one combination of labels."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self._bounds, value)] += 1
        self.total += value


class Histogram(Collector):
    """Cells by label values. `most` bounds them; what comes later is counted under "other"."""

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Sequence[str],
        bounds: Sequence[float] = SECONDS,
        *,
        most: int = 2000,
    ) -> None:
        self._name = name
        self._help = help_text
        self._labels = labels
        self._bounds = bounds
        self._most = most
        self._cells: dict[tuple[str | int, ...], Cell] = {}

    def observe(self, labels: tuple[str | int, ...], value: float) -> None:
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cell(labels)
        cell.observe(value)

    def _cell(self, labels: tuple[str | int, ...]) -> Cell:
        if len(self._cells) >= self._most:
            labels = ("other",) * len(self._labels)
        return self._cells.setdefault(labels, Cell(self._bounds))

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        bounds = [*(str(bound) for bound in self._bounds), "+Inf"]
        for labels, cell in list(self._cells.items()):
            buckets = list(zip(bounds, accumulate(cell.counts), strict=True))
            family.add_metric([str(one) for one in labels], buckets, cell.total)
        yield family


class Desks(Collector):
    """Depth, batch size, waiting and working time of every desk."""

    def __init__(self) -> None:
        self._depths: dict[str, Callable[[], int]] = {}
        self._size = Histogram(
            "shop_desk_batch_size", "Commands in a batch.", ["desk"], SIZES, most=100
        )
        self._waited = Histogram(
            "shop_desk_wait_seconds",
            "The longest wait of a batch for its turn.",
            ["desk"],
            SHORT_SECONDS,
            most=100,
        )
        self._took = Histogram(
            "shop_desk_batch_duration_seconds",
            "The time of a batch, COMMIT included.",
            ["desk"],
            SHORT_SECONDS,
            most=100,
        )
        #: What shoppers meet most is there from the first scrape on, so that its rise is seen.
        self._refused: Counter[tuple[str, str]] = Counter({("checkout", "out-of-stock"): 0})

    def gauge(self, desk: str) -> "DeskGauge":
        """What the desk of this name takes as its `gauge`."""
        return DeskGauge((desk,), self._size, self._waited, self._took, self._refused)

    def watch(self, desk: str, depth: Callable[[], int]) -> None:
        """Read the depth of its queue at each scrape."""
        self._depths[desk] = depth

    def collect(self) -> Iterable[Metric]:
        depth = GaugeMetricFamily("shop_desk_depth", "Commands in the queue.", labels=["desk"])
        for desk, read in self._depths.items():
            depth.add_metric([desk], read())
        yield depth
        for histogram in (self._size, self._waited, self._took):
            yield from histogram.collect()
        refused = CounterMetricFamily(
            "shop_desk_refusals", "Commands decided against, by the error.", labels=["desk", "code"]
        )
        for labels, number in list(self._refused.items()):
            refused.add_metric(labels, number)
        yield refused


class DeskGauge:
    def __init__(
        self,
        labels: tuple[str],
        size: Histogram,
        waited: Histogram,
        took: Histogram,
        refused: Counter[tuple[str, str]],
    ) -> None:
        self._labels = labels
        self._refused = refused
        self._size = size
        self._waited = waited
        self._took = took

    def served(self, size: int, waited: float, took: float) -> None:
        self._size.observe(self._labels, size)
        self._waited.observe(self._labels, waited)
        self._took.observe(self._labels, took)

    def refused(self, code: str) -> None:
        self._refused[(self._labels[0], code)] += 1


class Actors(Collector):
    """State and restarts of the actors, read from the supervisor's `health` at each scrape."""

    def __init__(self, health: Mapping[str, Health]) -> None:
        self._health = health

    def collect(self) -> Iterable[Metric]:
        states = GaugeMetricFamily(
            "shop_actor_state", "1 for the state the actor is in.", labels=["actor", "state"]
        )
        restarts = CounterMetricFamily(
            "shop_actor_restarts", "Restarts after a crash.", labels=["actor"]
        )
        for name, health in self._health.items():
            for state in State:
                states.add_metric([name, state.value], float(health.state is state))
            restarts.add_metric([name], health.restarts)
        yield states
        yield restarts


class Readings(Collector):
    """Numbers by the values of one label, read at each scrape; `total` for what only grows."""

    def __init__(
        self,
        name: str,
        help_text: str,
        label: str,
        read: Callable[[], Mapping[str, float]],
        *,
        total: bool = False,
    ) -> None:
        self._family = CounterMetricFamily if total else GaugeMetricFamily
        self._name = name
        self._help = help_text
        self._label = label
        self._read = read

    def collect(self) -> Iterable[Metric]:
        family = self._family(self._name, self._help, labels=[self._label])
        for value, number in self._read().items():
            family.add_metric([value], number)
        yield family


class Reading(Collector):
    """One number, read at each scrape."""

    def __init__(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        self._name = name
        self._help = help_text
        self._read = read

    def collect(self) -> Iterable[Metric]:
        yield GaugeMetricFamily(self._name, self._help, value=self._read())
