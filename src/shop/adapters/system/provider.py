"""Clock, ids and event envelopes, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.system.clock import SystemClock, Uuid7
from shop.adapters.system.cloudevents import CloudEvents
from shop.ports.outbox import Sealer
from shop.ports.system import Clock, Ids


class System(Provider):
    scope = Scope.APP

    def __init__(self, site_url: str) -> None:
        super().__init__()
        self._site_url = site_url

    @provide
    def clock(self) -> Clock:
        return SystemClock()

    @provide
    def ids(self) -> Ids:
        return Uuid7()

    @provide
    def sealer(self, ids: Ids) -> Sealer:
        return CloudEvents(ids, self._site_url)
