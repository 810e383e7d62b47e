"""Events a consumer gave up on, as records of `<topic>.dlq`.

The value is the event as it was. Headers say the rest: `dlq-consumer`, `dlq-reason`,
`dlq-attempts`, `dlq-at`, and where it was: `dlq-topic`, `dlq-partition`, `dlq-offset`.
"""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaConsumer, TopicPartition

from shop.adapters.kafka.cluster import REQUEST, TROUBLE, Cluster
from shop.adapters.kafka.publisher import Publisher
from shop.adapters.kafka.topics import DLQ, NAMES, KafkaTopics
from shop.adapters.kafka.wire import CONTENT_TYPE, Outgoing, Wire
from shop.core.kernel.ids import EventId
from shop.ports.bus import UNREADABLE, DeadLetter, DeadLetters
from shop.ports.outbox import Envelope

#: Seconds to read all letters there are.
_READING = 60.0
_REASON = 500


class KafkaDeadLetters(DeadLetters):
    def __init__(
        self, publisher: Publisher, cluster: Cluster, topics: KafkaTopics, wire: Wire
    ) -> None:
        self._publisher = publisher
        self._cluster = cluster
        self._topics = topics
        self._wire = wire

    async def add(self, letter: DeadLetter) -> None:
        event = letter.event
        headers = {
            "dlq-consumer": letter.consumer,
            "dlq-reason": letter.reason[:_REASON],
            "dlq-attempts": str(letter.attempts),
            "dlq-at": letter.at.isoformat(),
            "dlq-event": str(event.id),
            "dlq-key": str(event.key),
        }
        if letter.origin:
            topic, partition, offset = letter.origin.rsplit("/", 2)
            headers |= {"dlq-topic": topic, "dlq-partition": partition, "dlq-offset": offset}
        written = [(name, text.encode()) for name, text in headers.items()]
        if event.kind != UNREADABLE:
            written.insert(0, CONTENT_TYPE)
        await self._publisher.send(
            [
                Outgoing(
                    self._wire.topic(event.topic) + DLQ,
                    _key(letter.consumer, event.id),
                    event.body,
                    written,
                )
            ]
        )

    async def all(self, limit: int = 100) -> list[DeadLetter]:
        letters = sorted((one for _, one in (await self._read()).values()), key=lambda one: one.at)
        return letters[:limit]

    async def remove(self, consumer: str, event: EventId) -> None:
        key = _key(consumer, event)
        found = (await self._read()).get(key)
        if found is not None:
            await self._publisher.send([Outgoing(found[0], key, None, [])])

    async def _read(self) -> dict[bytes, tuple[str, DeadLetter]]:
        """The letters that nobody took away, each with its topic."""
        await self._topics.ready()
        reader = AIOKafkaConsumer(**self._cluster.options, auto_offset_reset="earliest")
        try:
            async with asyncio.timeout(_READING):
                await reader.start()
                return await self._from_start(reader)
        except TROUBLE as error:
            raise self._cluster.away(error) from error
        finally:
            await reader.stop()

    async def _from_start(self, reader: AIOKafkaConsumer) -> dict[bytes, tuple[str, DeadLetter]]:
        places = [TopicPartition(self._wire.topic(name) + DLQ, 0) for name in NAMES]
        reader.assign(places)
        ends = await reader.end_offsets(places)
        found: dict[bytes, tuple[str, DeadLetter]] = {}
        while any([await reader.position(place) < end for place, end in ends.items()]):
            for place, records in (await reader.getmany(timeout_ms=int(REQUEST * 1000))).items():
                for one in records:
                    if one.value is None:
                        found.pop(one.key, None)
                    elif (letter := self._to_letter(one)) is not None:
                        found.setdefault(one.key, (place.topic, letter))
        return found

    def _to_letter(self, record: Any) -> DeadLetter | None:
        """None for what is no letter of ours."""
        said = {name: text.decode(errors="replace") for name, text in record.headers}
        if "dlq-consumer" not in said:
            return None
        topic = record.topic.removesuffix(DLQ)
        event = self._wire.to_envelope(topic, None, record.value, "")
        if event.kind == UNREADABLE:
            event = Envelope(
                EventId(UUID(said["dlq-event"])),
                event.topic,
                UUID(said["dlq-key"]),
                UNREADABLE,
                event.body,
            )
        origin = [said.get(f"dlq-{part}", "") for part in ("topic", "partition", "offset")]
        return DeadLetter(
            consumer=said["dlq-consumer"],
            event=event,
            reason=said["dlq-reason"],
            attempts=int(said["dlq-attempts"]),
            at=datetime.fromisoformat(said["dlq-at"]),
            origin="/".join(origin) if origin[0] else "",
        )


def _key(consumer: str, event: EventId) -> bytes:
    return f"{consumer}/{event}".encode()
