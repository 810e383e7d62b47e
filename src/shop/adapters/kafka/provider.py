"""The adapters of Kafka, for dishka. They take the place of the database's event log."""

from collections.abc import AsyncIterator

from dishka import Provider, Scope, provide

from shop.adapters.kafka.bus import KafkaBus
from shop.adapters.kafka.checkup import KafkaCheckup
from shop.adapters.kafka.cluster import Cluster
from shop.adapters.kafka.dead_letters import KafkaDeadLetters
from shop.adapters.kafka.feed import KafkaFeeds
from shop.adapters.kafka.publisher import Publisher
from shop.adapters.kafka.topics import LARGEST_LETTER, KafkaTopics, Layout
from shop.adapters.kafka.wire import Wire
from shop.ports.bus import DeadLetters, EventBus, Feeds, Topics
from shop.ports.checkup import BusCheckup
from shop.ports.system import Lease


class KafkaEvents(Provider):
    scope = Scope.APP

    def __init__(self, url: str, prefix: str, layout: Layout) -> None:
        """Raises `Invalid` for a URL that cannot be used."""
        super().__init__()
        self._cluster = Cluster(url)
        self._wire = Wire(prefix)
        self._layout = layout

    @provide
    def kafka_topics(self, lease: Lease) -> KafkaTopics:
        return KafkaTopics(self._cluster, self._wire, self._layout, lease)

    @provide
    def topics(self, topics: KafkaTopics) -> Topics:
        return topics

    @provide(override=True)
    async def bus(self, topics: KafkaTopics) -> AsyncIterator[EventBus]:
        publisher = Publisher(self._cluster, topics)
        yield KafkaBus(publisher, self._wire)
        await publisher.close()

    @provide
    def feeds(self, topics: KafkaTopics) -> Feeds:
        return KafkaFeeds(self._cluster, topics, self._wire)

    @provide(override=True)
    async def dead_letters(self, topics: KafkaTopics) -> AsyncIterator[DeadLetters]:
        # Its own publisher: the relay's is thrown away with the lease.
        publisher = Publisher(self._cluster, topics, largest=LARGEST_LETTER)
        yield KafkaDeadLetters(publisher, self._cluster, topics, self._wire)
        await publisher.close()

    @provide(override=True)
    def checkup(self, topics: KafkaTopics) -> BusCheckup:
        return KafkaCheckup(self._cluster, topics)
