"""The sandbox gateway's books, in memory."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from shop.adapters.memory.store import MemoryStore
from shop.core.kernel.errors import StaleWrite
from shop.ports.sandbox import SandboxBooks, SandboxHook, SandboxLink, SandboxRefund


class MemorySandboxBooks(SandboxBooks):
    def __init__(self, store: MemoryStore) -> None:
        self._links = store.table("sandbox_links")
        self._refunds = store.table("sandbox_refunds")
        self._hooks = store.table("sandbox_webhooks")

    async def link(self, reference: str) -> SandboxLink | None:
        return self._links.get(reference)

    async def paid_link(self, payment_id: str) -> SandboxLink | None:
        paid = (one for one in self._links.values() if one.payment_id == payment_id)
        return next(paid, None)

    async def put(self, link: SandboxLink, hooks: Sequence[SandboxHook] = ()) -> None:
        seen = self._links.get(link.reference)
        if (seen.version if seen else 0) != link.version:
            raise StaleWrite("Somebody else changed this link first.")
        self._links[link.reference] = replace(link, version=link.version + 1)
        self._hooks.update({hook.id: hook for hook in hooks})

    async def refund(self, key: str) -> SandboxRefund | None:
        return self._refunds.get(key)

    async def refunds_of(self, payment_id: str) -> list[SandboxRefund]:
        return [one for one in self._refunds.values() if one.payment_id == payment_id]

    async def add_refund(self, refund: SandboxRefund, hooks: Sequence[SandboxHook]) -> None:
        if refund.key in self._refunds:
            raise StaleWrite("Somebody else made this refund first.")
        self._refunds[refund.key] = refund
        self._hooks.update({hook.id: hook for hook in hooks})

    async def due(self, now: datetime, limit: int) -> list[SandboxHook]:
        waiting = [hook for hook in self._hooks.values() if hook.next_try_at <= now]
        return sorted(waiting, key=lambda hook: hook.next_try_at)[:limit]

    async def take_due(self, now: datetime, until: datetime, limit: int) -> list[SandboxHook]:
        taken = [replace(hook, next_try_at=until) for hook in await self.due(now, limit)]
        self._hooks.update({hook.id: hook for hook in taken})
        return taken

    async def sent(self, done: Sequence[str], again: Sequence[SandboxHook]) -> None:
        for event_id in done:
            self._hooks.pop(event_id, None)
        self._hooks.update({hook.id: hook for hook in again})
