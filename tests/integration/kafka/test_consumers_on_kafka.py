"""Relay, Kafka and consumers together: nothing lost, keys in order, effects once, whatever ends."""

import asyncio
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from dishka import AsyncContainer

from shop.adapters.kafka.cluster import Cluster
from shop.adapters.kafka.feed import KafkaFeeds
from shop.adapters.kafka.topics import KafkaTopics
from shop.adapters.kafka.wire import Wire
from shop.core.inventory.model import StockAdjusted
from shop.core.kernel.errors import Unavailable
from shop.core.kernel.ids import VariantId
from shop.entrypoints.actors.consumer import TRIES, Consumer, Reaction
from shop.entrypoints.actors.lanes import Arrived
from shop.entrypoints.actors.relay import OutboxRelay
from shop.entrypoints.actors.supervisor import Limits, Stage, Supervisor
from shop.entrypoints.consumers.registry import Opener
from shop.entrypoints.consumers.replay import replay_all
from shop.ports.bus import DeadLetters, EventBus, Feeds, Topics
from shop.ports.checkup import BusCheckup, Unwell
from shop.ports.outbox import Envelope, Inbox, Outbox
from shop.ports.system import Clock, Lease
from shop.ports.uow import UnitOfWork
from shop.settings import Bus, Url
from tests.kit.clock import ManualClock
from tests.kit.containers import running, settings_for
from tests.kit.kafka import PASSWORD, USER, java
from tests.kit.servers import Process, program

NAME = "recorder"


@pytest.fixture
def bus(kafka_url: str, topic_prefix: str) -> Bus:
    return Bus(url=Url(kafka_url), prefix=topic_prefix, partitions=3)


@pytest.fixture
async def container(bus: Bus, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with running(settings_for("memory", tmp_path, bus=bus)) as container:
        await (await container.get(Topics)).migrate()
        yield container


class Recorder:
    """A reaction with an inbox. `holds` keeps those keys waiting, `fails` makes them fail."""

    def __init__(self, container: AsyncContainer) -> None:
        self._container = container
        self.done: dict[UUID, list[int]] = defaultdict(list)
        self.heard = 0
        self.opened = 0
        self.idle = True
        self.holds: set[UUID] = set()
        self.fails: set[UUID] = set()
        self.seconds = 0.0
        self.open = asyncio.Event()
        self.opener = Opener([StockAdjusted])

    def open_one(self, envelope: Envelope) -> Arrived | None:
        self.opened += 1
        return self.opener(envelope)

    async def react(self, events: Sequence[Arrived]) -> None:
        facts = [one.fact for one in events if isinstance(one.fact, StockAdjusted)]
        self.heard += len(events)
        self.idle = False
        await asyncio.sleep(self.seconds)
        if any(fact.variant_id in self.holds for fact in facts):
            await self.open.wait()
        if any(fact.variant_id in self.fails for fact in facts):
            raise ValueError("Not this one.")
        async with self._container() as scope:
            uow, inbox = await scope.get(UnitOfWork), await scope.get(Inbox)
            async with uow.begin():
                fresh = await inbox.take(NAME, [one.id for one in events])
        for one, fact in zip(events, facts, strict=True):
            if one.id in fresh:
                self.done[fact.variant_id].append(fact.delta)
        self.idle = True

    @property
    def reaction(self) -> Reaction:
        return Reaction(NAME, self.opener.topics, self.open_one, self.react)

    @property
    def count(self) -> int:
        return sum(len(one) for one in self.done.values())


@pytest.fixture
def recorder(container: AsyncContainer) -> Recorder:
    return Recorder(container)


async def emit(container: AsyncContainer, keys: Sequence[UUID], numbers: range) -> None:
    """One event a key for each of the numbers, each number in one unit."""
    now = (await container.get(Clock)).now()
    for number in numbers:
        async with container() as scope:
            uow = await scope.get(UnitOfWork)
            async with uow.begin():
                for key in keys:
                    variant = VariantId(key)
                    uow.emit(StockAdjusted(variant_id=variant, delta=number, reason="", at=now))


async def relay_of(container: AsyncContainer, bus: EventBus | None = None) -> OutboxRelay:
    real: EventBus = await container.get(EventBus)
    return OutboxRelay(
        await container.get(Outbox),
        bus or real,
        await container.get(Lease),
        await container.get(Clock),
        "test",
    )


async def consumer_of(
    container: AsyncContainer, recorder: Recorder, feeds: Feeds | None = None
) -> Consumer:
    real: Feeds = await container.get(Feeds)
    return Consumer(
        recorder.reaction,
        feeds or real,
        await container.get(DeadLetters),
        await container.get(Clock),
    )


async def quick_feeds(container: AsyncContainer, bus: Bus) -> Feeds:
    """Their group notices in two seconds that somebody has gone without a word."""
    cluster, wire = Cluster(bus.url), Wire(bus.prefix)
    return KafkaFeeds(cluster, await container.get(KafkaTopics), wire, session=2.0)


@asynccontextmanager
async def at_work(*actors: Any) -> AsyncIterator[Supervisor]:
    """Under a supervisor, as in a process of its own; nobody may have crashed at the end."""
    supervisor = Supervisor(limits=Limits(outage=0.2))
    supervisor.add(Stage.BACKGROUND, *actors)
    task = asyncio.create_task(supervisor.run())
    try:
        yield supervisor
    finally:
        supervisor.stop()
        await task


async def until(condition: Callable[[], bool], within: float = 40.0) -> None:
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)


