"""`shop migrate`."""

from typing import Any

import click

from shop.entrypoints.cli.common import in_bare_container, with_settings
from shop.ports.bus import Topics
from shop.ports.system import Schema
from shop.settings import Settings


@click.command()
@with_settings
def migrate(settings: Settings) -> None:
    """Bring the database to the schema of this version, and make the topics of the bus.

    Harmless when all is there already.
    """

    async def work(container: Any) -> None:
        schema: Schema = await container.get(Schema)
        changed = await schema.migrate()
        click.echo("The database was migrated." if changed else "The database is up to date.")
        topics: Topics = await container.get(Topics)
        for line in await topics.migrate():
            click.echo(line)

    in_bare_container(settings, work)
