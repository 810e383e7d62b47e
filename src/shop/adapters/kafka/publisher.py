"""Sends records in order, each once if Kafka can tell, and nothing behind the sender's back."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

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
        self._ending: set[asyncio.Task[None]] = set()

    async def send(self, records: Sequence[Outgoing]) -> None:
        """Return when all replicas in sync have all of it. Raises `Unavailable`."""
        async with self._whole() as producer:
            sent = [
                await producer.send(one.topic, one.value, one.key, headers=one.headers)
                for one in records
            ]
            await asyncio.gather(*sent)

    async def close(self) -> None:
        await self._give_up()
        if self._ending:
            await asyncio.wait(self._ending, timeout=2 * REQUEST)

    @asynccontextmanager
    async def _whole(self) -> AsyncIterator[AIOKafkaProducer]:
        try:
            async with asyncio.timeout(_PATIENCE):
                producer = await self._ready()
                yield producer
        except TROUBLE as error:
            await self._give_up()
            raise self._cluster.away(error) from error
        except BaseException:
            await self._give_up()
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
                    await self._end(producer)
                    raise
                self._producer = producer
            return self._producer

    async def _give_up(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await self._end(producer)

    async def _end(self, producer: AIOKafkaProducer) -> None:
        """Close it without sending what waits; a silent broker holds up its end, but not us."""
        ending = asyncio.create_task(_ended(producer))
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)
        await asyncio.wait({ending}, timeout=_GOODBYE)


class _Pending(set[Any]):
    """Batches under way, of which one may be taken out that is out already.

    The library takes a batch out when it ends, and when it has to be tried again; one that is
    failed between two tries, or just before the second, would raise `KeyError` in a callback.
    """

    remove = set.discard


async def _ended(producer: AIOKafkaProducer) -> None:
    """`stop` alone would go on sending until all is sent."""
    accumulator, sender = producer._message_accumulator, producer._sender  # noqa: SLF001 - see above
    accumulator._pending_batches = _Pending(accumulator._pending_batches)  # noqa: SLF001
    accumulator.fail_all(KafkaConnectionError("given up"))
    ends = [asyncio.ensure_future(producer.stop())]
    if (sending := sender.sender_task) is not None:
        sending.cancel()
        ends.append(sending)
    await asyncio.gather(*ends, return_exceptions=True)
    await producer.client.close()
