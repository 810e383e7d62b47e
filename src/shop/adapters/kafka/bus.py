"""What the relay publishes to."""

from collections.abc import Sequence

from shop.adapters.kafka.publisher import Publisher
from shop.adapters.kafka.wire import Wire
from shop.ports.bus import EventBus
from shop.ports.outbox import Envelope


class KafkaBus(EventBus):
    """One topic an aggregate, and one partition a key, so events of a key keep their order."""

    def __init__(self, publisher: Publisher, wire: Wire) -> None:
        self._publisher = publisher
        self._wire = wire

    async def publish(self, batch: Sequence[Envelope]) -> None:
        await self._publisher.send([self._wire.to_record(event) for event in batch])
