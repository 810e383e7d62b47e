"""`shop doctor`: one line about everything the shop stands on."""

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from msgspec import Struct

from shop.adapters.pdf.states import CODES
from shop.entrypoints.cli.common import Failure, with_settings
from shop.settings import Settings, Shipping, Tax

#: Seconds that one server has to answer; they are asked at the same time.
PATIENCE = 10.0
_LEAST_FREE = 256 * 1024 * 1024


class Line(Struct, frozen=True):
    """`cure` is what to do; empty when all is well."""

    what: str
    said: str
    cure: str = ""


@click.command()
@with_settings
def doctor(settings: Settings) -> None:
    """Check the settings and every server they name; change nothing.

    One line each says what is wrong and what to do. Exit code 1 when something is.
    """
    from shop.entrypoints import logs

    logs.configure(settings.log.format, level="error")
    lines = [*advice(settings), data_folder(settings), *asyncio.run(ask(settings))]
    for line in lines:
        click.echo(
            f"{'WRONG' if line.cure else 'ok':<6} {line.what:<9} {line.said}"
            + (f": {line.cure}" if line.cure else "")
        )
    wrong = sum(bool(line.cure) for line in lines)
    if wrong:
        raise Failure(f"{wrong} of {len(lines)} checks failed.")


def advice(settings: Settings) -> Iterator[Line]:
    """What would start, but serve no customer. In development anything goes."""
    if not settings.site.production:
        yield Line("settings", "development; nothing here is meant for customers")
        return
    wrong = list(_unfit_for_customers(settings))
    for said, cure in wrong:
        yield Line("settings", said, cure)
    if not wrong:
        yield Line("settings", f"production, as {settings.site.url}")


def _unfit_for_customers(settings: Settings) -> Iterator[tuple[str, str]]:
    if settings.payments.provider == "sandbox":
        yield "customers pay with play money", "set SHOP_PAYMENTS_PROVIDER=razorpay and its keys"
    elif settings.razorpay.key_id.startswith("rzp_test_"):
        yield "SHOP_RAZORPAY_KEY_ID is a test key", "give the live key, its secret and its webhook"
    if not settings.mail_url.startswith("smtp"):
        yield "mails reach nobody", "set SHOP_MAIL_URL to smtp:// or smtps://"
    if settings.mail.from_.rstrip(">").endswith("@localhost"):
        yield "mails come from localhost", "set SHOP_MAIL_FROM to an address of yours"
    for name, url in (("DATABASE", settings.database_url), ("MEDIA", settings.media_url)):
        if url.startswith("memory:"):
            yield f"SHOP_{name}_URL keeps nothing", "name a server or a folder"
    if urlsplit(settings.site.url).scheme != "https":
        yield "SHOP_SITE_URL is not https://", "give the public address of the shop"
    yield from _unfit_for_invoices(settings.tax, settings.shipping)


def _unfit_for_invoices(tax: Tax, shipping: Shipping) -> Iterator[tuple[str, str]]:
    if tax.seller_address == Tax().seller_address:
        yield (
            "invoices name a made-up address",
            "set SHOP_TAX_SELLER_NAME and SHOP_TAX_SELLER_ADDRESS",
        )
    if tax.gstin and not tax.gstin.startswith(CODES.get(tax.state, "")):
        yield (
            "SHOP_TAX_GSTIN is of another state than SHOP_TAX_STATE",
            "invoices divide the tax by the latter",
        )
    # Section 32 of the CGST Act: who is not registered collects no tax.
    if not tax.gstin and (tax.default_basis_points or shipping.tax_basis_points):
        cure = "not registered: SHOP_TAX_DEFAULT_BASIS_POINTS=0, SHOP_SHIPPING_TAX_BASIS_POINTS=0"
        yield "invoices show GST and no GSTIN", f"set SHOP_TAX_GSTIN; {cure}"


def data_folder(settings: Settings) -> Line:
    """The folder exists or can be made, can be written to, and has room."""
    folder = Path(settings.data.dir)
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        cure = "let the user that runs the shop write there, or set SHOP_DATA_DIR"
        return Line("data", f"{place} cannot be written to", cure)
    free = shutil.disk_usage(place).free
    if free < _LEAST_FREE:
        return Line("data", f"only {free >> 20} MiB are free in {folder}", "make room on that disk")
    return Line("data", f"{folder}, {free >> 30} GiB free")


async def ask(settings: Settings, *overrides: Any, patience: float = PATIENCE) -> list[Line]:
    """Everybody at once: who is down costs the others no time. `overrides` as in `wiring`."""
    from shop.ports import checkup
    from shop.wiring import make_container

    areas: dict[str, Any] = {
        "database": checkup.DatabaseCheckup,
        "cache": checkup.CacheCheckup,
        "bus": checkup.BusCheckup,
        "payments": checkup.GatewayCheckup,
        "mail": checkup.MailCheckup,
        "media": checkup.MediaCheckup,
    }
    container = make_container(settings, *overrides)
    try:
        found = {name: await container.get(kind) for name, kind in areas.items()}
        return await asyncio.gather(*(_examine(*one, patience) for one in found.items()))
    finally:
        await container.close()


async def _examine(what: str, patient: Any, patience: float) -> Line:
    from shop.core.kernel.errors import ShopError
    from shop.ports.checkup import Unwell

    try:
        async with asyncio.timeout(patience):
            return Line(what, await patient.examine())
    except Unwell as error:
        return Line(what, error.wrong, error.cure)
    except TimeoutError:
        return Line(what, f"no answer in {patience:.0f} s", "see that the server runs, and the way")
    except ShopError as error:
        return Line(what, error.detail.rstrip("."), "see that the server runs, and its settings")
    except Exception as error:  # noqa: BLE001 - the others are still to be heard; no text: secrets
        return Line(what, f"failed with {type(error).__name__}", "see its settings and its log")
