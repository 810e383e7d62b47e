"""Sends records in order, each once if Kafka can tell, and nothing behind the sender's back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from shop.adapters.kafka.cluster import REQUEST, TROUBLE, Cluster
from shop.adapters.kafka.topics import KafkaTopics
from shop.adapters.kafka.wire import Outgoing

#: Seconds for a whole batch.
_PATIENCE = 2 * REQUEST
_BATCH = 512 * 1024
#: Seconds to say goodbye; an answer that comes later is missed by nobody.
_GOODBYE = 1.0


class Publisher:
    """An idempotent producer that is thrown away whenever it fails.

    The library would go on trying by itself for as long as it takes; but whoever publishes may
    have lost the right to meanwhile, so what was not acknowledged is sent again by him who has it.
    """

    def __init__(self, cluster: Cluster, topics: KafkaTopics, *, largest: int = 1 << 20) -> None:
        self._cluster = cluster
        self._topics = topics
        self._largest = largest
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Return when all replicas in sync have all of it. Raises `Unavailable`."""
        async with self._whole() as producer:
            sent = [
                await producer.send(one.topic, one.value, one.key, headers=one.headers)
                for one in records
            ]
            await asyncio.gather(*sent)

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await _end(producer)

    @asynccontextmanager
    async def _whole(self) -> AsyncIterator[AIOKafkaProducer]:
        try:
            async with asyncio.timeout(_PATIENCE):
                producer = await self._ready()
                yield producer
        except TROUBLE as error:
            await self.close()
            raise self._cluster.away(error) from error
        except BaseException:
            await self.close()
            raise

    async def _ready(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                await self._topics.ready()
                producer = AIOKafkaProducer(
                    **self._cluster.options,
                    acks="all",
                    enable_idempotence=True,
                    max_batch_size=_BATCH,
                    max_request_size=self._largest,
                )
                try:
                    await producer.start()
                except BaseException:
                    await _end(producer)
                    raise
                self._producer = producer
            return self._producer


async def _end(producer: AIOKafkaProducer) -> None:
    """Close the connections without sending what waits, which `stop` alone would wait for."""
    accumulator, sender = producer._message_accumulator, producer._sender  # noqa: SLF001
    accumulator.fail_all(KafkaConnectionError("given up"))
    if sender.sender_task is not None:
        sender.sender_task.cancel()
    try:
        async with asyncio.timeout(_GOODBYE):
            await producer.stop()
    except TimeoutError:
        await producer.client.close()
