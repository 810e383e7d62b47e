"""What every bench does as a command: run until stopped, store and show what came out."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop

from bench.report import Results
from bench.servers import BenchError

Options = TypeVar("Options")
R = TypeVar("R", bound=Results[Any, Any, Any])


def run(
    bench: Callable[[Options, Callable[[str], None]], Awaitable[R]],
    options: Options,
    results: Path,
    table: Callable[[R], str],
) -> None:
    """Leaves with 1 if something could not be measured or a check failed."""
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            report = runner.run(_until_stopped(bench, options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise click.ClickException("stopped; nothing was written") from None
    except (BenchError, TimeoutError, OSError) as error:
        raise click.ClickException(str(error) or "something took too long") from error
    report.save(results)
    click.echo(table(report))
    sys.exit(bool(report.failed()))


async def _until_stopped(
    bench: Callable[[Options, Callable[[str], None]], Awaitable[R]], options: Options
) -> R:
    task = asyncio.ensure_future(bench(options, lambda line: click.echo(line, err=True)))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task
