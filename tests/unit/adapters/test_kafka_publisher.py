"""A producer that is given up in the middle of its work."""

import asyncio
import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.structs import TopicPartition

from shop.adapters.kafka.publisher import _ended

_HERE = TopicPartition("orders", 0)


@pytest.mark.parametrize("when", ["between two tries", "just before the next"])
async def test_a_batch_that_is_tried_again_when_the_producer_is_given_up_fails_alone(
    when: str,
) -> None:
    """The library's own books are used, for it is they that miscount such a batch."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    cluster = SimpleNamespace(leader_for_partition=lambda _: 1)
    accumulator = MessageAccumulator(cluster, 1024, 0, 30)
    sent = await accumulator.add_message(_HERE, b"key", b"value", 1)
    tried, _ = accumulator.drain_by_nodes(ignore_nodes=())
    batch = tried[1][_HERE]
    if when == "between two tries":
        accumulator.reenqueue(batch)

    async def send() -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        if when == "just before the next":
            accumulator.reenqueue(batch)

    sending = asyncio.create_task(send())
    await asyncio.sleep(0)
    closed: list[str] = []

    async def close() -> None:
        closed.append("client")

    producer: Any = SimpleNamespace(
        _message_accumulator=accumulator,
        _sender=SimpleNamespace(sender_task=sending),
        stop=accumulator.close,
        client=SimpleNamespace(close=close),
    )
    await _ended(producer)
    with pytest.raises(KafkaConnectionError):
        await sent
    await sending
    assert (closed, complaints) == (["client"], [])
