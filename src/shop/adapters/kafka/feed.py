"""A consumer's share of the topics: partitions that its group deals out among the processes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from shop.adapters.kafka.cluster import REQUEST, TROUBLE, Cluster
from shop.adapters.kafka.topics import KafkaTopics
from shop.adapters.kafka.wire import Wire
from shop.ports.bus import Delivery, Feed, Feeds
from shop.ports.outbox import Envelope

log = structlog.get_logger()

LetGo = Callable[[], Awaitable[None]]

#: Seconds after which the group does without a process that is silent, and between two signs.
#: Who joins waits for as long, so it is less than `REQUEST`, and no less than brokers permit.
SESSION = 6.0
_SIGN = 1.0
#: Seconds that members have to give their partitions up in a rebalance.
_HANDOVER = 5.0
#: Seconds that a fetch waits for the group to deal; it is cut short without losing anything.
_DEALING = 1.0
#: Seconds for an answer of the group's own, after which we would rather join it anew.
_ANSWER = 3.0
_GOODBYE = 3.0


class KafkaFeeds(Feeds):
    def __init__(
        self, cluster: Cluster, topics: KafkaTopics, wire: Wire, *, session: float = SESSION
    ) -> None:
        self._cluster = cluster
        self._topics = topics
        self._wire = wire
        self._session = session

    @asynccontextmanager
    async def join(
        self, consumer: str, topics: Collection[str], let_go: LetGo
    ) -> AsyncIterator[Feed]:
        wanted = [self._wire.topic(one) for one in topics]
        group = AIOKafkaConsumer(
            **self._cluster.options,
            group_id=self._wire.group(consumer),
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            session_timeout_ms=int(self._session * 1000),
            heartbeat_interval_ms=int(min(_SIGN, self._session / 3) * 1000),
            rebalance_timeout_ms=int(_HANDOVER * 1000),
            fetch_max_wait_ms=200,
        )
        feed = _KafkaFeed(group, self._cluster, self._wire, let_go)
        group.subscribe(wanted, listener=feed)
        try:
            try:
                async with asyncio.timeout(2 * REQUEST):
                    await self._topics.ready()
                    await group.start()
            except TROUBLE as error:
                raise self._cluster.away(error) from error
            yield feed
        finally:
            await _leave(group)

    def wake(self) -> None:
        """Kafka itself wakes those who wait."""


class _KafkaFeed(Feed, ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(
        self, group: AIOKafkaConsumer, cluster: Cluster, wire: Wire, let_go: LetGo
    ) -> None:
        self._group = group
        self._cluster = cluster
        self._wire = wire
        self._let_go = let_go
        self._names: dict[str, TopicPartition] = {}
        self._marks: dict[TopicPartition, int] = {}

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """The group deals anew, and waits for this. All is given up, and some of it returns."""
        if revoked:
            log.info("partitions_given_up", partitions=len(revoked))
            await self._let_go()
            self._marks.clear()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        log.info("partitions_taken", partitions=len(assigned))

    async def fetch(
        self, limit: int, *, wait: float, paused: Collection[str] = ()
    ) -> list[Delivery]:
        self._pause(paused)
        found: Mapping[TopicPartition, list[Any]]
        try:
            async with asyncio.timeout(wait + _DEALING):
                found = await self._group.getmany(timeout_ms=int(wait * 1000), max_records=limit)
        except TimeoutError:
            return []
        except TROUBLE as error:
            raise self._cluster.away(error) from error
        deliveries = []
        for place, records in found.items():
            name = f"{place.topic}/{place.partition}"
            self._names[name] = place
            deliveries += [Delivery(self._opened(one, name), name, one.offset) for one in records]
        return deliveries

    async def commit(self, marks: Mapping[str, int]) -> None:
        offsets = {self._names[name]: mark for name, mark in marks.items()}
        try:
            async with asyncio.timeout(_ANSWER):
                await self._group.commit(offsets)
        except (CommitFailedError, IllegalStateError):
            # Others have the partitions by now. They do again what we did since the last commit.
            log.info("marks_refused", partitions=len(offsets))
        except TROUBLE as error:
            raise self._cluster.away(error) from error
        else:
            self._marks |= offsets

    async def lag(self) -> int:
        ours = self._group.assignment()
        if not ours:
            return 0
        try:
            async with asyncio.timeout(_ANSWER):
                ends = await self._group.end_offsets(ours)
                begins = await self._group.beginning_offsets(ours)
                for place in ours - self._marks.keys():
                    self._marks[place] = await self._group.committed(place) or 0
        except TROUBLE as error:
            raise self._cluster.away(error) from error
        return sum(max(0, ends[place] - max(self._marks[place], begins[place])) for place in ours)

    def _opened(self, record: Any, place: str) -> Envelope:
        at = f"{place}/{record.offset}"
        return self._wire.to_envelope(record.topic, record.key, record.value, at)

    def _pause(self, names: Collection[str]) -> None:
        ours, already = self._group.assignment(), self._group.paused()
        wanted = {self._names[name] for name in names if name in self._names} & ours
        if wanted - already:
            self._group.pause(*(wanted - already))
        if already - wanted:
            self._group.resume(*(already - wanted))


async def _leave(group: AIOKafkaConsumer) -> None:
    """Tell the group, so that it need not wait for the end of the session."""
    leaving = asyncio.ensure_future(group.stop())
    await asyncio.wait({leaving}, timeout=_GOODBYE)
    if leaving.done() and not leaving.cancelled() and leaving.exception() is None:
        return
    log.info("group_not_left")
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    await _abandon(group)


async def _abandon(group: AIOKafkaConsumer) -> None:
    """What `stop` left undone. Signs of life of one who is gone would keep its partitions."""
    coordinator, fetcher = group._coordinator, group._fetcher  # noqa: SLF001 - `stop` is the only way it offers
    if coordinator is not None:
        for name in ("_coordination_task", "_heartbeat_task", "_commit_refresh_task"):
            task: asyncio.Task[None] | None = getattr(coordinator, name, None)
            if task is not None:
                task.cancel()
    if fetcher is not None:
        await fetcher.close()
    await group._client.close()  # noqa: SLF001 - as above