async def consumed(container: AsyncContainer, recorder: Recorder, heard: int) -> None:
    """By a consumer that comes, hears of that many events, and goes."""
    async with at_work(await consumer_of(container, recorder)):
        await until(lambda: recorder.heard >= heard and recorder.idle)


async def relayed(container: AsyncContainer) -> None:
    relay = await relay_of(container)
    while await relay.relay():
        pass


async def test_strangers_read_cloud_events(
    container: AsyncContainer, kafka_url: str, topic_prefix: str
) -> None:
    """The console consumer of the Kafka distribution, and kcat: they know nothing of us."""
    key = uuid4()
    await emit(container, [key], range(2))
    await relayed(container)
    hosts, topic = kafka_url.removeprefix("kafka://"), f"{topic_prefix}.inventory"
    console = java(
        *("org.apache.kafka.tools.consumer.ConsoleConsumer", "--from-beginning"),
        *("--bootstrap-server", hosts, "--topic", topic),
        *("--max-messages", "2", "--timeout-ms", "20000"),
        *("--formatter-property", "print.key=true", "--formatter-property", "print.headers=true"),
    )
    kcat = [program("kcat", "kcat"), *("-C", "-b", hosts, "-t", topic, "-e", "-q")]
    kcat += ["-f", "%h\t%k\t%s\n"]
    by_console, by_kcat = [await said(command) for command in (console, kcat)]
    assert [line[:2] for line in by_console] == [
        ["content-type:application/cloudevents+json", str(key)]
    ] * 2
    assert [line[:2] for line in by_kcat] == [
        ["content-type=application/cloudevents+json", str(key)]
    ] * 2
    assert [line[2] for line in by_console] == [line[2] for line in by_kcat]
    [first, second] = [msgspec.json.decode(line[2]) for line in by_kcat]
    assert first["specversion"] == "1.0"
    assert first["type"] == "shop.stock.adjusted.v1"
    assert first["subject"] == first["partitionkey"] == str(key)
    assert first["datacontenttype"] == "application/json"
    assert (first["data"]["delta"], second["data"]["delta"]) == (0, 1)
    assert first["id"] != second["id"]


async def said(command: list[str]) -> list[list[str]]:
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=True
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


async def test_events_of_each_key_are_handled_once_and_in_order(
    container: AsyncContainer, recorder: Recorder
) -> None:
    keys = [uuid4() for _ in range(20)]
    await emit(container, keys, range(10))
    relay, consumer = await relay_of(container), await consumer_of(container, recorder)
    async with at_work(relay, consumer):
        await until(lambda: recorder.count == 200)
    assert recorder.done == {key: list(range(10)) for key in keys}
    assert await (await container.get(Outbox)).waiting() == 0
    await emit(container, keys[:1], range(10, 11))
    await relayed(container)
    await consumed(container, recorder, 201)  # and no more, as all was committed
    assert (recorder.heard, recorder.count) == (201, 201)


