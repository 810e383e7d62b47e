"""`make bench`: how fast this shop is on this machine, beside a bare route of its own server."""

import sys
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # started as a file: its own folder is on the path, this one is not

from bench.command import run  # noqa: E402
from bench.plan import NAMES, Options, bench  # noqa: E402
from bench.report import table  # noqa: E402

RESULTS = ROOT / "build" / "bench.json"


@click.command()
@click.option("--quick", is_flag=True, help="One round of one second, two starts.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(NAMES),
    help="Measure this alone; may be given several times.",
)
def main(*, quick: bool, only: tuple[str, ...]) -> None:
    """Measure the shop in a temporary folder, print a table and write build/bench.json.

    Ratios are to a bare ASGI route of the same server, measured in the same round. A missed
    target is reported and exits 0; a row that could not be measured, or a check that failed, 1.
    """
    chosen = frozenset(only or NAMES)
    options = Options(only=chosen)
    if quick:
        options = Options(rounds=1, seconds=1, starts=2, settle=1.0, only=chosen)
    run(bench, options, RESULTS, table)


if __name__ == "__main__":
    main()
