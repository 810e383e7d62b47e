"""What every command does alike: settings, one clear line on failure, and a container."""

import asyncio
import fcntl
import functools
import importlib
import os
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from shop.settings import Settings
from shop.settings_reading import SettingsError, load

T = TypeVar("T")
Command = Callable[..., Any]


class Failure(click.ClickException):
    """One line on stderr, and exit code 1."""

    def show(self, file: Any = None) -> None:
        click.echo(f"shop: {self.format_message()}", err=True, file=file)


with_config = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Settings file (TOML). The environment (SHOP_SECTION_KEY) overrides it.",
)


def with_settings(command: Command) -> Command:
    """Give a command its `settings` and the option `--config`."""

    @with_config
    @functools.wraps(command)
    def wrapper(*args: Any, config: Path | None, **kwargs: Any) -> Any:
        return command(*args, settings=read_settings(config), **kwargs)

    return wrapper


def read_settings(
    config: Path | None, options: Mapping[tuple[str, str], Any] | None = None
) -> Settings:
    """Raises `Failure` with a line that names the wrong setting."""
    try:
        settings, warnings = load(config, os.environ, options)
    except SettingsError as error:
        raise Failure(str(error)) from None
    for warning in warnings:
        click.echo(f"shop: {warning}", err=True)
    return settings


def load_structlog() -> None:
    """As where rich is not installed: it comes with litestar, and structlog would load it, and a
    highlighter of source code with it, for tracebacks that we print plain."""
    if "structlog" in sys.modules or "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment]  # Python's own word for "not there"
    try:
        importlib.import_module("structlog")
    finally:
        del sys.modules["rich"]


def in_container(settings: Settings, work: Callable[[Any], Awaitable[T]]) -> T:
    """Run `work(container)` on a migrated shop; expected errors become one clear line."""
    from shop.ports.system import Schema

    async def migrated(container: Any) -> T:
        schema = await container.get(Schema)
        if not settings.site.production and not settings.shares_database:
            await schema.migrate()
        if (problem := await schema.problem()) is not None:
            raise Failure(problem)
        return await work(container)

    return in_bare_container(settings, migrated)


def in_bare_container(settings: Settings, work: Callable[[Any], Awaitable[T]]) -> T:
    """The same on a database as it is, or that is not there yet."""
    load_structlog()
    from shop.core.kernel.errors import ShopError
    from shop.entrypoints import logs
    from shop.wiring import make_container

    logs.configure(settings.log.format, level=settings.log.level)

    async def main() -> T:
        container = make_container(settings)
        try:
            return await work(container)
        finally:
            await container.close()

    try:
        return asyncio.run(main())
    except ShopError as error:
        raise Failure(error.detail) from None


@contextmanager
def at_work(settings: Settings) -> Iterator[None]:
    """One backup or restore at a time on one data folder; the lock goes with the process."""
    folder = Path(settings.data.dir)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "backup.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(f"Another backup or restore is at work in {folder}.") from None
        yield
