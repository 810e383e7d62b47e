"""`shop export`."""

from pathlib import Path
from typing import Any

import click

from shop.entrypoints.cli.common import Failure, in_container, with_settings
from shop.entrypoints.cli.import_ import meter
from shop.settings import Settings


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--format", "format_", required=True, help="What to write: shopify.")
@with_settings
def export(settings: Settings, file: Path, format_: str) -> None:
    """Write all products but archived ones, with what lies on the shelf.

    Importing the file again changes nothing. FILE appears, or is replaced, once it is complete.
    Prints what the format cannot hold, and at the end one line: N written, N left out.
    """

    async def work(container: Any) -> str:
        from shop.core.catalog.exporting import Exporting
        from shop.ports.feeds import FeedWriters, NotExpressible

        writers = await container.get(FeedWriters)
        if format_ not in writers:
            raise Failure(f"--format: {format_} cannot be written; there is {', '.join(writers)}.")
        writer, exporting = writers[format_], await container.get(Exporting)
        total, written, left_out = await exporting.count(), 0, 0
        part = file.with_name(f"{file.name}.part")
        try:
            with part.open("wb") as stream, meter(file.name) as told:
                stream.write(writer.head())
                async for product in exporting.products():
                    try:
                        stream.write(writer.product(product))
                    except NotExpressible as error:
                        left_out += 1
                        click.echo(f"left out: {product.key}: {error.detail} [{error.code}]")
                    else:
                        written += 1
                    if told is not None:
                        told(written + left_out, total)
            part.replace(file)
        except OSError as error:
            raise Failure(f"{file}: cannot be written ({error.strerror}).") from None
        finally:
            part.unlink(missing_ok=True)
        return f"{written} written, {left_out} left out"

    click.echo(in_container(settings, work))
