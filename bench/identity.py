"""Accounts under load, with the hash pool on all cores."""

import asyncio
import os
from collections.abc import Callable
from time import perf_counter

from msgspec import Struct

from bench import hashing, tokens
from bench.load import Generator, Load, Outcome
from bench.report import Figure, Sample, figure
from bench.servers import Cores, Shop
from bench.visits import Customers

CONNECTIONS = 8
SESSIONS = 64
#: The pool has a thread for each core: what they do together is compared with both cores' worth.
THREADS = os.cpu_count() or 1
SETTINGS = {"SHOP_PASSWORDS_THREADS": str(THREADS)}


class Findings(Struct, frozen=True):
    samples: list[Sample]
    figures: list[Figure]


class Identity:
    """`seconds` is how long each load lasts."""

    def __init__(self, shop: Shop, generator: Generator, cores: Cores, seconds: int) -> None:
        self._shop, self._generator, self._cores = shop, generator, cores
        self._seconds = seconds
        self._customers = Customers(shop.port)
        self._samples: list[Sample] = []
        self._refreshes: list[float] = []

    async def measure(self, rounds: int, say: Callable[[str], None]) -> Findings:
        await self._customers.open()
        for number in range(1, rounds + 1):
            say(f"round {number}: accounts, {THREADS} hash threads")
            await self._round()
        known = await tokens.microseconds()
        return Findings(
            self._samples,
            [
                figure("token refreshes", self._refreshes, "/s"),
                figure("token seen before", known, "us"),
            ],
        )

    async def _round(self) -> None:
        """Each load beside what the hash permits just before and just after it, since neighbours
        of a shared machine change its speed within seconds."""
        customers, port = self._customers, self._customers.port
        logins = Load(port, tuple(await customers.logins()))
        await self._shop.quiet()
        permitted = await self._permitted()
        permitted = await self._compare("login all", logins, permitted)
        many = int(permitted * self._seconds * 2) + CONNECTIONS
        signups = Load(port, tuple(customers.signups(many)), once=True)
        await self._compare("signup all", signups, permitted)
        self._refreshes.append(await self._refreshed())

    async def _compare(self, row: str, load: Load, before: float) -> float:
        outcome = await self._drive(load, CONNECTIONS)
        after = await self._permitted()
        self._note(row, CONNECTIONS, outcome, (before + after) / 2)
        return after

    async def _permitted(self) -> float:
        permitted = await asyncio.to_thread(
            hashing.verifications_per_second, self._seconds, self._cores.all, THREADS
        )
        bare = Outcome(round(permitted * self._seconds), 0, self._seconds, 0, 0)
        self._note("argon2 all", THREADS, bare, permitted)
        return permitted

    async def _refreshed(self) -> float:
        """Swaps a second: each session's next token comes with the answer to the one before."""
        held = await self._customers.tokens(SESSIONS)
        began, done = perf_counter(), 0
        while perf_counter() - began < self._seconds:
            held = await self._customers.refreshed(held)
            done += len(held)
        return done / (perf_counter() - began)

    async def _drive(self, load: Load, connections: int) -> Outcome:
        return await self._generator.drive(load, connections, self._seconds)

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
