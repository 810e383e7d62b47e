"""The counts of changes to the catalogue, in memory."""

from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.ports.catalog import CatalogChanges, ChangeCounts


def catalog_edited(uow: MemoryUnitOfWork) -> None:
    _raise(uow, "all", "edits")


def figures_changed(uow: MemoryUnitOfWork) -> None:
    _raise(uow, "all")


def _raise(uow: MemoryUnitOfWork, *names: str) -> None:
    counts = uow.table("catalog_changes")
    for name in names:
        counts[name] = counts.get(name, 0) + 1


class MemoryCatalogChanges(CatalogChanges):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def counts(self) -> ChangeCounts:
        counts = self._store.table("catalog_changes")
        return ChangeCounts(all=counts.get("all", 0), edits=counts.get("edits", 0))
