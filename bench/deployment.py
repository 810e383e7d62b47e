"""The servers of a real deployment: those of the environment, else private ones, as for tests."""

import asyncio
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.servers import TICKS, BenchError, cpu_seconds
from tests.kit.databases import on, query
from tests.kit.kafka import KAFKA
from tests.kit.servers import MYSQL, REDIS, Missing, Server

#: No caller is refused; each call of a cart is counted in Redis all the same.
_LIMITS = {
    "SHOP_LIMITS_ENABLED": "true",
    "SHOP_LIMITS_CART_PER_MINUTE": "10000000",
    "SHOP_LIMITS_IDENTITY_PER_MINUTE": "10000000",
}


class Deployment:
    """A database server, Redis and Kafka; `close` drops what was made on given ones."""

    def __init__(self) -> None:
        self._urls: dict[str, str] = {}
        self._databases: list[str] = []
        self._topics = f"bench-{secrets.token_hex(4)}"

    async def open(self) -> None:
        for server in (MYSQL, REDIS, KAFKA):
            try:
                self._urls[server.name] = await asyncio.to_thread(_url, server)
            except Missing as error:
                raise BenchError(str(error)) from None

    async def close(self) -> None:
        try:
            for name in self._databases if MYSQL.process is None else ():
                await self._say(f"DROP DATABASE IF EXISTS {name}")
        finally:
            for server in (MYSQL, REDIS, KAFKA):
                await asyncio.to_thread(server.close)

    async def database(self) -> str:
        """The URL of a new and empty one."""
        name = f"shop_bench_{secrets.token_hex(4)}"
        await self._say(f"CREATE DATABASE {name}")
        self._databases.append(name)
        where = urlsplit(self._urls[MYSQL.name])
        return where._replace(path=f"/{name}").geturl()

    async def _say(self, statement: str) -> None:
        async def work(connection: Any) -> None:
            await connection.exec_driver_sql(statement)

        await on(self._urls[MYSQL.name], work)

    @property
    def bus(self) -> str:
        return self._urls[KAFKA.name]

    def environ(self, database: str) -> dict[str, str]:
        """What makes a replica of the shop use all these."""
        return {
            "SHOP_DATABASE_URL": database,
            "SHOP_CACHE_URL": self._urls[REDIS.name],
            "SHOP_BUS_URL": self.bus,
            "SHOP_BUS_PREFIX": self._topics,
            **_LIMITS,
        }

    async def durable(self) -> tuple[bool, str]:
        """Whether the database has a COMMIT on the disk before it answers, and what it is."""
        settings = "SELECT @@innodb_flush_log_at_trx_commit, @@version"
        [(flush, version)] = await query(self._urls[MYSQL.name], settings)
        given = "" if MYSQL.process else ", given"
        return flush == 1, f"{version}{given}, innodb_flush_log_at_trx_commit={flush}"

    def processors(self) -> dict[str, float]:
        """CPU seconds so far of each server that is ours."""
        found = {}
        for server in (MYSQL, REDIS, KAFKA):
            if server.process is not None:
                found[_shown(server)] = cpu_seconds(server.process.pid)
        return found


def _url(server: Server) -> str:
    return server.url


def _shown(server: Server) -> str:
    return server.name.lower()


def machine_seconds() -> float:
    """What all processes of the machine, and of its neighbours, have had of our processors."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq + steal) / TICKS


def own_seconds() -> float:
    """What the bench and the loads that it has ended have had."""
    return sum(os.times()[:4])
