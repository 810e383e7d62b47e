"""Imports that run by themselves, and the reports one can look up meanwhile."""

from datetime import timedelta
from typing import BinaryIO
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shop.core.catalog.importing import ImportCounts, Importing, ImportOptions, ImportProgress
from shop.core.catalog.service import CatalogTerms
from shop.core.catalog.source import SourceFault
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.errors import Invalid, Malformed, ShopError
from shop.core.kernel.money import is_currency
from shop.ports.catalog import FaultLine, ImportReads, ImportReport, Imports
from shop.ports.feeds import Feeds
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork

MOST_FAULTS = 1_000
_SILENCE = timedelta(minutes=10)
_SAVE_EVERY = timedelta(seconds=1)


class FormatUnsupported(Invalid):
    code = "format-unsupported"


class StartImport(Struct, frozen=True, kw_only=True):
    format: str
    file_name: str
    dry_run: bool = False
    currency: str = ""  # empty: the shop's


class ImportRegister:
    """Opens reports, and shows them."""

    def __init__(
        self,
        uow: UnitOfWork,
        imports: Imports,
        reads: ImportReads,
        feeds: Feeds,
        terms: CatalogTerms,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._uow = uow
        self._imports = imports
        self._reads = reads
        self._feeds = feeds
        self._terms = terms
        self._clock = clock
        self._ids = ids

    async def open(self, caller: Caller, command: StartImport) -> ImportReport:
        """Raises `FormatUnsupported`, which names the formats there are."""
        caller.require(Permission.CATALOG_WRITE)
        if command.format not in self._feeds:
            raise FormatUnsupported(
                f"This format cannot be read; there is {', '.join(sorted(self._feeds))}.",
                supported=sorted(self._feeds),
            )
        currency = command.currency or self._terms.currency
        if not is_currency(currency):
            raise Malformed("A currency has three capital letters.", field="currency")
        now = self._clock.now()
        report = ImportReport(
            id=self._ids.new(),
            status="queued",
            format=command.format,
            file_name=command.file_name[:200],
            dry_run=command.dry_run,
            currency=currency,
            created_at=now,
            updated_at=now,
        )
        told = f"{report.format} dry run" if report.dry_run else report.format
        async with self._uow.begin():
            await self._imports.put(report)
            self._uow.log(caller.did("import.start", report.id, now, told))
        return report

    async def refuse(self, report: ImportReport, why: str) -> None:
        """Close a report whose import never began."""
        async with self._uow.begin():
            await self._imports.put(_failed(report, why, self._clock))

    async def show(self, caller: Caller, import_id: UUID) -> ImportReport:
        caller.require(Permission.CATALOG_WRITE)
        return await self._reads.get(import_id)

    async def abandon(self) -> int:
        """Close reports of processes that died: nobody has written to them for ten minutes."""
        before = self._clock.now() - _SILENCE
        async with self._uow.begin():
            dead = [r for r in await self._imports.unfinished() if r.updated_at < before]
            for report in dead:
                why = "The process that read the file ended. Import it again."
                await self._imports.put(_failed(report, why, self._clock))
        return len(dead)


class ImportRun:
    """Reads one file into the catalogue, and its report."""

    def __init__(
        self,
        uow: UnitOfWork,
        imports: Imports,
        importing: Importing,
        feeds: Feeds,
        terms: CatalogTerms,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._imports = imports
        self._importing = importing
        self._feeds = feeds
        self._terms = terms
        self._clock = clock

    async def run(self, report: ImportReport, file: BinaryIO) -> ImportReport:
        """The finished report, which is stored. Never raises what the file is to blame for."""
        notes = _Notes(replace(report, status="running"))
        options = ImportOptions(
            source=report.format,
            currency=report.currency,
            tax_basis_points=self._terms.tax_basis_points,
            dry_run=report.dry_run,
            site=self._terms.site,
        )

        async def save(progress: ImportProgress) -> None:
            notes.add(progress)
            now = self._clock.now()
            if now - notes.report.updated_at >= _SAVE_EVERY:
                notes.report = replace(notes.now(), updated_at=now)
                await self._put(notes.report)

        try:
            items = self._feeds[report.format].read(file, report.currency, notes.read)
            await self._importing.run(items, options, save)
        except ShopError as error:
            done = _failed(notes.now(), error.detail, self._clock)
        except Exception:
            why = "Something went wrong on our side."
            await self._put(_failed(notes.now(), why, self._clock))
            raise
        else:
            done = replace(notes.now(), status="done", updated_at=self._clock.now())
        await self._put(done)
        return done

    async def _put(self, report: ImportReport) -> None:
        async with self._uow.begin():
            await self._imports.put(report)


class _Notes:
    """The report while it grows. The reader calls `read` from its thread."""

    def __init__(self, report: ImportReport) -> None:
        self.report = report
        self._faults: list[FaultLine] = []
        self._counts = ImportCounts()
        self._read = (0, 0)

    def read(self, records: int, total: int) -> None:
        self._read = (records, total)

    def add(self, progress: ImportProgress) -> None:
        self._counts = progress.counts
        room = MOST_FAULTS - len(self._faults)
        self._faults += [line_of(fault) for fault in progress.faults[:room]]

    def now(self) -> ImportReport:
        counts, (records, total) = self._counts, self._read
        return replace(
            self.report,
            records_read=records,
            records_total=total,
            new=counts.new,
            changed=counts.changed,
            unchanged=counts.unchanged,
            refused=counts.refused,
            codes=dict(counts.codes),
            faults=tuple(self._faults),
        )


def line_of(fault: SourceFault) -> FaultLine:
    return FaultLine(
        record=fault.record,
        key=fault.key,
        code=fault.code,
        message=fault.message,
        refused=fault.refused,
    )


def _failed(report: ImportReport, why: str, clock: Clock) -> ImportReport:
    return replace(report, status="failed", error=why, updated_at=clock.now())
