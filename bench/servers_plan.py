"""What is measured on real servers, in which order, and what is verified afterwards."""

import asyncio
import os
import platform
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import msgspec
from msgspec import Struct

from bench import tokens, wrk
from bench.deployment import Deployment, machine_seconds, own_seconds
from bench.load import Client, Generator, Load, Outcome, http
from bench.plan import audited, processor
from bench.report import Check
from bench.servers import BenchError, Server, Shop, bare, cpu_seconds, tail
from bench.servers_report import RATES, YARDSTICK, Figure, Report, Taken, figure, rows_of
from bench.visits import Customers, write_catalogue
from tests.kit.databases import query

ON_SERVERS = ("checkout", "checkout, hot", "new cart", "add to cart", "own cart")
MANY = ("list, 1,000", "cart, 1,000")
EMBEDDED = ("list, SQLite", "cart, SQLite")
#: What `--only` takes, and the rows that belong to it.
GROUPS = {
    "checkout": ("checkout", "checkout, hot"),
    "cart": ("new cart", "add to cart", "own cart"),
    "clients": MANY,
    "events": (),
    "tokens": (),
    "embedded": EMBEDDED,
}
NAMES = tuple(GROUPS)
CONNECTIONS = 256
CLIENTS = 1000
CUSTOMERS = 32
CLIENTS_OF_TOKENS = 64
SPARE = 1.5  # requests prepared for each one that is expected
AT_FIRST = 2.0  # times the target, before there is a rate to go by
KEYS = 2_000
SETTLE = 3.0

Say = Callable[[str], None]


class Options(Struct, frozen=True):
    rounds: int = 3
    seconds: int = 5
    events: int = 30_000
    only: frozenset[str] = frozenset(NAMES)

    def rows(self, of: Sequence[str]) -> list[str]:
        chosen = {row for name in self.only for row in GROUPS[name]}
        return [row for row in of if row in chosen]


class Events(Struct, frozen=True):
    """What bench/kafka.py prints of one run."""

    events_per_second: float
    cpu_ms_per_event: float


async def bench(options: Options, say: Say) -> Report:
    """Start servers and replicas, measure, and leave nothing behind."""
    if platform.system() != "Linux":
        raise BenchError("the bench reads memory and processor time from /proc: it needs Linux")
    deployment = Deployment()
    with TemporaryDirectory(prefix="shop-bench-") as name:
        folder = Path(name)
        measuring = _Bench(options, say, folder, wrk.find(folder) or Client(), deployment)
        try:
            say("starting MariaDB, Redis and Kafka")
            await deployment.open()
            return await measuring.run()
        finally:
            await measuring.stop()
            await deployment.close()


