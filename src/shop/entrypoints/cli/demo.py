"""`shop demo`."""

from collections.abc import Iterator
from typing import Any

import click

from shop.entrypoints.cli.common import in_container, with_settings
from shop.settings import Settings


@click.command()
@with_settings
def demo(settings: Settings) -> None:
    """Load the demo catalogue with its pictures; a second time changes nothing."""
    click.echo(in_container(settings, load_demo))


async def load_demo(container: Any) -> str:
    """Import the demo products and store their pictures; returns the line of counts."""
    from msgspec.structs import replace

    from shop.adapters.demo.source import picture, products
    from shop.core.catalog.importing import Importing, ImportOptions
    from shop.core.catalog.service import CatalogTerms
    from shop.core.catalog.source import SourceProduct
    from shop.ports.media import Media

    prefix, ending = "media:demo/", ".svg"
    drawn: set[str] = set()

    def shown(url: str) -> str:
        name = url.removeprefix(prefix).removesuffix(ending)
        drawn.add(name)
        return f"/media/demo-{name}{ending}"

    def placed() -> Iterator[SourceProduct]:
        for product in products():
            images = tuple(replace(image, url=shown(image.url)) for image in product.images)
            yield replace(product, images=images)

    async with container() as scope:
        media, importing = await scope.get(Media), await scope.get(Importing)
        terms = await scope.get(CatalogTerms)
        options = ImportOptions(
            source="demo", currency=terms.currency, tax_basis_points=terms.tax_basis_points
        )
        counts = await importing.run(placed(), options)
        for name in sorted(drawn):
            key = f"demo-{name}{ending}"
            if await media.get(key) is None:
                await media.put(key, picture(name), "image/svg+xml")
    line: str = counts.line()
    return line
