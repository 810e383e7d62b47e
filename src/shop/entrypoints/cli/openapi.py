"""`shop openapi`."""

import json

import click

from shop.entrypoints.cli.common import with_settings
from shop.settings import Settings
from shop.wiring import make_container, make_site


@click.command()
@with_settings
def openapi(settings: Settings) -> None:
    """Print the OpenAPI document that the server publishes at /openapi.json."""
    import asyncio

    async def main() -> str:
        container = make_container(settings)
        try:
            site = await make_site(container, settings)
            return json.dumps(site.app.openapi_schema.to_schema(), indent=2)
        finally:
            await container.close()

    click.echo(asyncio.run(main()))