class _Bench:
    def __init__(
        self,
        options: Options,
        say: Say,
        folder: Path,
        generator: Generator,
        deployment: Deployment,
    ) -> None:
        self._options, self._say, self._folder = options, say, folder
        self._generator, self._deployment = generator, deployment
        self._yardstick = bare(folder, None)
        self._replicas: dict[str, Server] = {}
        self._samples: list[Taken] = []
        self._figures: list[Figure] = []
        self._checks: list[Check] = []
        self._broken: set[str] = set()
        self._placed = self._undecided = 0

    async def run(self) -> Report:
        machine = await self._machine()
        write_catalogue(self._folder / "catalogue.csv")
        await self._yardstick.start()
        await self._yardstick.answers("/")
        if self._options.rows((*ON_SERVERS, *MANY)):
            await self._on_servers()
        if "events" in self._options.only:
            await self._guarded("events", self._events())
        if "tokens" in self._options.only:
            await self._guarded("tokens", self._tokens())
        if self._options.rows(EMBEDDED):
            await self._embedded()
        return Report(
            machine=machine,
            rows=rows_of(self._samples),
            figures=self._figures,
            checks=self._checks,
            samples=self._samples,
        )

    async def stop(self) -> None:
        processes = [self._yardstick, *self._replicas.values()]
        await asyncio.gather(*(one.stop() for one in processes), return_exceptions=True)
        self._replicas = {}

    async def _machine(self) -> dict[str, object]:
        durable, database = await self._deployment.durable()
        self._checks.append(Check("COMMIT is on the disk", durable, database))
        return {
            "load generator": self._generator.name,
            "processor": processor(),
            "processors": f"{os.cpu_count()}, for servers, replicas and load together",
            "database": database,
            "busy before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
            "python": f"{platform.python_implementation()} {platform.python_version()}",
            "granian": version("granian"),
            "system": f"{platform.system()} {platform.release()}",
            "rounds": f"{self._options.rounds} of {self._options.seconds:g} s",
            "measured at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }

    async def _on_servers(self) -> None:
        """An api and a consumer replica at work together."""
        self._say("preparing: migrate, bench catalogue, replicas")
        database = await self._deployment.database()
        environ = self._deployment.environ(database)
        api = Shop(self._folder / "servers", None, environ, "api")
        consumer = Shop(self._folder / "servers", None, environ, "consumer")
        customers = await self._open(api, {"api": api, "consumer": consumer})
        await asyncio.sleep(SETTLE)
        self._note_memory("idle")
        await self._rounds(customers, self._options.rows((*ON_SERVERS, *MANY)))
        self._note_memory("after the load")
        if self._options.rows(GROUPS["checkout"]):
            self._say("verifying orders")
            await self._verify(api, database)
        await self._end_replicas()

    async def _embedded(self) -> None:
        """The shop as a newcomer has it, before as many clients."""
        self._say("preparing: the same on SQLite")
        shop = Shop(self._folder / "embedded", None)
        customers = await self._open(shop, {"shop": shop})
        await self._rounds(customers, self._options.rows(EMBEDDED))
        self._note_memory("on SQLite, after the load")
        await self._end_replicas()

    async def _open(self, shop: Shop, replicas: dict[str, Server]) -> Customers:
        shop.folder.mkdir()
        catalogue = str(self._folder / "catalogue.csv")
        await shop.must("migrate")
        await shop.must("import", catalogue, "--format", "shopify")
        self._replicas = replicas
        for replica in replicas.values():
            await replica.start()
        await shop.answers("/healthz")
        customers = Customers(shop.port)
        await customers.open()
        return customers

    async def _end_replicas(self) -> None:
        replicas, self._replicas = self._replicas, {}
        for replica in replicas.values():
            await replica.stop()

    def _note_memory(self, when: str) -> None:
        for name, replica in self._replicas.items():
            label = f"memory {name} {when}"
            self._figures.append(figure(label, [replica.memory()], "MiB"))

    async def _rounds(self, customers: Customers, rows: Sequence[str]) -> None:
        visits = _Visits(customers)
        for number in range(1, self._options.rounds + 1):
            for row in rows:
                self._say(f"round {number}: {row}")
                await self._guarded(row, self._compare(row, visits))

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

    async def _compare(self, row: str, visits: "_Visits") -> None:
        """The bare route, then the row, at once after each other."""
        connections = CLIENTS if row in {*MANY, *EMBEDDED} else CONNECTIONS
        load = await visits.load(row, self._expected(row))
        for replica in self._replicas.values():
            await replica.quiet()
        route = Load(self._yardstick.port, (http("GET", "/"),))
        beside = await self._sample(YARDSTICK, route, connections, None)
        outcome = await self._sample(row, load, connections, beside.rate)
        if row in RATES:
            self._placed += outcome.good
            self._undecided += outcome.undecided

    def _expected(self, row: str) -> int:
        """How many requests of a row that sends each once will be enough for its time."""
        before = [sample.rate for sample in self._samples if sample.row == row]
        rate = max(before) if before else RATES.get(row, max(RATES.values())) * AT_FIRST
        return int(rate * self._options.seconds * SPARE) + CONNECTIONS

    async def _sample(
        self, row: str, load: Load, connections: int, beside: float | None
    ) -> Outcome:
        before, machine, own = self._cpu(), machine_seconds(), own_seconds()
        began = perf_counter()
        outcome = await self._generator.drive(load, connections, self._options.seconds)
        took, after = perf_counter() - began, self._cpu()
        spent = {name: after[name] - before[name] for name in after}
        ours = sum(spent.values()) + own_seconds() - own
        others = (machine_seconds() - machine - ours) / (took * (os.cpu_count() or 1))
        self._samples.append(
            Taken(
                row=row,
                connections=connections,
                rate=outcome.rate,
                beside=outcome.rate if beside is None else beside,
                p50_ms=outcome.p50_ms,
                p99_ms=outcome.p99_ms,
                errors=outcome.errors,
                ran_out=outcome.ran_out,
                micros={
                    name: seconds / outcome.good * 1e6 if outcome.good else 0.0
                    for name, seconds in spent.items()
                },
                others=max(0.0, others),
            )
        )
        return outcome

    def _cpu(self) -> dict[str, float]:
        found = {name: cpu_seconds(one.pid) for name, one in self._replicas.items()}
        found[YARDSTICK] = cpu_seconds(self._yardstick.pid)
        return found | self._deployment.processors()

    async def _tokens(self) -> None:
        self._say("tokens seen before")
        url = self._deployment.environ("")["SHOP_CACHE_URL"]
        known = await tokens.microseconds(url, CLIENTS_OF_TOKENS)
        detail = f"{CLIENTS_OF_TOKENS} at once, {min(known):.1f}-{max(known):.1f}"
        self._figures.append(figure("token seen before", known, "us", detail))

    async def _events(self) -> None:
        """Outbox, Kafka, handler: relay and consumer are one process, of its own database."""
        rates, costs = [], []
        for number in range(1, self._options.rounds + 1):
            self._say(f"round {number}: events")
            database = await self._deployment.database()
            script = str(Path(__file__).with_name("kafka.py"))
            given = ["--bus", self._deployment.bus, "--database", database]
            given += ["--events", str(self._options.events), "--keys", str(KEYS)]
            log = self._folder / "events.log"
            with log.open("ab") as complaints:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, script, *given),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.PIPE,
                    stderr=complaints,
                    start_new_session=True,
                )
            try:
                output, _ = await asyncio.wait_for(process.communicate(), 180)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
            if process.returncode:
                raise BenchError(f"bench/kafka.py ended with {process.returncode}: {tail(log)}")
            found = msgspec.json.decode(output, type=Events)
            rates.append(found.events_per_second)
            costs.append(found.cpu_ms_per_event * 1000)
        detail = f"{self._options.events:,} of {KEYS:,} keys, {min(rates):,.0f}-{max(rates):,.0f}"
        self._figures.append(figure("events", rates, "/s", detail))
        self._figures.append(figure("CPU of an event in that process", costs, "us"))

    async def _verify(self, api: Shop, database: str) -> None:
        """Each 201 is one order in the database, no more and no less; then the shop's audit."""
        [(orders,)] = await query(database, "SELECT count(*) FROM orders")
        extra = orders - self._placed
        detail = (
            f"{orders} orders, {self._placed} answers of 201, "
            f"{self._undecided} requests cut off unanswered at most"
        )
        self._checks.append(Check("orders", 0 <= extra <= self._undecided, detail))
        self._checks.append(await audited(api))


class _Visits:
    """The requests of each row; what can be sent again is made once."""

    def __init__(self, customers: Customers) -> None:
        self._customers = customers
        self._made: dict[str, Load] = {}

    async def load(self, row: str, expected: int) -> Load:
        customers, port = self._customers, self._customers.port
        match row:
            case "checkout":
                return Load(port, tuple(await customers.checkouts(expected)), once=True)
            case "checkout, hot":
                return Load(port, tuple(await customers.hot_checkouts(expected)), once=True)
            case "add to cart":
                tokens = await customers.carts_of_one(expected // 2)
                return Load(port, tuple(customers.fill(tokens)), once=True)
        if row not in self._made:
            self._made[row] = Load(port, tuple(await self._lasting(row)))
        return self._made[row]

    async def _lasting(self, row: str) -> Sequence[bytes]:
        customers = self._customers
        match row:
            case "new cart":
                return customers.new_carts()
            case "own cart":
                return await customers.own_carts(CUSTOMERS)
            case "cart, 1,000" | "cart, SQLite":
                return await customers.carts(CLIENTS)
            case _:
                return customers.listing()
