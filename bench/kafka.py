"""How many events a second go from the outbox over Kafka through one consumer process.

    python bench/kafka.py --bus kafka://127.0.0.1:9092 [--database URL] [--events 20000]

Without `--bus` a private broker is started, as the tests do; without `--database` the storage is
SQLite in a temporary folder. The handler writes an inbox row of each event in its unit, as every
reaction does. Events are in the outbox before the clock starts.
"""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID, uuid4

import uvloop
from dishka import AsyncContainer

from shop.core.inventory.model import StockAdjusted
from shop.core.kernel.ids import VariantId
from shop.entrypoints import logs
from shop.entrypoints.actors.consumer import Consumer, Reaction
from shop.entrypoints.actors.lanes import Arrived
from shop.entrypoints.actors.relay import OutboxRelay
from shop.entrypoints.actors.supervisor import Stage, Supervisor
from shop.entrypoints.consumers.registry import Opener
from shop.ports.bus import DeadLetters, EventBus, Feeds, Topics
from shop.ports.outbox import Inbox, Outbox
from shop.ports.system import Clock, Lease, Schema
from shop.ports.uow import UnitOfWork, Units
from shop.settings import Bus, Data, Database, Settings, Url
from shop.wiring import make_container

# Started as a file: its own folder is on the path, the one above is not.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

_NAME = "bench"
_IN_ONE_UNIT = 500


class Counting:
    """Notes each event in the inbox, and when the last one came."""

    def __init__(self, container: AsyncContainer) -> None:
        self._container = container
        self._opener = Opener([StockAdjusted])
        self.fresh = 0

    async def react(self, events: Sequence[Arrived]) -> None:
        async with self._container() as scope:
            uow, inbox = await scope.get(UnitOfWork), await scope.get(Inbox)
            units = await scope.get(Units)

            async def store() -> int:
                async with uow.begin():
                    return len(await inbox.take(_NAME, [one.id for one in events]))

            fresh = await units.run(store())
            self.fresh += fresh

    @property
    def reaction(self) -> Reaction:
        return Reaction(_NAME, self._opener.topics, self._opener, self.react)


async def fill(container: AsyncContainer, events: int, keys: Sequence[UUID]) -> None:
    """Commit that many events to the outbox."""
    now = (await container.get(Clock)).now()
    for start in range(0, events, _IN_ONE_UNIT):
        async with container() as scope:
            uow, units = await scope.get(UnitOfWork), await scope.get(Units)

            async def write(first: int = start, uow: UnitOfWork = uow) -> None:
                async with uow.begin():
                    for number in range(first, min(first + _IN_ONE_UNIT, events)):
                        variant = VariantId(keys[number % len(keys)])
                        fact = StockAdjusted(variant_id=variant, delta=1, reason="", at=now)
                        uow.emit(fact)

            await units.run(write())


async def measure(settings: Settings, events: int, keys: int) -> dict[str, float]:
    """Events a second from the outbox to the handler, all in this process."""
    container = make_container(settings)
    try:
        await (await container.get(Schema)).migrate()
        await (await container.get(Topics)).migrate()
        await fill(container, events, [uuid4() for _ in range(keys)])
        counting = Counting(container)
        clock = await container.get(Clock)
        relay = OutboxRelay(
            await container.get(Outbox),
            await container.get(EventBus),
            await container.get(Lease),
            clock,
            "bench",
        )
        consumer = Consumer(
            counting.reaction,
            await container.get(Feeds),
            await container.get(DeadLetters),
            clock,
        )
        supervisor = Supervisor()
        supervisor.add(Stage.BACKGROUND, relay, consumer)
        cpu, began = _cpu(), time.perf_counter()
        task = asyncio.create_task(supervisor.run())
        while counting.fresh < events and not task.done():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
        took, used = time.perf_counter() - began, _cpu() - cpu
        supervisor.stop()
        await task
        return {
            "events": events,
            "keys": keys,
            "seconds": round(took, 2),
            "events_per_second": round(events / took),
            "cpu_ms_per_event": round(used / events * 1000, 3),
        }
    finally:
        await container.close()


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--bus", default="")
    parser.add_argument("--database", default="")
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--keys", type=int, default=2_000)
    given = parser.parse_args()
    logs.configure("console", stream=sys.stderr)  # what is printed is the result alone
    server = None
    if not given.bus:
        from tests.kit.kafka import KAFKA  # noqa: PLC0415 - only a private broker needs the tests

        server = KAFKA
    try:
        bus = given.bus or (server.url if server is not None else "")
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(
                data=Data(dir=str(Path(folder))),
                database=Database(url=Url(given.database)),
                bus=Bus(url=Url(bus), prefix=f"bench-{uuid4().hex[:8]}"),
            )
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                print(json.dumps(runner.run(measure(settings, given.events, given.keys)), indent=2))
    finally:
        if server is not None:
            server.close()


if __name__ == "__main__":
    main()