async def test_a_slow_key_stops_no_other_and_is_not_skipped_after_a_restart(
    container: AsyncContainer, recorder: Recorder
) -> None:
    slow, *others = keys = [uuid4() for _ in range(12)]
    recorder.holds = {slow}
    await emit(container, keys, range(5))
    await relayed(container)
    consumer = await consumer_of(container, recorder)
    async with at_work(consumer):
        await until(lambda: recorder.count == 55)
        await emit(container, others, range(5, 10))
        await relayed(container)
        await until(lambda: recorder.count == 110)
    assert not recorder.done[slow]
    recorder.open.set()
    async with at_work(await consumer_of(container, recorder)):
        await until(lambda: recorder.count == 115)
    assert recorder.done == {slow: list(range(5))} | {key: list(range(10)) for key in others}


async def test_an_event_that_always_fails_becomes_a_dead_letter_with_its_origin(
    container: AsyncContainer, recorder: Recorder, topic_prefix: str, kafka_url: str
) -> None:
    bad, good = uuid4(), uuid4()
    recorder.fails = {bad}
    await emit(container, [bad, good], range(2))
    await relayed(container)
    letters = await container.get(DeadLetters)
    consumer = await consumer_of(container, recorder)
    async with at_work(consumer):
        await until(lambda: consumer.buried == 2)
    assert recorder.done == {good: [0, 1]}
    [first, second] = await letters.all()
    assert (first.consumer, first.attempts) == (NAME, TRIES)
    assert first.reason == "ValueError: Not this one."
    assert first.event.key == second.event.key == bad
    topic, _, offset = first.origin.split("/")
    assert (topic, int(offset) < 4) == (f"{topic_prefix}.inventory", True)
    headers = await console(kafka_url, f"{topic_prefix}.inventory.dlq")
    assert f"dlq-reason:ValueError: Not this one.,dlq-attempts:{TRIES}" in headers
    assert f"dlq-topic:{topic_prefix}.inventory,dlq-partition:" in headers
    recorder.fails.clear()
    assert (await replay_all(container, [recorder.reaction])).through == 2
    assert sorted(recorder.done[bad]) == [0, 1]
    assert await letters.all() == []


async def console(kafka_url: str, topic: str) -> str:
    """The headers of the first record."""
    command = java(
        *("org.apache.kafka.tools.consumer.ConsoleConsumer", "--from-beginning"),
        *("--bootstrap-server", kafka_url.removeprefix("kafka://"), "--topic", topic),
        *("--max-messages", "1", "--timeout-ms", "20000"),
        *("--formatter-property", "print.headers=true"),
    )
    done = await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.partition("\t")[0]


async def test_what_is_no_event_is_put_aside_and_stays_there(
    container: AsyncContainer, recorder: Recorder, bus: Bus
) -> None:
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415 - a stranger that writes to our topic

    key = uuid4()
    stranger = AIOKafkaProducer(**Cluster(bus.url).options)
    await stranger.start()
    topic = f"{bus.prefix}.inventory"
    await stranger.send_and_wait(topic, b"hello {", b"\xff\xfe")
    await stranger.send_and_wait(topic, b'{"specversion": "0.3", "id": "1"}', str(key).encode())
    await stranger.stop()
    await emit(container, [key], range(1))
    await relayed(container)
    letters = await container.get(DeadLetters)
    consumer = await consumer_of(container, recorder)
    async with at_work(consumer):
        await until(lambda: consumer.buried == 2 and recorder.count == 1)
    assert recorder.done == {key: [0]}
    found = await letters.all()
    assert {one.event.body for one in found} == {b"hello {", b'{"specversion": "0.3", "id": "1"}'}
    assert {one.attempts for one in found} == {1}
    replayed = await replay_all(container, [recorder.reaction])
    assert (replayed.through, len(replayed.failures)) == (0, 2)
    assert len(await letters.all()) == 2


class DeadAfterPublishing(EventBus):
    def __init__(self, real: EventBus) -> None:
        self._real = real

    async def publish(self, batch: Sequence[Envelope]) -> None:
        await self._real.publish(batch)
        raise ConnectionResetError


