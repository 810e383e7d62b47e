"""`shop migrate`."""

import asyncio

import click

from shop.core.kernel.errors import ShopError
from shop.entrypoints import logs
from shop.entrypoints.cli.common import Failure, with_settings
from shop.ports.bus import Topics
from shop.ports.system import Schema
from shop.settings import Settings
from shop.wiring import make_container


@click.command()
@with_settings
def migrate(settings: Settings) -> None:
    """Bring the database to the schema of this version, and make the topics of the bus.

    Harmless when all is there already.
    """
    logs.configure(settings.log.format, level=settings.log.level)

    async def main() -> None:
        container = make_container(settings)
        try:
            schema: Schema = await container.get(Schema)
            changed = await schema.migrate()
            click.echo("The database was migrated." if changed else "The database is up to date.")
            topics: Topics = await container.get(Topics)
            for line in await topics.migrate():
                click.echo(line)
        finally:
            await container.close()

    try:
        asyncio.run(main())
    except ShopError as error:
        raise Failure(error.detail) from None
