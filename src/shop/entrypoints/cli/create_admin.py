"""`shop create-admin`."""

import os
from typing import Any

import click

from shop.entrypoints.cli.common import in_container, with_settings
from shop.settings import Settings

VARIABLE = "SHOP_ADMIN_PASSWORD"


@click.command("create-admin")
@click.option("--email", required=True, help="Where the administrator gets mail.")
@with_settings
def create_admin(settings: Settings, email: str) -> None:
    """Make an administrator, or promote an account that exists and give it the password.

    The password is asked for, or taken from SHOP_ADMIN_PASSWORD.
    """
    from shop.core.users.admins import Admins

    password = os.environ.get(VARIABLE) or click.prompt(
        "Password", hide_input=True, confirmation_prompt=True
    )

    async def work(container: Any) -> str:
        async with container() as scope:
            admin = await (await scope.get(Admins)).create(email, password)
        return str(admin.email.written)

    click.echo(f"{in_container(settings, work)} is an administrator now.")
