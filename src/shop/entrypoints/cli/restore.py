"""`shop restore`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from shop.entrypoints.cli.common import Failure, at_work, in_bare_container, with_settings
from shop.entrypoints.cli.import_ import meter
from shop.settings import Settings


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@with_settings
def restore(settings: Settings, file: Path) -> None:
    """Bring database and pictures back from FILE, which `shop backup` wrote.

    Only into an empty place: no database (an empty one on a server), no pictures. Before anything
    is touched, all of FILE is compared with its checksums.
    """

    async def work(container: Any) -> str:
        from shop.adapters.archive.sealed import Damaged, Reader
        from shop.adapters.media.objects import content_type_of
        from shop.ports.backup import DatabaseBackup, Dumped
        from shop.ports.media import Media

        database: DatabaseBackup = await container.get(DatabaseBackup)
        reader = Reader(file, settings.backup.key.reveal())
        try:
            manifest = reader.verify()
            await database.fits(Dumped(manifest.kind, manifest.revision))
            media: Media = await container.get(Media)
            async for _ in media.every():
                raise Failure(
                    f"{settings.media_url!r} has pictures; restore into an empty place: name"
                    " another in SHOP_MEDIA_URL, or move them away."
                )
            names = [name for name in manifest.parts if name != "database"]
            with meter("pictures") as told:
                for number, (name, body) in enumerate(_pictures(reader), 1):
                    key = name.removeprefix("media/")
                    if (kind := content_type_of(key)) is None:
                        raise Failure(f"{file}: holds {key}, which this version cannot keep.")
                    await media.put(key, body, kind)
                    if told is not None:
                        told(number, len(names))
            # The database last: where it is, all is.
            with meter("database") as told:
                await database.restore(_database(reader, told, manifest.parts["database"].size))
        except Damaged as error:
            raise Failure(str(error)) from None
        more = (
            f"\nThe binary log of its server goes on at {manifest.position}."
            if manifest.position
            else ""
        )
        return (
            f"Restored the shop of {manifest.created_at}: schema {manifest.revision},"
            f" {len(names)} pictures.{more}\nNow run `shop migrate`, then `shop audit`."
        )

    try:
        with at_work(settings):
            click.echo(in_bare_container(settings, work))
    except OSError as error:
        raise Failure(f"{file}: cannot be restored ({error}).") from None


def _pictures(reader: Any) -> Iterator[tuple[str, bytes]]:
    """Name and whole content of each part but the database."""
    name, body = "", b""
    for part, block in reader.blocks():
        if part != name and name.startswith("media/"):
            yield name, body
        if part != name:
            name, body = part, b""
        if part != "database":
            body += block
    if name.startswith("media/"):
        yield name, body


def _database(reader: Any, told: Any, size: int) -> Iterator[bytes]:
    done = 0
    for part, block in reader.blocks():
        if part != "database":
            return  # it is the first part
        done += len(block)
        if told is not None:
            told(done, size)
        yield block
