"""The in-memory adapters, for dishka."""

from dishka import Provider, Scope, alias, provide

from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork, MemoryUnits
from shop.ports.outbox import Sealer
from shop.ports.uow import UnitOfWork, Units


class MemoryStorage(Provider):
    store = provide(MemoryStore, scope=Scope.APP)

    @provide(scope=Scope.APP)
    def units(self) -> Units:
        return MemoryUnits()

    @provide(scope=Scope.REQUEST)
    def unit(self, store: MemoryStore, sealer: Sealer) -> MemoryUnitOfWork:
        return MemoryUnitOfWork(store, sealer)

    uow = alias(source=MemoryUnitOfWork, provides=UnitOfWork)
