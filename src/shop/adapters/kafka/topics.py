"""The topics of the shop: made where they are missing, looked at where they exist.

Those of the events keep them for some time. Those of dead letters keep the last record of each
key, so that a letter stays until an empty one with its key takes it away.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code
from msgspec import Struct

from shop.adapters.kafka.cluster import REQUEST, TROUBLE, Cluster
from shop.adapters.kafka.wire import Wire
from shop.core.kernel.errors import Conflict, Unavailable
from shop.ports.bus import Topics
from shop.ports.system import Lease

NAMES = (
    "shop.users",
    "shop.catalog",
    "shop.inventory",
    "shop.carts",
    "shop.orders",
    "shop.payments",
    "shop.notifications",
)
DLQ = ".dlq"
#: A dead letter is its event with a few headers more, which must fit where the event did.
LARGEST_LETTER = 2 << 20
#: What a relay holds while it publishes; see `OutboxRelay`.
_RELAY = "relay-0"
_SPAN = timedelta(seconds=15)
_MOMENT = 0.1
_FOUND = 0
_UNKNOWN = 3


class Layout(Struct, frozen=True):
    """How topics are made. `make` lets whoever needs one make it; else `shop migrate` does."""

    partitions: int
    replication: int
    retention: timedelta
    make: bool


class Difference(Struct, frozen=True):
    """What is not as the settings say, and what to do about it."""

    wrong: str
    cure: str


class _Seen(Struct):
    partitions: int
    replication: int


class KafkaTopics(Topics):
    def __init__(self, cluster: Cluster, wire: Wire, layout: Layout, lease: Lease) -> None:
        self._cluster = cluster
        self._layout = layout
        self._lease = lease
        self._events = [wire.topic(name) for name in NAMES]
        self._groups = wire.group("")
        self._looked = False
        self._looking = asyncio.Lock()

    async def ready(self) -> None:
        """Raises `Unavailable` while a topic is missing that may not be made here."""
        async with self._looking:
            if self._looked:
                return
            async with self._admin() as admin:
                missing = self._missing(await self._look(admin))
                if missing and not self._layout.make:
                    raise Unavailable(f"Kafka has no topic {missing[0].name}; run `shop migrate`.")
                await self._make(admin, missing)
            self._looked = True

    async def migrate(self) -> list[str]:
        async with self._admin() as admin:
            seen = await self._look(admin)
            made = await self._make(admin, self._missing(seen))
            said = [f"The topic {name} was made." for name in made]
            if small := self._small(seen):
                said += await self._grow(admin, small)
            unlike = await self._differences(admin, seen)
            return said + [f"The topic {one.wrong}; {one.cure}." for one in unlike]

    @property
    def makes(self) -> bool:
        """Whether who needs a topic makes it, without `shop migrate`."""
        return self._layout.make

    async def missing(self) -> list[str]:
        """Names of topics that are not there."""
        async with self._admin() as admin:
            return [one.name for one in self._missing(await self._look(admin))]

    async def differences(self) -> list[Difference]:
        async with self._admin() as admin:
            seen = await self._look(admin)
            wanted, cure = (
                self._layout.partitions,
                "stop every shop process, then run `shop migrate`",
            )
            few = [
                Difference(
                    f"{name} has {seen[name].partitions} partitions, the settings say {wanted}",
                    cure,
                )
                for name in self._small(seen)
            ]
            return few + await self._differences(admin, seen)

    def _small(self, seen: Mapping[str, _Seen]) -> list[str]:
        wanted = self._layout.partitions
        return [one for one in self._events if one in seen and seen[one].partitions < wanted]

    def _missing(self, seen: Mapping[str, _Seen]) -> list[NewTopic]:
        layout = self._layout
        retention = str(int(layout.retention.total_seconds() * 1000))
        wanted = [
            NewTopic(
                name,
                layout.partitions,
                layout.replication,
                topic_configs={"cleanup.policy": "delete", "retention.ms": retention},
            )
            for name in self._events
        ] + [
            NewTopic(
                name + DLQ,
                1,
                layout.replication,
                topic_configs={
                    "cleanup.policy": "compact",
                    "max.message.bytes": str(LARGEST_LETTER),
                },
            )
            for name in self._events
        ]
        return [topic for topic in wanted if topic.name not in seen]

    async def _make(self, admin: AIOKafkaAdminClient, topics: list[NewTopic]) -> list[str]:
        """Returns when every broker we may ask knows them."""
        if not topics:
            return []
        made = []
        for name, code, *text in (await admin.create_topics(topics)).topic_errors:
            error = for_code(code)
            if not code:
                made.append(name)
            elif error is not TopicAlreadyExistsError:  # another process may be as quick
                why = (text or [""])[0] or error.__name__
                raise Unavailable(f"Kafka made no topic {name}: {why}")
        while self._missing(await self._look(admin)):  # noqa: ASYNC110 - it does not tell us
            await asyncio.sleep(_MOMENT)
        return made

    async def _look(self, admin: AIOKafkaAdminClient) -> dict[str, _Seen]:
        names = self._events + [name + DLQ for name in self._events]
        seen = {}
        for topic in await admin.describe_topics(names):
            if topic["error_code"] == _FOUND:
                parts = topic["partitions"]
                seen[topic["topic"]] = _Seen(len(parts), len(parts[0]["replicas"]))
            elif topic["error_code"] != _UNKNOWN:
                raise for_code(topic["error_code"])(topic["topic"])
        return seen

    async def _grow(self, admin: AIOKafkaAdminClient, names: list[str]) -> list[str]:
        """More partitions put keys elsewhere: no event of theirs may be on its way meanwhile."""
        what = f"{', '.join(names)} should have {self._layout.partitions} partitions"
        if not await self._lease.hold(_RELAY, "migrate", _SPAN):
            raise Conflict(f"{what}; stop every shop process, then run `shop migrate` again.")
        try:
            if behind := await self._behind(admin, names):
                raise Conflict(
                    f"{what}, but {behind} has not seen all events; let consumers catch up, stop"
                    " every shop process, then run `shop migrate` again."
                )
            await admin.create_partitions(
                {name: NewPartitions(self._layout.partitions) for name in names}
            )
        finally:
            await self._lease.release(_RELAY, "migrate")
        return [f"The topic {name} has {self._layout.partitions} partitions now." for name in names]

    async def _behind(self, admin: AIOKafkaAdminClient, names: list[str]) -> str | None:
        """A consumer group of ours that has something to do in these topics."""
        groups: list[str] = [
            name for name, *_ in await admin.list_consumer_groups() if name.startswith(self._groups)
        ]
        reader = AIOKafkaConsumer(**self._cluster.options)
        try:
            await reader.start()
            for group in groups:
                marks = {
                    place: mark.offset
                    for place, mark in (await admin.list_consumer_group_offsets(group)).items()
                    if place.topic in names
                }
                heard = sorted({place.topic for place in marks})
                places = [
                    TopicPartition(topic["topic"], part["partition"])
                    for topic in (await admin.describe_topics(heard) if heard else [])
                    for part in topic["partitions"]
                ]
                ends = await reader.end_offsets(places)
                begins = await reader.beginning_offsets(places)
                if any(marks.get(one, begins[one]) < end for one, end in ends.items()):
                    return group
        finally:
            await reader.stop()
        return None

    async def _differences(
        self, admin: AIOKafkaAdminClient, seen: Mapping[str, _Seen]
    ) -> list[Difference]:
        """Those that are left to people."""
        layout = self._layout
        said = [
            Difference(
                f"{name} has {one.replication} replicas, the settings say {layout.replication}",
                "kafka-reassign-partitions.sh changes that",
            )
            for name, one in seen.items()
            if one.replication != layout.replication
        ]
        events = [name for name in self._events if name in seen]
        wanted = str(int(layout.retention.total_seconds() * 1000))
        said += [
            Difference(
                f"{name} keeps events for {is_} ms, the settings say {wanted}",
                "kafka-configs.sh changes that",
            )
            for name, is_ in (await _retentions(admin, events)).items()
            if is_ != wanted
        ]
        return said

    @asynccontextmanager
    async def _admin(self) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**self._cluster.options)
        try:
            async with asyncio.timeout(3 * REQUEST):
                await admin.start()
                yield admin
        except TROUBLE as error:
            raise self._cluster.away(error) from error
        finally:
            await admin.close()


async def _retentions(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, Any]:
    """`retention.ms` of the topics."""
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": ""}) for name in names]
    return {
        resource[3]: entry[1]
        for answer in await admin.describe_configs(asked)
        for resource in answer.resources
        for entry in resource[4]
    }
