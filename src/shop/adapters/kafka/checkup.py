"""Whether Kafka is there, for the doctor."""

from shop.adapters.kafka.cluster import Cluster
from shop.adapters.kafka.topics import KafkaTopics
from shop.core.kernel.errors import Unavailable
from shop.ports.checkup import BusCheckup, Unwell

_TRUST = "see that tls in SHOP_BUS_URL is right for that port, and that ca names who signed it"


class KafkaCheckup(BusCheckup):
    def __init__(self, cluster: Cluster, topics: KafkaTopics) -> None:
        self._cluster = cluster
        self._topics = topics

    async def examine(self) -> str:
        try:
            missing = await self._topics.missing()
            unlike = await self._topics.differences()
        except Unavailable as error:
            if distrust := await self._cluster.distrust():
                raise Unwell(f"Kafka: {distrust}", _TRUST) from error
            raise Unwell(
                error.detail.removesuffix("."), "see that it runs, and check SHOP_BUS_URL"
            ) from error
        if missing and not self._topics.makes:
            raise Unwell(f"Kafka has no topic {missing[0]}", "run `shop migrate`")
        if unlike:
            one, *others = unlike
            more = f" (and {len(others)} more like it)" if others else ""
            raise Unwell(f"The topic {one.wrong}{more}", one.cure)
        where = f"Kafka at {', '.join(self._cluster.hosts)}"
        return f"{where}; the first start makes its topics" if missing else where
