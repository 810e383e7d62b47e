"""`shop openapi`."""

import json
from typing import Any

import click

from shop.entrypoints.cli.common import in_container, with_settings
from shop.settings import Settings


@click.command()
@with_settings
def openapi(settings: Settings) -> None:
    """Print the OpenAPI document that the server publishes at /openapi.json."""
    from msgspec.structs import replace

    from shop.settings import Database, Url

    async def work(container: Any) -> str:
        from shop.entrypoints.http.site import SiteRules, make_site

        site = await make_site(container, SiteRules())
        return json.dumps(site.app.openapi_schema.to_schema(), indent=2)

    # The document depends on no data, so none is touched: it can be printed in an empty folder.
    nowhere = replace(settings, database=Database(url=Url("memory:")))
    click.echo(in_container(nowhere, work))
