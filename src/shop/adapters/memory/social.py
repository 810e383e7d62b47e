"""Linked profiles in memory."""

from datetime import datetime

from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.core.kernel.ids import UserId
from shop.core.users.linked import (
    LinkedProfile,
    ProfileTaken,
)
from shop.ports.social import (
    ProfileReads,
    Profiles,
    SpentStates,
)


class MemoryProfiles(Profiles):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def find(self, issuer: str, subject: str) -> LinkedProfile | None:
        every = self._uow.table("linked_profiles").values()
        return next((p for p in every if (p.issuer, p.subject) == (issuer, subject)), None)

    async def of(self, user_id: UserId) -> list[LinkedProfile]:
        return _of(list(self._uow.table("linked_profiles").values()), user_id)

    async def add(self, profile: LinkedProfile) -> None:
        if await self.find(profile.issuer, profile.subject) is not None:
            raise ProfileTaken("This profile signs in to another account.")
        self._uow.table("linked_profiles")[profile.id] = profile

    async def remove(self, profile: LinkedProfile) -> None:
        self._uow.table("linked_profiles").pop(profile.id, None)


class MemoryProfileReads(ProfileReads):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def of(self, user_id: UserId) -> list[LinkedProfile]:
        return _of(list(self._store.table("linked_profiles").values()), user_id)


class MemorySpentStates(SpentStates):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def spend(self, state_hash: bytes, expires_at: datetime) -> bool:
        spent = self._uow.table("spent_states")
        if state_hash in spent:
            return False
        spent[state_hash] = expires_at
        return True

    async def forget(self, before: datetime) -> int:
        spent = self._uow.table("spent_states")
        old = [key for key, expires_at in spent.items() if expires_at < before]
        for key in old:
            del spent[key]
        return len(old)


def _of(profiles: list[LinkedProfile], user_id: UserId) -> list[LinkedProfile]:
    return sorted((p for p in profiles if p.user_id == user_id), key=lambda p: p.id)
