"""Things to buy."""

from uuid import UUID

from dishka import AsyncContainer
from msgspec.structs import replace

from shop.core.catalog.model import Product, ProductStatus, Variant
from shop.core.kernel.ids import ProductId, VariantId
from shop.ports.catalog import Count, Counting, Products
from shop.ports.inventory import Shelf
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork


async def stocked(
    container: AsyncContainer,
    *stocks: int,
    price: int = 49_900,
    tax: int = 1800,
    currency: str = "INR",
) -> list[VariantId]:
    """A product for each of the stocks, each with one variant; returns the variants."""
    ids, clock = await container.get(Ids), await container.get(Clock)
    now = clock.now()
    made: list[tuple[Product, Variant, int]] = []
    for stock in stocks:
        key = ids.new().hex
        variant = Variant(id=VariantId(ids.new()), key="default", sku=f"SKU-{key}", price=price)
        product = Product(
            id=ProductId(ids.new()),
            slug=f"thing-{key}",
            title=f"Thing {len(made) + 1}",
            status=ProductStatus.ACTIVE,
            variants=(variant,),
            currency=currency,
            hsn="6912",
            tax_basis_points=tax,
            created_at=now,
            updated_at=now,
        )
        made.append((product, variant, stock))
    async with container() as scope:
        uow, products = await scope.get(UnitOfWork), await scope.get(Products)
        counting = await scope.get(Counting)
        async with uow.begin():
            await products.add([product for product, _, _ in made])
            await counting.count(
                [
                    Count(id=ids.new(), variant_id=variant.id, quantity=stock)
                    for _, variant, stock in made
                ],
                "test",
                now,
            )
    return [variant.id for _, variant, _ in made]


async def on_shelf(container: AsyncContainer, variant: UUID) -> tuple[int, int]:
    """What lies there, and what of it is held."""
    async with container() as scope:
        uow, shelf = await scope.get(UnitOfWork), await scope.get(Shelf)
        async with uow.begin():
            item = (await shelf.find([VariantId(variant)]))[VariantId(variant)]
    return item.on_hand, item.held


async def reprice(container: AsyncContainer, variant: UUID, price: int) -> None:
    """Change the price of a product's only variant."""
    async with container() as scope, (await scope.get(UnitOfWork)).begin():
        await reprice_within(scope, variant, price)


async def reprice_within(scope: AsyncContainer, variant: UUID, price: int) -> None:
    """The same, inside an open unit of work."""
    shelf, products = await scope.get(Shelf), await scope.get(Products)
    item = (await shelf.find([VariantId(variant)]))[VariantId(variant)]
    old = await products.get(item.product_id)
    dearer = replace(old, variants=(replace(old.variants[0], price=price),))
    product, _ = old.changed((await scope.get(Clock)).now(), dearer)
    await products.save([product])
