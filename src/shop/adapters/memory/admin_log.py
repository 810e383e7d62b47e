"""What staff did, in memory."""

from datetime import datetime

from dishka import Provider, Scope, provide

from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.core.kernel.acts import Entry
from shop.core.kernel.page import Page, last_id, paged
from shop.ports.admin_log import AdminLog, AdminLogReads, EntryFilter


class MemoryAdminLog(AdminLog):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def forget(self, before: datetime) -> int:
        table = self._uow.table("admin_log")
        old = [key for key, entry in table.items() if entry.at < before]
        for key in old:
            del table[key]
        return len(old)


class MemoryAdminLogReads(AdminLogReads):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def page(self, which: EntryFilter, limit: int, cursor: str | None) -> Page[Entry]:
        after = last_id(cursor)
        newest = sorted(self._store.table("admin_log").values(), key=lambda e: e.id, reverse=True)
        found = [e for e in newest if _fits(e, which) and (after is None or e.id < after)]
        return paged(found, limit)


def _fits(entry: Entry, which: EntryFilter) -> bool:
    return (
        (which.user_id is None or entry.user_id == which.user_id)
        and entry.action.startswith(which.action)
        and (not which.object_id or entry.object_id == which.object_id)
        and (which.since is None or entry.at >= which.since)
        and (which.before is None or entry.at < which.before)
    )


class MemoryLog(Provider):
    @provide(scope=Scope.REQUEST)
    def log(self, uow: MemoryUnitOfWork) -> AdminLog:
        return MemoryAdminLog(uow)

    @provide(scope=Scope.APP)
    def reads(self, store: MemoryStore) -> AdminLogReads:
        return MemoryAdminLogReads(store)
