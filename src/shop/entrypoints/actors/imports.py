"""Reads uploaded product files, one after the other."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import BinaryIO

import structlog
from msgspec import Struct

from shop.core.kernel.errors import Unavailable
from shop.ports.catalog import ImportReport

log = structlog.get_logger()

_MOST_WAITING = 4


class ImportJob(Struct, frozen=True):
    """A report that is open, and the file, which is closed when it was read."""

    report: ImportReport
    file: BinaryIO


class ImportDesk:
    """`work` imports one file; `begin` sees to what a dead process left, when the actor starts."""

    name = "imports"

    def __init__(
        self,
        work: Callable[[ImportJob], Awaitable[None]],
        begin: Callable[[], Awaitable[None]],
    ) -> None:
        self._work = work
        self._begin = begin
        self._jobs: asyncio.Queue[ImportJob] = asyncio.Queue(_MOST_WAITING)

    def submit(self, job: ImportJob) -> None:
        """Raises `Unavailable` when so many files wait already."""
        try:
            self._jobs.put_nowait(job)
        except asyncio.QueueFull:
            raise Unavailable("Other files are being imported; try again later.") from None

    async def run(self) -> None:
        await self._begin()
        while True:
            await self.one()

    async def one(self) -> None:
        """Wait for a file and import it."""
        job = await self._jobs.get()
        try:
            await self._work(job)
        finally:
            job.file.close()
        log.info("import_done", import_id=str(job.report.id))
