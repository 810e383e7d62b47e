"""The shop on real servers: two replicas that serve, two that react, and any of them may die."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import httpx

from shop.core.checkout.audit import Audit, Report
from shop.settings_reading import load
from shop.wiring import make_container
from tests.kit.databases import DATABASES
from tests.kit.kafka import KAFKA
from tests.kit.process import (
    PATIENCE,
    Purchase,
    Running,
    Shop,
    filled,
    free_port,
    until,
    variant_of,
)
from tests.kit.servers import REDIS, flush_redis

APIS, CONSUMERS = ("api-1", "api-2"), ("consumer-1", "consumer-2")


class Buyer(Purchase):
    """Buys from whoever answers, and does not give up."""

    def press(self, client: httpx.Client, outcome: str = "success") -> str:
        path = urlsplit(self.placed["payment"]["url"]).path
        answer = client.post(path, data={"outcome": outcome})
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    def pay(self, client: httpx.Client) -> None:
        back = urlsplit(self.press(client))
        answer = client.get(f"{back.path}?{back.query}")
        assert answer.status_code in {200, 303}, answer.text

    def insist(self, clients: list[httpx.Client]) -> None:
        """Until the order is confirmed, each try at the next replica."""
        end = time.monotonic() + PATIENCE
        turn = 0
        while True:
            turn += 1
            client = clients[turn % len(clients)]
            try:
                self.whole(client)
                if self.order(client)["status"] == "confirmed":
                    return
            except (httpx.TransportError, AssertionError) as error:
                if time.monotonic() > end:
                    raise AssertionError(f"{self.email} gave up: {error}") from error
                time.sleep(0.05)


def on_servers(folder: Path, name: str, stock: int, **environ: str) -> "Deployment":
    """One on MariaDB, Redis and Kafka, migrated and filled. Skips or fails without them."""
    redis, kafka, database = REDIS.wanted(), KAFKA.wanted(), DATABASES.keep()
    filled(folder / "goods", database)
    flush_redis(redis)
    given = {
        "SHOP_SITE_URL": "http://localhost:8080",  # one shop, whichever replica answers
        "SHOP_DATABASE_URL": database,
        "SHOP_CACHE_URL": redis,
        "SHOP_BUS_URL": kafka,
        "SHOP_BUS_PREFIX": f"t{os.getpid()}-{name}",
        "SHOP_BUS_PARTITIONS": "3",
        "SHOP_SECURITY_SECRET": "of all replicas alike, 0123456789",
    }
    deployment = Deployment(folder, stock, **given, **environ)
    made = deployment.first.command("migrate")
    assert made.returncode == 0, made.stderr
    return deployment


class Deployment:
    """Its processes by name; leaving the block ends them."""

    def __init__(self, folder: Path, stock: int, **environ: str) -> None:
        self.stock = stock
        self.shops = {name: Shop(folder / name, **environ) for name in APIS}
        self.first = self.shops["api-1"]
        self.running: dict[str, Running] = {}
        self.buyers: list[Buyer] = []
        self._clients: list[httpx.Client] = []

    def __enter__(self) -> Self:
        self.mend()
        self._clients = [shop.client() for shop in self.shops.values()]
        self.variant = variant_of(self._clients[0])["id"]
        return self

    def __exit__(self, *_: object) -> None:
        for shop in self.shops.values():
            shop.__exit__(None, None, None)

    @property
    def clients(self) -> list[httpx.Client]:
        """One for each replica that serves."""
        return self._clients

    def mend(self) -> None:
        """Start what does not run, and wait until all are ready."""
        for name in (*APIS, *CONSUMERS):
            known = self.running.get(name)
            if known is not None and known.process.poll() is None:
                continue
            if name in APIS:
                self.running[name] = self.shops[name].start("--role", "api")
            else:  # all mails lie in one folder
                ops = str(free_port())
                self.running[name] = self.first.start("--role", "consumer", SHOP_OPS_PORT=ops)
        for running in self.running.values():
            running.ready()

    def kill(self, *names: str) -> None:
        for name in names:
            self.running[name].kill()

    def crowd(self, name: str, size: int, trouble: Callable[[], None]) -> list[Buyer]:
        """So many buy at once while there is trouble; returns when each has paid."""
        buyers = [Buyer(self.variant, f"{name}-{number}") for number in range(size)]
        self.buyers += buyers
        with ThreadPoolExecutor(size) as pool:
            shopping: list[Future[None]] = [
                pool.submit(buyer.insist, self._clients) for buyer in buyers
            ]
            trouble()
            for one in shopping:
                one.result()
        return buyers

    def agrees(self) -> None:
        """Everything that anybody bought came to its end exactly once, and the books agree."""
        rows = self.first.rows
        for stuck in (
            "SELECT count(*) FROM outbox",
            "SELECT count(*) FROM sandbox_webhooks",
            "SELECT count(*) FROM emails WHERE status <> 'sent'",
            "SELECT count(*) FROM orders WHERE status <> 'confirmed'",
        ):
            until(partial(self._none, stuck), pause=0.05)
        sold = len(self.buyers)
        until(lambda: len(self.first.mails()) >= sold)
        orders = rows("SELECT count(*), count(DISTINCT email) FROM orders")
        assert orders == [(sold, sold)]
        invoices = rows("SELECT count(DISTINCT invoice_number) FROM orders")
        assert invoices == [(sold,)]
        subjects = [mail["Subject"] for mail in self.first.mails()]
        confirmed = [sum(buyer.number in line for line in subjects) for buyer in self.buyers]
        assert confirmed == [1] * sold
        for client in self._clients:
            until(partial(self._has, client, self.stock - sold))
        report = audited(self.first)
        assert report.findings == []
        assert report.checked["invoices"] == sold

    def _none(self, count: str) -> bool:
        return self.first.rows(count) == [(0,)]

    def _has(self, client: httpx.Client, stock: int) -> bool:
        return bool(variant_of(client)["stock_quantity"] == stock)


def audited(shop: Shop) -> Report:
    """What `shop audit` would say, without the second that a process of its own takes."""

    async def main() -> Report:
        container = make_container(load(None, shop.environ())[0])
        try:
            async with container() as scope:
                auditor: Audit = await scope.get(Audit)
                return await auditor.run()
        finally:
            await container.close()

    return asyncio.run(main())
