"""Linked profiles in memory, and providers that say what a test wants."""

from datetime import datetime
from urllib.parse import urlencode

from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.core.kernel.ids import UserId
from shop.core.users.linked import (
    LinkedProfile,
    ProfileTaken,
    ProviderDown,
    ProviderNotFound,
    SocialRefused,
)
from shop.ports.social import (
    Asking,
    Claimed,
    ProfileReads,
    Profiles,
    Provider,
    Providers,
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


class ScriptedProviders(Providers):
    """Knows who stands behind each code: `codes["a code"] = Claimed(…)`, once."""

    def __init__(self, *known: Provider) -> None:
        self._known = {one.name: one for one in known}
        self.codes: dict[str, Claimed] = {}
        self.is_down = False
        self.asked: list[Asking] = []

    def all(self) -> tuple[Provider, ...]:
        return tuple(self._known.values())

    async def address(self, name: str, asking: Asking) -> str:
        self._check(name)
        self.asked.append(asking)
        return f"https://{name}.example/authorize?{urlencode({'state': asking.state})}"

    async def redeem(self, name: str, asking: Asking, code: str, issuer: str | None) -> Claimed:
        self._check(name)
        claimed = self.codes.pop(code, None)
        if claimed is None or issuer not in {None, claimed.issuer}:
            raise SocialRefused("The answer of the service could not be verified.")
        if all(one.verifier != asking.verifier for one in self.asked):
            raise SocialRefused("The answer of the service could not be verified.")
        return claimed

    def _check(self, name: str) -> None:
        if name not in self._known:
            raise ProviderNotFound("Nobody can sign in with that here.")
        if self.is_down:
            raise ProviderDown("The service cannot be reached right now.", cause="as told")


def _of(profiles: list[LinkedProfile], user_id: UserId) -> list[LinkedProfile]:
    return sorted((p for p in profiles if p.user_id == user_id), key=lambda p: p.id)
