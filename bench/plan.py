"""What is measured, in which order, and beside what."""

import asyncio
import os
import platform
import sqlite3
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

from msgspec import Struct, structs

from bench import hashing, wrk
from bench.identity import SETTINGS, Identity
from bench.load import Client, Generator, Load, Outcome, http
from bench.report import Check, Figure, Report, Sample, figure, rows_of
from bench.servers import BenchError, Cores, Server, Shop, bare, pinned
from bench.visits import LIST, Customers, write_catalogue

READS = ("list", "list-304", "detail", "search")
WRITES = ("new-cart", "cart-add", "checkout")
NAMES = ("start", "memory", *READS, *WRITES, "login", "identity")
CONNECTIONS = (32, 256)
LOGIN_CONNECTIONS = 4
LOGIN_SECONDS = 2
SPARE = 1.6  # requests prepared for each one that is expected
#: What the first round expects of rows that send each request once, as a ratio to the bare route.
ONCE = {"cart-add": 0.15, "checkout": 0.06}
AUDIT_TRIES = 12
AUDIT_PAUSE = 10.0
EXPECTED = {
    "list-304": {304},
    "new-cart": {200, 201},
    "cart-add": {200, 201},
    "checkout": {201},
}

Say = Callable[[str], None]


class Options(Struct, frozen=True):
    rounds: int = 7
    seconds: int = 2  # wrk takes whole ones only
    starts: int = 5
    settle: float = 3.0  # seconds from the first answer to "idle"
    only: frozenset[str] = frozenset(NAMES)


async def bench(options: Options, say: Say) -> Report:
    """Start everything in a folder of its own, measure, and leave nothing behind."""
    if platform.system() != "Linux":
        raise BenchError("the bench reads memory and processor time from /proc: it needs Linux")
    cores = Cores.choose()
    with TemporaryDirectory(prefix="shop-bench-") as name, pinned(cores.load):
        folder = Path(name)
        generator = wrk.find(folder) or Client()
        yardstick, shop = bare(folder, cores.server), Shop(folder, cores.server)
        try:
            measuring = _Bench(
                options, say, cores, generator=generator, yardstick=yardstick, shop=shop
            )
            return await measuring.run(folder)
        finally:
            await asyncio.gather(yardstick.stop(), shop.stop(), return_exceptions=True)


