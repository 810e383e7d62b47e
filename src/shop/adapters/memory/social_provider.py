"""Linked profiles in memory, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.memory.social import MemoryProfileReads, MemoryProfiles, MemorySpentStates
from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.ports.social import ProfileReads, Profiles, SpentStates


class MemorySocial(Provider):
    scope = Scope.REQUEST

    @provide
    def profiles(self, uow: MemoryUnitOfWork) -> Profiles:
        return MemoryProfiles(uow)

    @provide
    def spent(self, uow: MemoryUnitOfWork) -> SpentStates:
        return MemorySpentStates(uow)

    @provide(scope=Scope.APP)
    def reads(self, store: MemoryStore) -> ProfileReads:
        return MemoryProfileReads(store)