async def test_a_relay_that_dies_after_publishing_doubles_no_effect(
    container: AsyncContainer, recorder: Recorder
) -> None:
    keys = [uuid4() for _ in range(5)]
    await emit(container, keys, range(4))
    dying = await relay_of(container, DeadAfterPublishing(await container.get(EventBus)))
    with pytest.raises(ConnectionResetError):
        await dying.relay()
    await relayed(container)
    async with at_work(await consumer_of(container, recorder)):  # it ends what it has begun
        await until(lambda: recorder.opened >= 40 and sum(map(len, recorder.done.values())) >= 20)
    assert recorder.done == {key: list(range(4)) for key in keys}


class Begins(EventBus):
    """Says when it is given something."""

    def __init__(self, real: EventBus) -> None:
        self._real = real
        self.begun = asyncio.Event()

    async def publish(self, batch: Sequence[Envelope]) -> None:
        self.begun.set()
        await self._real.publish(batch)


async def test_a_relay_that_has_lost_its_lease_publishes_nothing_more(
    container: AsyncContainer, clock: ManualClock, kafka_process: Process, recorder: Recorder
) -> None:
    first, second = [uuid4()], [uuid4()]
    bus = Begins(await container.get(EventBus))
    relay = await relay_of(container, bus)
    lease = await container.get(Lease)
    await emit(container, first, range(1))
    running = asyncio.create_task(relay.run())
    outbox = await container.get(Outbox)
    async with asyncio.timeout(20):
        while await outbox.waiting():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.02)
    kafka_process.pause()
    bus.begun.clear()
    await emit(container, second, range(1))
    relay.nudge()
    async with asyncio.timeout(20):
        await bus.begun.wait()
    clock.advance(6)
    assert await lease.hold("relay-0", "another", relay_span())
    with pytest.raises(Unavailable, match="lease relay-0 was lost"):
        async with asyncio.timeout(20):
            await running
    assert await outbox.waiting() == 1
    kafka_process.resume()
    clock.advance(60)
    await relayed(container)
    async with at_work(await consumer_of(container, recorder)):
        await until(lambda: recorder.count == 2)
    assert recorder.done == {first[0]: [0], second[0]: [0]}


def relay_span() -> Any:
    from shop.entrypoints.actors.holding import SPAN  # noqa: PLC0415

    return SPAN


@pytest.mark.parametrize("how", ["pause", "kill"])
async def test_while_the_broker_is_away_events_wait_and_actors_do_not_crash(
    how: str, container: AsyncContainer, bus: Bus, recorder: Recorder, kafka_process: Process
) -> None:
    keys = [uuid4() for _ in range(10)]
    relay = await relay_of(container)
    consumer = await consumer_of(container, recorder, await quick_feeds(container, bus))
    async with at_work(relay, consumer) as supervisor:
        await emit(container, keys, range(20))
        relay.nudge()
        await until(lambda: recorder.count > 0)
        kafka_process.pause() if how == "pause" else kafka_process.kill()
        await emit(container, keys, range(20, 40))
        relay.nudge()
        await asyncio.sleep(3)
        kafka_process.resume() if how == "pause" else await asyncio.to_thread(kafka_process.start)
        await emit(container, keys, range(40, 50))
        await until(lambda: recorder.count == 500, 60)
        states = {name: health.error for name, health in supervisor.health.items()}
    assert set(states.values()) <= {None, "Unavailable"}
    assert recorder.done == {key: list(range(50)) for key in keys}
    assert await (await container.get(Outbox)).waiting() == 0
    assert await (await container.get(DeadLetters)).all() == []


async def test_consumers_come_and_go_with_messages_in_flight(
    container: AsyncContainer, recorder: Recorder
) -> None:
    keys = [uuid4() for _ in range(30)]
    other = Recorder(container)
    other.done = recorder.done
    other.seconds = recorder.seconds = 0.05
    relay = await relay_of(container)
    come_and_gone = asyncio.Event()

    async def write() -> int:
        number = 0
        while not come_and_gone.is_set():
            await emit(container, keys, range(number, number + 1))
            number += 1
            await asyncio.sleep(0.02)
        return number

    async with at_work(relay, await consumer_of(container, recorder)):
        writing = asyncio.create_task(write())
        await until(lambda: recorder.count > 0)
        for more in (60, 120):
            async with at_work(await consumer_of(container, other)):
                await until(lambda more=more: other.heard > more)  # type: ignore[misc]
        come_and_gone.set()
        written = await writing
        await until(lambda: recorder.count == 30 * written)
    assert recorder.done == {key: list(range(written)) for key in keys}


