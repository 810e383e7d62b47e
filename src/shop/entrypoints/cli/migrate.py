"""`shop migrate`."""

import asyncio

import click

from shop.core.kernel.errors import ShopError
from shop.entrypoints.cli.common import Failure, with_settings
from shop.ports.system import Schema
from shop.settings import Settings
from shop.wiring import make_container


@click.command()
@with_settings
def migrate(settings: Settings) -> None:
    """Bring the database to the schema of this version; harmless when it is there already."""

    async def main() -> bool:
        container = make_container(settings)
        try:
            schema: Schema = await container.get(Schema)
            return await schema.migrate()
        finally:
            await container.close()

    try:
        changed = asyncio.run(main())
    except ShopError as error:
        raise Failure(error.detail) from None
    click.echo("The database was migrated." if changed else "The database is up to date.")
