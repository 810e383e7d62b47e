"""Secrets that last as long as the process."""

from shop.adapters.memory.store import MemoryStore
from shop.ports.system import Ids, Secrets


class MemorySecrets(Secrets):
    def __init__(self, store: MemoryStore, ids: Ids) -> None:
        self._store = store
        self._ids = ids

    async def get(self, name: str, size: int = 32) -> bytes:
        made: bytes = self._store.table("secrets").setdefault(name, self._ids.secret(size))
        return made
