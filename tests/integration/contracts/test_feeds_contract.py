"""What every bus owes its consumers: all events, in the order of each key, and a place to go on."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from dishka import AsyncContainer

from shop.core.inventory.model import StockAdjusted
from shop.core.kernel.ids import VariantId
from shop.ports.bus import DeadLetter, DeadLetters, Delivery, EventBus, Feed, Feeds, Topics
from shop.ports.outbox import Envelope, Sealer
from shop.ports.system import Clock
from shop.settings import Bus, Url
from tests.kit.clock import ManualClock
from tests.kit.containers import running, settings_for

TOPIC = "shop.inventory"


@pytest.fixture(params=["memory", "sqlite", "kafka"])
async def container(request: Any, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    bus = Bus()
    if request.param == "kafka":
        url, prefix = (request.getfixturevalue(name) for name in ("kafka_url", "topic_prefix"))
        bus = Bus(url=Url(url), prefix=prefix, partitions=3)
    storage = "memory" if request.param == "kafka" else request.param
    async with running(settings_for(storage, tmp_path, bus=bus)) as container:
        await (await container.get(Topics)).migrate()
        yield container


async def events_about(container: AsyncContainer, keys: Iterable[UUID]) -> list[Envelope]:
    sealer, clock = await container.get(Sealer), await container.get(Clock)
    facts = [
        StockAdjusted(variant_id=VariantId(key), delta=number, reason="", at=clock.now())
        for number, key in enumerate(keys)
    ]
    return [sealer.seal(fact, "") for fact in facts]


async def published(container: AsyncContainer, keys: Iterable[UUID]) -> list[Envelope]:
    events = await events_about(container, keys)
    await (await container.get(EventBus)).publish(events)
    return events


async def nothing() -> None:
    """Lets go of nothing, for nothing is at hand."""


async def fetched(feed: Feed, count: int, **how: Any) -> list[Delivery]:
    """That many, fetched as they come."""
    found: list[Delivery] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            found += await feed.fetch(100, wait=0.2, **how)
    assert len(found) == count
    return found


def by_key(events: Iterable[Envelope]) -> dict[UUID, list[Envelope]]:
    found = defaultdict(list)
    for event in events:
        found[event.key].append(event)
    return found


def marks_after(deliveries: Iterable[Delivery]) -> dict[str, int]:
    return {one.partition: one.offset + 1 for one in deliveries}


async def test_all_events_arrive_whole_and_in_the_order_of_their_key(
    container: AsyncContainer,
) -> None:
    keys = [uuid4() for _ in range(7)]
    events = await published(container, keys * 5)
    async with (await container.get(Feeds)).join("one", {TOPIC}, nothing) as feed:
        deliveries = await fetched(feed, 35)
    assert by_key(one.event for one in deliveries) == by_key(events)
    for key in keys:
        [partition] = {one.partition for one in deliveries if one.event.key == key}
    offsets = [one.offset for one in deliveries if one.partition == partition]
    assert offsets == sorted(set(offsets))


async def test_a_consumer_goes_on_behind_what_was_committed(container: AsyncContainer) -> None:
    feeds = await container.get(Feeds)
    key = uuid4()
    events = await published(container, [key] * 5)
    async with feeds.join("one", {TOPIC}, nothing) as feed:
        deliveries = await fetched(feed, 5)
        assert await feed.lag() == 5
        await feed.commit(marks_after(deliveries[:2]))
        assert await feed.lag() == 3
    async with feeds.join("one", {TOPIC}, nothing) as feed:
        assert [one.event for one in await fetched(feed, 3)] == events[2:]
    async with feeds.join("two", {TOPIC}, nothing) as feed:
        assert [one.event for one in await fetched(feed, 5)] == events


async def test_what_is_published_while_it_listens_is_fetched(container: AsyncContainer) -> None:
    feeds = await container.get(Feeds)
    async with feeds.join("one", {TOPIC}, nothing) as feed:
        assert await feed.fetch(10, wait=0) == []
        events = await published(container, [uuid4()] * 3)
        feeds.wake()
        assert [one.event for one in await fetched(feed, 3)] == events
        assert await feed.fetch(10, wait=0.05) == []


async def test_a_paused_partition_keeps_its_events_for_later(container: AsyncContainer) -> None:
    key = uuid4()
    first = await published(container, [key])
    async with (await container.get(Feeds)).join("one", {TOPIC}, nothing) as feed:
        [delivery] = await fetched(feed, 1)
        assert delivery.event == first[0]
        later = await published(container, [key] * 3)
        assert await feed.fetch(10, wait=0.3, paused=[delivery.partition]) == []
        assert [one.event for one in await fetched(feed, 3)] == later


async def test_dead_letters_are_listed_until_they_are_removed(
    container: AsyncContainer, clock: ManualClock
) -> None:
    box = await container.get(DeadLetters)
    letters = []
    for event in await events_about(container, [uuid4(), uuid4()]):
        clock.advance(1)
        reason = f"ValueError: {event.key}"
        letters.append(
            DeadLetter(consumer="one", event=event, reason=reason, attempts=5, at=clock.now())
        )
        await box.add(letters[-1])
    await box.add(letters[0])  # once more, after a crash
    assert await box.all() == letters
    assert await box.all(1) == letters[:1]
    await box.remove("two", letters[0].event.id)
    await box.remove("one", letters[0].event.id)
    assert await box.all() == letters[1:]


async def test_making_topics_twice_changes_nothing(container: AsyncContainer) -> None:
    assert await (await container.get(Topics)).migrate() == []
