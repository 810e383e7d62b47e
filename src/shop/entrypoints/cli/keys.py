"""`shop keys`: what tokens are signed with."""

from typing import Any

import click

from shop.entrypoints.cli.common import in_container, with_settings
from shop.settings import Settings


@click.group()
def keys() -> None:
    """The keys that sign tokens."""


@keys.command()
@with_settings
def rotate(settings: Settings) -> None:
    """Sign with a new key from now on.

    Running processes take it up within a second. What older keys have signed is valid until it
    runs out; after that they verify nothing any more.
    """
    from shop.core.users.client_keeping import KeyRotation
    from shop.core.users.deeds import Deeds
    from shop.ports.clients import SigningKey

    async def work(container: Any) -> SigningKey:
        async with container() as scope:
            rotation: KeyRotation = await scope.get(KeyRotation)
            made = await rotation.rotate()
            await (await scope.get(Deeds)).note("keys.rotate", str(made.number))
        return made

    made = in_container(settings, work)
    click.echo(f"Key {made.number} signs from now on; older ones verify until their tokens expire.")
