"""Knows whether the catalogue has changed, whichever process changed it."""

import asyncio

import structlog

from shop.core.kernel.errors import ShopError
from shop.ports.catalog import CatalogChanges

log = structlog.get_logger()

PERIOD = 0.2
_PATIENCE = 1.0


class CatalogWatch:
    """`count` is the catalogue's change counter, at most a second old, or None when unknown;
    `edits` leaves out changes of stock and ratings.

    Answers made from the catalogue are good only as long as `count` stays what it was before
    they were made. While it is unknown nothing may be served from memory.
    """

    name = "catalog-watch"

    def __init__(self, changes: CatalogChanges) -> None:
        self.count: int | None = None
        self.edits: int | None = None
        self._changes = changes
        self._read_at = 0.0

    async def run(self) -> None:
        try:
            while True:
                await self.look()
                await asyncio.sleep(PERIOD)
        finally:
            self.count = self.edits = None

    async def look(self) -> None:
        """Read the counter; forget it when that has failed for a second."""
        now = asyncio.get_running_loop().time
        # What is read now was true when the reading began, not when it ended.
        began = now()
        known, left = self.count is not None, self._read_at + _PATIENCE - began
        if not known or left <= 0:
            # Nobody has looked for so long, perhaps because the machine slept: what was known is
            # too old to go by, and no reason to be in a hurry.
            self.count = self.edits = None
            left = _PATIENCE
        try:
            async with asyncio.timeout(left):
                counts = await self._changes.counts()
            if began >= self._read_at:  # else somebody has looked later, and ended sooner
                self.count, self.edits = counts.all, counts.edits
                self._read_at = began
        except (TimeoutError, ShopError):
            if known and now() >= self._read_at + _PATIENCE:
                self.count = self.edits = None
                log.warning("catalog_changes_unknown")
