"""What a start does for those who try the shop: a demo catalogue, logins, and where to click."""

import asyncio
import json
import os
from pathlib import Path

import click
from dishka import AsyncContainer

from shop.core.users.admins import DemoLogins
from shop.entrypoints.actors.holding import Holding
from shop.entrypoints.cli.common import Failure
from shop.entrypoints.cli.demo import load_demo
from shop.ports.catalog import StaffReads
from shop.ports.system import Clock, Ids, Lease
from shop.settings import Settings

LOGINS = "demo-logins.json"
#: Seconds between two looks whether another replica has loaded it.
_PAUSE = 0.5


async def load_demo_once(container: AsyncContainer, settings: Settings) -> None:
    """Fill an empty shop, and make logins that no other machine has. Of replicas one does it."""
    if settings.site.production:
        raise Failure("--demo: a shop in production starts empty; import products instead.")
    holder = (await container.get(Ids)).new().hex
    turn = Holding(await container.get(Lease), await container.get(Clock), "demo", holder)
    while True:
        if await turn.keep():
            break
        await asyncio.sleep(_PAUSE)
    try:
        await turn.during(_load(container, settings))
    finally:
        await turn.drop()


async def _load(container: AsyncContainer, settings: Settings) -> None:
    reads = await container.get(StaffReads)
    if not any((await reads.tally()).values()):
        click.echo("Loading the demo catalogue (once) …", err=True)
        click.echo(await load_demo(container), err=True)
    async with container() as scope:
        made = await (await scope.get(DemoLogins)).ensure()
    if made:
        _keep(Path(settings.data.dir) / LOGINS, [(x.role, x.email, x.password) for x in made])


def _keep(file: Path, logins: list[tuple[str, str, str]]) -> None:
    """Only the owner may read them; the database holds nothing but their hashes."""
    rows = [{"role": role, "email": email, "password": word} for role, email, word in logins]
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as out:
        json.dump(rows, out, indent=2)


def say_where(settings: Settings) -> None:
    """Tell a person where to click; a program reads the log."""
    if settings.log.format != "console":
        return
    url = str(settings.site.url)
    lines = [
        ("Storefront", url),
        ("Back office", f"{url}/admin"),
        ("API docs", f"{url}/docs"),
        ("Metrics, health", f"http://{settings.ops.host}:{settings.ops.port}/metrics"),
    ]
    kind, _, place = settings.mail_url.partition(":")
    if kind == "file":
        lines.append(("Mails", f"{Path(place).resolve()}/"))
    click.echo("")
    for name, where in lines:
        click.echo(f"  {name:16} {where}")
    logins = Path(settings.data.dir) / LOGINS
    if not settings.site.production and logins.exists():
        click.echo("\n  Demo logins (made for this machine):")
        for row in json.loads(logins.read_text()):
            click.echo(f"  {row['role']:16} {row['email']}   {row['password']}")
    click.echo("\n  Stop with Ctrl-C.\n")
