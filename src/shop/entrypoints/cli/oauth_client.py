"""`shop oauth-client`: programs that people may let into their account."""

from typing import Any

import click

from shop.entrypoints.cli.common import in_container, with_settings
from shop.settings import Settings

_HOW = """\b
Scopes:
  openid profile email      who somebody is (what a client gets unless told otherwise)
  cart orders addresses     what they buy, and where it goes
  catalog:write, orders:read, …  a permission of the back office: for staff who let the
                            client in, and for the client itself (client_credentials)
"""


@click.group("oauth-client")
def oauth_client() -> None:
    """Add, list or remove programs that people may let into their account."""


@oauth_client.command(epilog=_HOW)
@click.option("--name", required=True, help="What people are asked to let in.")
@click.option(
    "--redirect-uri",
    "uris",
    multiple=True,
    help="Where it is answered, exactly: https://…, or http://127.0.0.1… on the person's own "
    "machine (public clients leave out the port to use any). May be given again.",
)
@click.option("--scope", default="", help="What it may ask for, with spaces between.")
@click.option("--public", is_flag=True, help="It runs where no secret is safe: a phone, a browser.")
@with_settings
def add(settings: Settings, name: str, uris: tuple[str, ...], scope: str, *, public: bool) -> None:
    """Register a program. Its secret is shown once; the shop keeps only a hash."""
    from shop.core.kernel.acts import by_operator
    from shop.core.users.client_keeping import ClientDraft, ClientKeeping, NewClient

    draft = ClientDraft(
        name=name,
        redirect_uris=uris,
        scope=frozenset(scope.replace(",", " ").split()) or ClientDraft.USUAL,
        public=public,
    )

    async def work(container: Any) -> NewClient:
        async with container() as use:
            keeping: ClientKeeping = await use.get(ClientKeeping)
            return await keeping.add(draft, by_operator)

    made = in_container(settings, work)
    click.echo(f"client_id: {made.client.id}")
    if made.secret is not None:
        click.echo(f"client_secret: {made.secret}")


@oauth_client.command("list")
@with_settings
def list_(settings: Settings) -> None:
    """Show them, the oldest first."""
    from shop.core.users.clients import Client
    from shop.ports.clients import ClientReads

    async def work(container: Any) -> list[Client]:
        reads: ClientReads = await container.get(ClientReads)
        return await reads.all()

    found = in_container(settings, work)
    for client in found:
        kind = "public" if client.public else "confidential"
        click.echo(f"{client.id}  {kind:12}  {client.name}")
        click.echo(f"    scope: {' '.join(sorted(client.scope))}")
        for uri in client.redirect_uris:
            click.echo(f"    redirect URI: {uri}")
    if not found:
        click.echo("There are no clients.")


@oauth_client.command()
@click.argument("client_id")
@with_settings
def remove(settings: Settings, client_id: str) -> None:
    """Remove a program; what people gave it ends."""
    from shop.core.kernel.acts import by_operator
    from shop.core.users.client_keeping import ClientKeeping

    async def work(container: Any) -> None:
        async with container() as scope:
            keeping: ClientKeeping = await scope.get(ClientKeeping)
            await keeping.remove(client_id, by_operator)

    in_container(settings, work)
    click.echo(f"{client_id} is removed.")
