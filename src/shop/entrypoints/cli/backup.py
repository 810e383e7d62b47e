"""`shop backup`."""

import asyncio
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import click

from shop import __version__
from shop.entrypoints.cli.common import Failure, at_work, in_bare_container, with_settings
from shop.entrypoints.cli.import_ import meter
from shop.ports.system import Clock, Ids
from shop.settings import Settings

_NAME = re.compile(r"shop-(\d{8}T\d{6}Z)\.backup(\.part)?")
_MOMENT = "%Y%m%dT%H%M%SZ"
#: A part this old belongs to a run that was killed.
_ABANDONED = timedelta(days=2)


@click.command()
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--keep-days",
    type=click.IntRange(min=1),
    default=30,
    show_default=True,
    help="Remove older backups from the folder, once the new one is complete.",
)
@with_settings
def backup(settings: Settings, folder: Path | None, keep_days: int) -> None:
    """Write database and pictures to a new file in FOLDER, while the shop runs.

    FOLDER is <data.dir>/backups when not given. The file holds one moment of the database, is
    encrypted with backup.key, and appears once it is complete; `shop restore` brings it back.
    Exit code 0 when it is there, 1 with one line of why when not.
    """
    key = settings.backup.key.reveal()
    if settings.site.production and not key:
        raise Failure("SHOP_BACKUP_KEY: is required in production; give 32 random characters.")
    if not key:
        click.echo("shop: the backup is not encrypted; SHOP_BACKUP_KEY is not set.", err=True)
    place = folder or Path(settings.data.dir) / "backups"

    async def work(container: Any) -> str:
        from shop.adapters.archive.sealed import SALT, Writer
        from shop.ports.backup import DatabaseBackup
        from shop.ports.media import Media

        database: DatabaseBackup = await container.get(DatabaseBackup)
        media: Media = await container.get(Media)
        ids: Ids = await container.get(Ids)
        clock: Clock = await container.get(Clock)
        now, path = await _unused(place, clock)
        with _appearing(path) as file:
            writer = Writer(file, key, ids.secret(SALT))
            with meter("database") as told:
                write, done = writer.part("database"), 0

                def give(block: bytes) -> None:
                    nonlocal done
                    write(block)
                    done += len(block)
                    if told is not None:
                        told(done, None)

                dumped = await database.dump(give)
            # A picture is there before the row that names it, and never goes: none is missing.
            keys = [one async for one in media.every()]
            with meter("pictures") as told:
                for number, one in enumerate(sorted(keys), 1):
                    if (found := await media.get(one)) is None:
                        raise Failure(f"The picture {one} went away meanwhile; try again.")
                    writer.part(f"media/{one}")(found.body)
                    if told is not None:
                        told(number, len(keys))
            writer.finish(
                version=__version__,
                created_at=now.isoformat(),
                kind=dumped.kind,
                revision=dumped.revision,
                position=dumped.position,
            )
        removed = _forget(place, now, timedelta(days=keep_days))
        await _note(container, path.name)
        size = path.stat().st_size / (1 << 20)
        text = f"{path}: {size:.1f} MiB, schema {dumped.revision}, {len(keys)} pictures."
        return text + (f" {removed} older removed." if removed else "")

    try:
        place.mkdir(parents=True, exist_ok=True)
        with at_work(settings):
            click.echo(in_bare_container(settings, work))
    except OSError as error:
        raise Failure(f"{place}: cannot be written ({error.strerror}).") from None


async def _unused(place: Path, clock: Clock) -> tuple[datetime, Path]:
    """Now, and the file of that name; who comes twice within a second waits for the next."""
    while True:
        now = clock.now()
        path = place / f"shop-{now.strftime(_MOMENT)}.backup"
        if not path.exists():
            return now, path
        await asyncio.sleep(0.1)


async def _note(container: Any, name: str) -> None:
    """Let running shops know, whose metrics tell when the last backup was made."""
    from shop.core.users.deeds import BACKUP_MADE, Deeds

    try:
        async with container() as scope:
            await (await scope.get(Deeds)).note(BACKUP_MADE, name)
    except Exception as error:  # noqa: BLE001 - such as a replica that takes no writes
        why = str(error).partition("\n")[0]
        click.echo(
            f"shop: the backup is complete, but the shop was not told of it: {why}", err=True
        )


@contextmanager
def _appearing(path: Path) -> Iterator[BinaryIO]:
    """The file has its name once the block has ended well; nothing stays otherwise."""
    part = path.with_name(f"{path.name}.part")
    handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        if path.exists():
            raise Failure(f"{path} is there already; try again in a second.")
        part.rename(path)
        named = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(named)
        finally:
            os.close(named)
    finally:
        part.unlink(missing_ok=True)


def _forget(place: Path, now: datetime, keep: timedelta) -> int:
    """Remove what is older by its name; how many whole backups that were."""
    removed = 0
    for file in place.iterdir():
        if (named := _NAME.fullmatch(file.name)) is None:
            continue
        age = now - datetime.strptime(named[1], _MOMENT).replace(tzinfo=UTC)
        if age > (_ABANDONED if named[2] else keep):
            file.unlink(missing_ok=True)
            removed += not named[2]
    return removed
