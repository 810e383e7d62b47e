"""Topics are made by `shop migrate`, looked at when they exist, and grown only when it is safe."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from dishka import AsyncContainer

from shop.adapters.kafka.cluster import Cluster
from shop.core.kernel.errors import Conflict, Unavailable
from shop.ports.bus import EventBus, Feeds, Topics
from shop.ports.checkup import BusCheckup, Unwell
from shop.ports.system import Lease
from shop.settings import Bus, Secret, Security, Site, Url
from tests.integration.contracts.test_feeds_contract import (
    TOPIC,
    events_about,
    fetched,
    marks_after,
    nothing,
)
from tests.kit.containers import running, settings_for
from tests.kit.process import free_port

NAMES = ["carts", "catalog", "inventory", "notifications", "orders", "payments", "users"]


@pytest.fixture
def bus(kafka_url: str, topic_prefix: str) -> dict[str, Any]:
    return {"url": Url(kafka_url), "prefix": topic_prefix, "partitions": 2}


@asynccontextmanager
async def a_shop(folder: Path, bus: dict[str, Any], mode: str = "production", **other: Any) -> Any:
    settings = settings_for(
        "memory",
        folder,
        bus=Bus(**bus | other),
        site=Site(mode=mode),  # type: ignore[arg-type]
        security=Security(secret=Secret("x1y2z3" * 8)),
    )
    async with running(settings) as container:
        yield container


@pytest.fixture
async def shop(tmp_path: Path, bus: dict[str, Any]) -> AsyncIterator[AsyncContainer]:
    async with a_shop(tmp_path, bus) as container:
        yield container


async def migrate(container: AsyncContainer) -> list[str]:
    topics: Topics = await container.get(Topics)
    return await topics.migrate()


async def partitions(bus: dict[str, Any]) -> dict[str, int]:
    admin = AIOKafkaAdminClient(**Cluster(bus["url"]).options)
    await admin.start()
    try:
        topics = await admin.describe_topics()
    finally:
        await admin.close()
    own = f"{bus['prefix']}."
    return {
        topic["topic"].removeprefix(own): len(topic["partitions"])
        for topic in topics
        if topic["topic"].startswith(own)
    }


async def test_in_production_the_topics_wait_for_shop_migrate(
    shop: AsyncContainer, bus: dict[str, Any]
) -> None:
    publishing = await shop.get(EventBus)
    events = await events_about(shop, [uuid4()])
    with pytest.raises(Unavailable, match="run `shop migrate`"):
        await publishing.publish(events)
    with pytest.raises(Unavailable, match="run `shop migrate`"):
        async with (await shop.get(Feeds)).join("one", {TOPIC}, nothing):
            pass
    assert await partitions(bus) == {}
    assert len(await migrate(shop)) == 14
    found = await partitions(bus)
    assert found == dict.fromkeys(NAMES, 2) | {f"{name}.dlq": 1 for name in NAMES}
    await publishing.publish(events)
    assert await migrate(shop) == []


async def test_in_development_whoever_needs_the_topics_makes_them(
    tmp_path: Path, bus: dict[str, Any]
) -> None:
    async with a_shop(tmp_path, bus, "development") as shop:
        await (await shop.get(EventBus)).publish(await events_about(shop, [uuid4()]))
    assert len(await partitions(bus)) == 14


async def test_partitions_are_added_when_nothing_is_on_its_way(
    tmp_path: Path, shop: AsyncContainer, bus: dict[str, Any]
) -> None:
    await migrate(shop)
    await (await shop.get(EventBus)).publish(await events_about(shop, [uuid4()] * 3))
    async with (await shop.get(Feeds)).join("one", {TOPIC}, nothing) as feed:
        deliveries = await fetched(feed, 3)
        await feed.commit(marks_after(deliveries[:2]))
    async with a_shop(tmp_path, bus, partitions=4) as grown:
        with pytest.raises(Conflict, match=rf"{bus['prefix']}\.one has not seen all events"):
            await migrate(grown)
        assert (await partitions(bus))["inventory"] == 2
        async with (await shop.get(Feeds)).join("one", {TOPIC}, nothing) as feed:
            await feed.commit(marks_after(await fetched(feed, 1)))
        lease = await grown.get(Lease)
        assert await lease.hold("relay-0", "a relay", timedelta(seconds=5))
        with pytest.raises(Conflict, match="stop every shop process"):
            await migrate(grown)
        await lease.release("relay-0", "a relay")
        assert len(await migrate(grown)) == 7
        assert (await partitions(bus))["inventory"] == 4
        assert await lease.hold("relay-0", "a relay", timedelta(seconds=5))  # it was let go
        assert await migrate(grown) == []
    assert await migrate(shop) == []  # more than the settings ask for is nobody's concern


async def test_other_differences_are_told_and_left_alone(
    tmp_path: Path, shop: AsyncContainer, bus: dict[str, Any]
) -> None:
    await migrate(shop)
    async with a_shop(tmp_path, bus, retention_hours=24, replication=3) as other:
        said = await migrate(other)
    topic = f"{bus['prefix']}.orders"
    assert f"The topic {topic} has 1 replicas, the settings say 3" in " ".join(said)
    assert (
        f"The topic {topic} keeps events for 604800000 ms, the settings say 86400000"
        in " ".join(said)
    )
    assert len(said) == 14 + 7


@pytest.mark.parametrize(
    ("other", "wrong", "cure"),
    [
        ({"partitions": 4}, "has 2 partitions, the settings say 4", "run `shop migrate`"),
        ({"replication": 3}, "has 1 replicas, the settings say 3", "kafka-reassign-partitions.sh"),
        ({"retention_hours": 24}, "keeps events for 604800000 ms", "kafka-configs.sh"),
    ],
    ids=["partitions", "replicas", "retention"],
)
async def test_the_doctor_says_what_differs_from_the_settings(
    tmp_path: Path,
    shop: AsyncContainer,
    bus: dict[str, Any],
    other: dict[str, Any],
    wrong: str,
    cure: str,
) -> None:
    await migrate(shop)
    async with a_shop(tmp_path, bus, **other) as unlike:
        with pytest.raises(Unwell) as found:
            await (await unlike.get(BusCheckup)).examine()
    assert wrong in found.value.wrong
    assert "more like it)" in found.value.wrong
    assert cure in found.value.cure
    await (await shop.get(BusCheckup)).examine()


async def test_what_cannot_be_made_is_said(tmp_path: Path, bus: dict[str, Any]) -> None:
    async with a_shop(tmp_path, bus, replication=3) as shop:
        with pytest.raises(Unavailable, match="Kafka made no topic"):
            await migrate(shop)


async def test_the_doctor_says_what_is_wrong_with_the_bus(
    tmp_path: Path, shop: AsyncContainer, bus: dict[str, Any]
) -> None:
    checkup = await shop.get(BusCheckup)
    with pytest.raises(Unwell) as found:
        await checkup.examine()
    assert "has no topic" in found.value.wrong
    assert found.value.cure == "run `shop migrate`"
    await migrate(shop)
    assert (await checkup.examine()).startswith("Kafka at 127.0.0.1:")
    nowhere = Url(f"kafka://127.0.0.1:{free_port()}")
    async with a_shop(tmp_path, bus, url=nowhere) as lost:
        with pytest.raises(Unwell, match="no connection"):
            await (await lost.get(BusCheckup)).examine()
