"""The log of what staff did: for administrators to read, and not to be kept for ever."""

from datetime import timedelta

from msgspec import Struct

from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.acts import Entry, by_operator
from shop.core.kernel.page import Page
from shop.ports.admin_log import AdminLog, AdminLogReads, EntryFilter
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork

#: An operator has made a backup; the metric of the newest one looks for it.
BACKUP_MADE = "backup.make"


class LogTerms(Struct, frozen=True, kw_only=True):
    """How long a line is kept; None: for good."""

    kept: timedelta | None


class Deeds:
    def __init__(
        self, uow: UnitOfWork, log: AdminLog, reads: AdminLogReads, clock: Clock, terms: LogTerms
    ) -> None:
        self._uow = uow
        self._log = log
        self._reads = reads
        self._clock = clock
        self._terms = terms

    async def page(
        self, caller: Caller, which: EntryFilter, limit: int, cursor: str | None
    ) -> Page[Entry]:
        """Newest first."""
        caller.require(Permission.LOG_READ)
        return await self._reads.page(which, limit, cursor)

    async def note(self, action: str, object_id: str, detail: str = "") -> None:
        """Write down a command of an operator whose work has no unit of its own."""
        async with self._uow.begin():
            self._uow.log(by_operator(action, object_id, self._clock.now(), detail))

    async def tidy(self) -> int:
        """Drop what is older than the terms say; returns how many."""
        if self._terms.kept is None:
            return 0
        before = self._clock.now() - self._terms.kept
        async with self._uow.begin():
            return await self._log.forget(before)
