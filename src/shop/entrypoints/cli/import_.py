"""`shop import`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from shop.entrypoints.cli.common import Failure, in_container, with_settings
from shop.settings import Settings


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "format_", required=True, help="What the file is: shopify.")
@click.option("--dry-run", is_flag=True, help="Say what would happen, and change nothing.")
@click.option("--currency", help="Of prices that name none; the shop's by default.")
@click.option("--verbose", is_flag=True, help="Show what was taken but needs care, too.")
@with_settings
def import_(
    settings: Settings,
    file: Path,
    format_: str,
    currency: str | None,
    *,
    dry_run: bool,
    verbose: bool,
) -> None:
    """Import the products of another shop's export.

    A second import of the same file changes nothing. Prints what was refused, record by record
    (counted from 1 after the header), and at the end one line with the products:
    N new, N changed, N unchanged, N refused.
    """
    from shop.core.kernel.money import is_currency

    money = currency or str(settings.site.currency)
    if not is_currency(money):
        raise Failure(f"--currency: {money} is no currency; write three capital letters, as INR.")

    async def work(container: Any) -> str:
        from shop.core.catalog.importing import Importing, ImportOptions, ImportProgress
        from shop.core.users.deeds import Deeds
        from shop.ports.feeds import Feeds

        feeds = await container.get(Feeds)
        if format_ not in feeds:
            raise Failure(f"--format: {format_} cannot be read; there is {', '.join(feeds)}.")
        options = ImportOptions(
            source=format_,
            currency=money,
            tax_basis_points=settings.tax.default_basis_points,
            dry_run=dry_run,
            site=str(settings.site.url),
        )

        async def tell(progress: ImportProgress) -> None:
            for fault in progress.faults:
                if fault.refused or verbose:
                    click.echo(fault_line(fault))

        async with container() as scope:
            if not dry_run:
                await (await scope.get(Deeds)).note("import.run", format_)
            importing = await scope.get(Importing)
            with _opened(file) as stream, meter(file.name) as read:
                items = feeds[format_].read(stream, money, read)
                counts = await importing.run(items, options, tell)
        if not verbose and (hidden := sum(counts.codes.values()) - counts.hard):
            need = "1 more thing needs" if hidden == 1 else f"{hidden} more things need"
            click.echo(f"{need} care; --verbose shows it all.", err=True)
        line: str = counts.line()
        return line

    click.echo(in_container(settings, work))


def fault_line(fault: Any) -> str:
    where = f"record {fault.record}" if fault.record else "file"
    key = f" ({fault.key})" if fault.key else ""
    kind = "refused" if fault.refused else "warning"
    return f"{kind}: {where}{key}: {fault.message} [{fault.code}]"


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    try:
        stream = file.open("rb")
    except OSError as error:
        raise Failure(f"{file}: cannot be read ({error.strerror}).") from None
    with stream:
        yield stream


@contextmanager
def meter(title: str) -> Iterator[Any]:
    """A bar on stderr for people; nothing for pipes. Yields what to call with (done, total)."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield advance
