"""`make bench-servers`: the shop on MariaDB, Redis and Kafka, on this machine."""

import sys
from pathlib import Path

import click

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # started as a file: its own folder is on the path, this one is not

from bench.command import run  # noqa: E402
from bench.servers_plan import NAMES, Options, bench  # noqa: E402
from bench.servers_report import table  # noqa: E402

RESULTS = ROOT / "build" / "bench-servers.json"


@click.command()
@click.option("--quick", is_flag=True, help="One round of two seconds.")
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(NAMES),
    help="Measure this alone; may be given several times.",
)
def main(*, quick: bool, only: tuple[str, ...]) -> None:
    """Measure an api and a consumer replica, print a table and write build/bench-servers.json.

    Servers come from TEST_DATABASE_URL, TEST_REDIS_URL and TEST_KAFKA_URL, else private ones are
    started. They share the machine with the replicas and the load. A missed target is reported
    and exits 0; a row that could not be measured, or a check that failed, 1.
    """
    options = Options(only=frozenset(only or NAMES))
    if quick:
        options = Options(rounds=1, seconds=2, events=10_000, only=options.only)
    run(bench, options, RESULTS, table)


if __name__ == "__main__":
    main()
