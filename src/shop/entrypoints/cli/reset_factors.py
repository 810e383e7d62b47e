"""`shop reset-factors`."""

from typing import Any

import click

from shop.entrypoints.cli.common import in_container, with_settings
from shop.settings import Settings


@click.command("reset-factors")
@click.option("--email", required=True, help="The account whose second factors are taken away.")
@with_settings
def reset_factors(settings: Settings, email: str) -> None:
    """Let somebody in again who lost their second factor and their recovery codes.

    App, passkeys and recovery codes are taken away, and every device is signed out; the password
    stays and is enough from then on. Make sure first who is asking: by telephone, or face to face.
    The owner is told by mail, and the admin log keeps a line.
    """
    from shop.core.users.factor_reset import FactorRescue

    async def work(container: Any) -> bool:
        async with container() as scope:
            had: bool = await (await scope.get(FactorRescue)).reset(email)
        return had

    had = in_container(settings, work)
    click.echo(
        f"{email} signs in with the password alone now; the owner is told by mail."
        if had
        else f"{email} has no second factor; nothing was changed."
    )
