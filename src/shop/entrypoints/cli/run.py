"""`shop run`: the one process."""

import fcntl
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from shop.entrypoints.cli.common import Failure, load_structlog, read_settings, with_config
from shop.settings import Settings

ROLES = ("all", "api", "consumer")


@click.command()
@click.option(
    "--role",
    type=click.Choice(ROLES),
    default="all",
    show_default=True,
    help="Serve HTTP (api), react to events (consumer), or both.",
)
@click.option("--host", help="Address to listen on; overrides the settings.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port; overrides the settings.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Processes that share the port and the work; SQLite allows one.",
)
@click.option("--demo", is_flag=True, help="Load the demo catalogue if there is no product yet.")
@with_config
def run(
    config: Path | None, role: str, host: str | None, port: int | None, workers: int, *, demo: bool
) -> None:
    """Start the shop and serve until SIGTERM or Ctrl-C.

    On an empty embedded database the schema is made first.
    """
    options = {("http", "host"): host, ("http", "port"): port}
    settings = read_settings(config, {key: one for key, one in options.items() if one is not None})
    if settings.shares_database:
        sys.exit(_serve(settings, role, workers, demo=demo))
    if workers > 1:
        raise Failure("--workers: SQLite serves with one process; more need a database server.")
    with _alone(Path(settings.data.dir), role):
        sys.exit(_serve(settings, role, workers, demo=demo))


@contextmanager
def _alone(folder: Path, role: str) -> Iterator[None]:
    """SQLite and the in-process cache allow one process that serves; consumers may stand beside it.

    The lock goes with the process, however that ends.
    """
    if role == "consumer":
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "shop.lock").open("a+")
    except OSError as error:
        raise Failure(f"The data folder {folder} cannot be used: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise Failure(
                f"Another shop (process {holder}) already serves from the data folder {folder}."
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _serve(settings: Settings, role: str, workers: int, *, demo: bool) -> int:
    """Run until told to stop; the exit code."""
    load_structlog()
    from shop.entrypoints.actors import process

    process.begin()
    from shop.entrypoints import logs
    from shop.entrypoints.actors.crew import Refusal
    from shop.entrypoints.cli.processes import serve_alone, serve_together
    from shop.entrypoints.http.server import PortTaken

    logs.configure(settings.log.format, level=settings.log.level)
    try:
        if workers > 1:
            return serve_together(settings, role, workers, demo=demo)
        return serve_alone(settings, role, demo=demo)
    except (PortTaken, Refusal) as error:
        raise Failure(str(error)) from None
