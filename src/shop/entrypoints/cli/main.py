"""The command line. Each command lives in a file of its own, and is loaded when it is called."""

import importlib
import os
import sys
from contextlib import suppress
from typing import NoReturn

import click

from shop import __version__

#: Command → module and name in it, with the line that `shop --help` shows.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run:run", "Serve the shop (the one process, in any role)."),
    "migrate": ("migrate:migrate", "Bring the database to this version's schema."),
    "demo": ("demo:demo", "Load the demo catalogue."),
    "import": ("import_:import_", "Import products from another shop's export."),
    "export": ("export:export", "Write the catalogue for another shop, or to keep."),
    "create-admin": ("create_admin:create_admin", "Make the first administrator."),
    "reset-factors": (
        "reset_factors:reset_factors",
        "Let somebody in without their second factor.",
    ),
    "oauth-client": ("oauth_client:oauth_client", "Add, list or remove programs people let in."),
    "keys": ("keys:keys", "Rotate the keys that sign tokens."),
    "audit": ("audit:audit", "Compare stock, orders, payments, events and mails."),
    "backup": ("backup:backup", "Write database and pictures to one encrypted file."),
    "restore": ("restore:restore", "Bring a backup back, into an empty place only."),
    "doctor": ("doctor:doctor", "Check the settings and every server they name."),
    "dlq": ("dlq:dlq", "List or replay events that a consumer gave up on."),
    "openapi": ("openapi:openapi", "Print the OpenAPI document."),
}


class LazyGroup(click.Group):
    """Imports a command only when it runs: `shop --help` need not load a web server."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(
            importlib.import_module(f"shop.entrypoints.cli.{module}"), name
        )
        return command

    def format_commands(
        self,
        ctx: click.Context,
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="shop")
def cli() -> None:
    """A whole shop in one process. Settings: a TOML file, then SHOP_<SECTION>_<KEY>."""


def main() -> NoReturn:
    """The whole process. It ends at once: all that is ours has been closed by then.

    The threads of a library (obstore's) may be about to speak to the interpreter while that is
    taken down, which aborts the process: one command in some two hundred that had looked at
    pictures ended with SIGABRT instead of its exit code (pyo3-async-runtimes, issue 40).
    """
    code = 1
    try:
        cli.main(prog_name="shop")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter would, had it been left to it
        sys.excepthook(*sys.exc_info())
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