class _Bench:
    def __init__(
        self,
        options: Options,
        say: Say,
        cores: Cores,
        *,
        generator: Generator,
        yardstick: Server,
        shop: Shop,
    ) -> None:
        self._options, self._say, self._cores = options, say, cores
        self._generator, self._yardstick, self._shop = generator, yardstick, shop
        self._customers = Customers(shop.port)
        self._samples: list[Sample] = []
        self._figures: list[Figure] = []
        self._checks: list[Check] = []
        self._broken: set[str] = set()
        self._slowdowns: dict[str, list[float]] = {}
        self._restless = 0
        self._placed = self._undecided = 0

    async def run(self, folder: Path) -> Report:
        only = self._options.only
        machine = self._machine()
        self._say("preparing: migrate, demo, bench catalogue")
        await self._prepare(folder)
        await self._start()
        if "memory" in only:
            await asyncio.sleep(self._options.settle)
            self._figures.append(figure("memory idle", [self._shop.memory()], "MiB"))
        if only - {"start", "memory", "identity"}:
            await self._yardstick.start()
            await self._yardstick.answers("/")
            await self._customers.open()
            await self._rounds()
        if "memory" in only and self._samples:
            self._figures.append(figure("memory after load", [self._shop.memory()], "MiB"))
        for name, slowdowns in self._slowdowns.items():
            self._figures.append(figure(f"{name} p99 during logins / idle", slowdowns, "x"))
        if "checkout" in only:
            await self._verify()
        if "identity" in only:
            await self._guarded("identity", self._identity(folder))
        if self._restless:
            detail = f"{self._restless} measurements began while older work was still running"
            self._checks.append(Check("quiet before measuring", good=True, detail=detail))
        return Report(
            machine=machine,
            rows=rows_of(self._samples),
            figures=self._figures,
            checks=self._checks,
            samples=self._samples,
        )

    def _machine(self) -> dict[str, object]:
        options = self._options
        return {
            "load generator": self._generator.name,
            "processors": os.cpu_count(),
            "processor": processor(),
            "placement": str(self._cores),
            "busy before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "granian": version("granian"),
            "system": f"{platform.system()} {platform.release()}",
            "rounds": f"{options.rounds} of {options.seconds:g} s",
            "measured at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    async def _prepare(self, folder: Path) -> None:
        catalogue = folder / "catalogue.csv"
        write_catalogue(catalogue)
        await self._shop.must("migrate")
        await self._shop.must("demo")
        await self._shop.must("import", str(catalogue), "--format", "shopify")

    async def _start(self) -> None:
        """Start the shop; several times, with the time to its first answers, if asked for."""
        health, listed = [], []
        for last in reversed(range(self._options.starts if "start" in self._options.only else 1)):
            begun = perf_counter()
            await self._shop.start()
            await self._shop.answers("/healthz")
            health.append(perf_counter() - begun)
            await self._shop.answers(LIST)
            listed.append(perf_counter() - begun)
            if last:
                await self._shop.stop()
        if "start" in self._options.only:
            self._figures.append(figure("first answer", health, "s"))
            self._figures.append(figure("first product list", listed, "s"))

    async def _rounds(self) -> None:
        for number in range(1, self._options.rounds + 1):
            for row in (*READS, *WRITES):
                if row not in self._options.only:
                    continue
                for connections in CONNECTIONS:
                    self._say(f"round {number}: {row}, {connections} connections")
                    await self._guarded(row, self._compare(row, connections))
            if "login" in self._options.only:
                self._say(f"round {number}: logins")
                await self._guarded("login", self._logins())

    async def _guarded(self, row: str, measuring: Coroutine[None, None, None]) -> None:
        """A row that cannot be measured fails by itself, once, and not the whole bench."""
        if row in self._broken:
            measuring.close()
            return
        try:
            await measuring
        except (BenchError, RuntimeError, TimeoutError, OSError) as error:
            self._broken.add(row)
            detail = str(error) or type(error).__name__
            self._checks.append(Check(row, good=False, detail=detail))

    async def _compare(self, row: str, connections: int) -> None:
        """The row between two looks at the bare route, whose mean it is measured beside: one sample
        of the ratio, on a machine that may change its speed within seconds."""
        expected = await self._expected(row, connections)
        load, tokens = await self._load(row, expected)
        if not self._measured(row):
            load = await self._probed(row, load)
        self._restless += not await self._shop.quiet()
        before = await self._bare(connections)
        outcome = await self._drive(load, connections)
        self._restless += not await self._shop.quiet()
        after = await self._bare(connections)
        self._note(row, connections, outcome, (before.rate + after.rate) / 2)
        if row == "checkout":
            self._placed += outcome.good
            self._undecided += outcome.undecided
        if row == "cart-add" and "checkout" in self._options.only:
            sent = outcome.good + outcome.errors - connections
            await self._customers.filled(tokens, load.requests[max(0, sent) :])

    async def _expected(self, row: str, connections: int) -> int:
        """How many requests of a row that sends each once will be enough for its time."""
        if row not in ONCE:
            return 0
        before = [s for s in self._samples if s.connections == connections]
        same = [sample.rate for sample in before if sample.row == row]
        if same:
            rate = max(same)
        else:
            rates = [sample.rate for sample in before if sample.row == "bare"]
            base = median(rates) if rates else (await self._bare(connections)).rate
            rate = base * ONCE[row]
        return int(rate * self._options.seconds * SPARE) + connections

    async def _load(self, row: str, expected: int) -> tuple[Load, list[str]]:
        customers, tokens = self._customers, list[str]()
        match row:
            case "cart-add":
                tokens = await customers.carts_of_one(expected // 2 + 1)
                requests = customers.fill(tokens)
            case "checkout":
                requests = await customers.checkouts(expected)
            case _:
                make: dict[str, Callable[[], Sequence[bytes]]] = {
                    "list": customers.listing,
                    "list-304": customers.unchanged,
                    "detail": customers.details,
                    "search": customers.searches,
                    "new-cart": customers.new_carts,
                }
                return Load(customers.port, tuple(make[row]())), tokens
        return Load(customers.port, tuple(requests), once=True), tokens

    async def _probed(self, row: str, load: Load) -> Load:
        """Send the first request alone, so that a wrong answer stops the row with its reason."""
        await self._customers.fetch(load.requests[:1], EXPECTED.get(row, {200}))
        if row == "checkout":
            self._placed += 1
        return structs.replace(load, requests=load.requests[1:]) if load.once else load

    def _measured(self, row: str) -> bool:
        return any(sample.row == row for sample in self._samples)

    async def _bare(self, connections: int) -> Outcome:
        outcome = await self._drive(Load(self._yardstick.port, (http("GET", "/"),)), connections)
        self._note("bare", connections, outcome, outcome.rate)
        return outcome

    async def _drive(self, load: Load, connections: int, seconds: int | None = None) -> Outcome:
        return await self._generator.drive(load, connections, seconds or self._options.seconds)

    def _note(self, row: str, connections: int, outcome: Outcome, beside: float) -> None:
        self._samples.append(
            Sample(
                row=row,
                connections=connections,
                rate=outcome.rate,
                beside=beside,
                p50_ms=outcome.p50_ms,
                p99_ms=outcome.p99_ms,
                errors=outcome.errors,
                ran_out=outcome.ran_out,
            )
        )

    async def _logins(self) -> None:
        """Logins beside the bare hash, then what others read without and with logins."""
        customers = self._customers
        load = Load(customers.port, tuple(await customers.logins()))
        details = customers.details()
        await customers.fetch([*load.requests[:1], *details], {200})  # each lies ready in memory
        self._restless += not await self._shop.quiet()
        permitted = await asyncio.to_thread(
            hashing.verifications_per_second, LOGIN_SECONDS, self._cores.server
        )
        outcome = await self._drive(load, LOGIN_CONNECTIONS, LOGIN_SECONDS)
        bare_hash = Outcome(round(permitted * LOGIN_SECONDS), 0, LOGIN_SECONDS, 0, 0)
        self._note("argon2", hashing.threads(), bare_hash, permitted)
        self._note("login", LOGIN_CONNECTIONS, outcome, permitted)
        for name, requests in (("list", customers.listing()), ("detail", details)):
            read = Load(customers.port, tuple(requests))
            idle = await self._drive(read, CONNECTIONS[0], LOGIN_SECONDS)
            busy, _ = await asyncio.gather(
                self._drive(read, CONNECTIONS[0], LOGIN_SECONDS),
                self._drive(load, LOGIN_CONNECTIONS, LOGIN_SECONDS),
            )
            if idle.p99_ms:
                self._slowdowns.setdefault(name, []).append(busy.p99_ms / idle.p99_ms)

    async def _identity(self, folder: Path) -> None:
        """The same data behind a server on all cores, since what counts here is their hashes."""
        await self._shop.stop()
        shop = Shop(folder, self._cores.all, SETTINGS)
        await shop.start()
        try:
            await shop.answers("/healthz")
            identity = Identity(shop, self._generator, self._cores, LOGIN_SECONDS)
            found = await identity.measure(self._options.rounds, self._say)
        finally:
            await shop.stop()
        self._samples += found.samples
        self._figures += found.figures

    async def _verify(self) -> None:
        """Each 201 is one order in the database, no more and no less; then the shop's audit."""
        self._say("verifying orders")
        try:
            rows = await asyncio.to_thread(_orders, self._shop.database)
            extra = rows - self._placed
            good = 0 <= extra <= self._undecided
            detail = (
                f"{rows} orders, {self._placed} answers of 201, "
                f"{self._undecided} requests cut off unanswered at most"
            )
        except sqlite3.Error as error:
            good, detail = False, f"could not count: {error}"
        self._checks.append(Check("orders", good, detail))
        self._checks.append(await audited(self._shop))


async def audited(shop: Shop) -> Check:
    """What `shop audit` says once the events of the last orders have had their time."""
    code, output = await shop.call("audit")
    for _ in range(AUDIT_TRIES if code else 0):
        await asyncio.sleep(AUDIT_PAUSE)
        code, output = await shop.call("audit")
        if not code:
            break
    return Check("audit", not code, output.rsplit("\n", 1)[-1])


def _orders(database: Path) -> int:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=10)
    try:
        (count,) = connection.execute("SELECT count(*) FROM orders").fetchone()
        return int(count)
    finally:
        connection.close()


def processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