async def test_partitions_of_a_consumer_that_fell_silent_go_to_another(
    container: AsyncContainer, bus: Bus, recorder: Recorder
) -> None:
    """Its process is stopped with an event in hand; it comes back, and doubles nothing."""
    keys = [uuid4() for _ in range(12)]
    feeds = await quick_feeds(container, bus)
    silent = Recorder(container)
    silent.holds = set(keys)
    await emit(container, keys, range(3))
    await relayed(container)
    first = await consumer_of(container, silent, feeds)
    task = asyncio.create_task(first.run())
    await until(lambda: silent.heard > 0)
    mute(first)
    try:
        async with at_work(await consumer_of(container, recorder, feeds)):
            await until(lambda: recorder.count == 36)
        silent.open.set()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert silent.count == 0
    assert recorder.done == {key: list(range(3)) for key in keys}


def mute(consumer: Consumer) -> None:
    """Its group hears no sign of life any more, as of a stopped process."""
    group = consumer._feed._group  # type: ignore[union-attr]  # noqa: SLF001 - nobody else can
    group._coordinator._heartbeat_task.cancel()  # noqa: SLF001


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_broker_with_tls_and_passwords_is_entered(
    mechanism: str, tmp_path: Path, kafka_process: Process, topic_prefix: str
) -> None:
    url = secure(kafka_process, PASSWORD, mechanism)
    bus = Bus(url=Url(url), prefix=topic_prefix, partitions=1)
    async with running(settings_for("memory", tmp_path, bus=bus)) as container:
        recorder, key = Recorder(container), uuid4()
        await emit(container, [key], range(3))
        await relayed(container)
        await consumed(container, recorder, 3)
    assert recorder.done == {key: [0, 1, 2]}


async def test_a_wrong_password_is_named_and_not_shown(
    tmp_path: Path, kafka_process: Process, topic_prefix: str
) -> None:
    bus = Bus(url=Url(secure(kafka_process, "a guess", "PLAIN")), prefix=topic_prefix)
    async with running(settings_for("memory", tmp_path, bus=bus)) as container:
        await emit(container, [uuid4()], range(1))
        with pytest.raises(Unavailable) as refused:
            await (await relay_of(container)).relay()
    assert refused.value.detail.startswith("Kafka at 127.0.0.1:")
    assert "guess" not in refused.value.detail


@pytest.mark.parametrize("case", ["authority", "host", "clear"])
async def test_the_doctor_tells_a_certificate_from_a_connection(
    case: str, tmp_path: Path, kafka_process: Process, topic_prefix: str
) -> None:
    url = secure(kafka_process, PASSWORD, "PLAIN")
    port = (kafka_process.folder / "secure").read_text()
    given, said = {
        "authority": (url.partition("&ca=")[0], "is refused (unable to get local issuer"),
        "host": (url.replace("127.0.0.1", "localhost"), "is refused (Hostname mismatch"),
        "clear": (url.replace(port, str(kafka_process.port)), "does not speak TLS as we do"),
    }[case]
    bus = Bus(url=Url(given), prefix=topic_prefix)
    async with running(settings_for("memory", tmp_path, bus=bus)) as container:
        with pytest.raises(Unwell) as found:
            await (await container.get(BusCheckup)).examine()
    assert said in found.value.wrong
    assert "ca names who signed" in found.value.cure
    assert PASSWORD not in str(found.value)


def secure(process: Process, password: str, mechanism: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415

    port = (process.folder / "secure").read_text()
    user = f"{USER}:{quote(password, safe='')}"
    ca = quote(str(process.folder / "ca.pem"))
    return f"kafka://{user}@127.0.0.1:{port}?tls=true&sasl={mechanism}&ca={ca}"
