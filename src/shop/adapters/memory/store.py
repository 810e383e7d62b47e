"""The "database" of the in-memory adapters: one per process."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar

from msgspec.structs import replace

from shop.core.kernel.acts import Act, Entry
from shop.core.kernel.context import correlation as current
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.events import Event
from shop.ports.outbox import Envelope, Sealer
from shop.ports.system import Schema
from shop.ports.uow import UnitOfWork, Units

T = TypeVar("T")
Table = dict[Any, Any]


class MemoryStore:
    """Named tables of frozen values. Aggregates are frozen, so a dict copy is a snapshot."""

    def __init__(self) -> None:
        self.tables: dict[str, Table] = {}
        self.lock = asyncio.Lock()

    def table(self, name: str) -> Table:
        """What is committed. Readers use this; they change nothing."""
        return self.tables.setdefault(name, {})


def due_now(table: Table, name: str, now: datetime, limit: int) -> list[Any]:
    """Those whose time, in the field of that name, has come, the longest due first."""
    timed = [(getattr(one, name), one.id, one) for one in table.values() if getattr(one, name)]
    return [one for at, _, one in sorted(timed, key=lambda found: found[:2]) if at <= now][:limit]


def taken(table: Table, name: str, now: datetime, until: datetime, limit: int) -> list[Any]:
    """The same, put off until then."""
    some = [replace(one, **{name: until}) for one in due_now(table, name, now, limit)]
    table.update({one.id: one for one in some})
    return some


class MemoryUnitOfWork(UnitOfWork):
    def __init__(self, store: MemoryStore, sealer: Sealer) -> None:
        self._store = store
        self._sealer = sealer
        self._touched: dict[str, Table] | None = None
        self._facts: list[Envelope] = []
        self._acts: list[Entry] = []
        self._stored = False

    def table(self, name: str) -> Table:
        """A copy of the table that replaces the committed one at the end of the block."""
        if self._touched is None:
            raise RuntimeError("No unit of work is open.")
        if name not in self._touched:
            self._touched[name] = dict(self._store.table(name))
        return self._touched[name]

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[None]:
        if self._touched is not None:
            raise RuntimeError("A unit of work is already open.")
        async with self._store.lock:
            self._touched = {}
            try:
                yield
                waiting = self.table("outbox")
                waiting.update({e.id: e for e in self._facts})
                if self._acts:
                    self.table("admin_log").update({e.id: e for e in self._acts})
                self._store.tables.update(self._touched)
                self._stored = True
            except StaleWrite as error:
                error.untouched = not self._stored
                raise
            finally:
                self._touched = None
                self._facts.clear()
                self._acts.clear()

    def emit(self, fact: Event, *, correlation: str | None = None) -> None:
        caused_by = current.get() if correlation is None else correlation
        self._facts.append(self._sealer.seal(fact, caused_by))

    def log(self, act: Act) -> None:
        self._acts.append(self._sealer.enter(act))


class MemoryUnits(Units):
    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        return await work


class NoSchema(Schema):
    """Dictionaries fit every version."""

    async def migrate(self) -> bool:
        return False

    async def problem(self) -> str | None:
        return None
