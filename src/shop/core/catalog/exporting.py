"""Gives the whole catalogue away, as a source that an import takes back unchanged."""

from collections.abc import AsyncIterator, Iterable, Mapping

from shop.core.catalog.model import Product, ProductStatus, Variant
from shop.core.catalog.service import CatalogTerms
from shop.core.catalog.source import SourceImage, SourceProduct, SourceVariant
from shop.core.catalog.views import CategoryNode
from shop.core.kernel.ids import CategoryId, ProductId, VariantId
from shop.ports.catalog import CatalogReads, StaffReads

_PRODUCTS_A_PAGE = 100
#: What a variant without options is called in other shops' files.
_ONLY = "Default Title"


class Exporting:
    def __init__(self, staff: StaffReads, catalog: CatalogReads, terms: CatalogTerms) -> None:
        self._staff = staff
        self._catalog = catalog
        self._terms = terms

    async def products(self) -> AsyncIterator[SourceProduct]:
        """All but archived products, the oldest first, with what lies on the shelf of each.

        It holds one page in memory, and no transaction between two of them.
        """
        paths = dict(_paths(await self._catalog.tree(), ()))
        after: ProductId | None = None
        while page := await self._staff.stocked(after, _PRODUCTS_A_PAGE):
            for product, on_hand in page:
                yield self._source(product, on_hand, paths)
            after = page[-1][0].id

    async def count(self) -> int:
        """How many there will be, if nobody adds any meanwhile."""
        tally = await self._staff.tally()
        return sum(tally.values()) - tally.get(ProductStatus.ARCHIVED.value, 0)

    def _source(
        self,
        product: Product,
        on_hand: Mapping[VariantId, int],
        paths: Mapping[CategoryId, tuple[str, ...]],
    ) -> SourceProduct:
        return SourceProduct(
            key=product.slug,
            record=0,
            title=product.title,
            description_html=product.description_html,
            brand=product.brand,
            categories=tuple(paths[id_] for id_ in product.categories if id_ in paths),
            tags=product.tags,
            specifications=product.specifications,
            images=tuple(
                SourceImage(url=abroad(image.url, self._terms.site), alt=image.alt)
                for image in product.images
            ),
            variants=tuple(
                SourceVariant(
                    key=outer_key(one.options),
                    sku=one.sku,
                    options=one.options,
                    price=one.price,
                    compare_at=one.compare_at,
                    stock=on_hand.get(one.id, 0),
                    barcode=one.barcode,
                    weight_grams=one.weight_grams,
                    image=abroad(one.image, self._terms.site),
                )
                for one in product.variants
                if not one.withdrawn
            ),
            published=product.status is ProductStatus.ACTIVE,
            currency=product.currency,
            hsn=product.hsn,
            tax_basis_points=product.tax_basis_points,
            product_id=product.id,
        )


def _paths(
    nodes: Iterable[CategoryNode], above: tuple[str, ...]
) -> Iterable[tuple[CategoryId, tuple[str, ...]]]:
    for node in nodes:
        path = (*above, node.name)
        yield node.id, path
        yield from _paths(node.children, path)


def outer_key(options: Iterable[tuple[str, str]]) -> str:
    """What identifies a variant in an export, whatever its key is here."""
    return " / ".join(value for _, value in options if value) or _ONLY


def abroad(url: str, site: str) -> str:
    """The address as others reach it; pictures of our own are stored without the host."""
    return f"{site}{url}" if url.startswith("/") else url


def at_home(url: str, site: str) -> str:
    """Undoes `abroad`."""
    return url.removeprefix(site) if site and url.startswith(f"{site}/media/") else url


def same_but_for_the_source(new: Product, old: Product) -> bool:
    """Whether nobody could tell them apart."""
    return _plain(new) == _plain(old)


def _plain(product: Product) -> tuple[object, ...]:
    variants = sorted(product.variants, key=lambda one: one.withdrawn)  # stable
    return (
        *(product.title, product.status, product.brand),
        # The sanitiser writes this one sign in its other way when it meets it again.
        product.description_html.replace("\u00a0", "&nbsp;"),
        *(product.categories, product.tags, product.specifications, product.images),
        *(product.currency, product.hsn, product.tax_basis_points),
        tuple(_plainly(one) for one in variants),
    )


def _plainly(variant: Variant) -> tuple[object, ...]:
    return (
        *(variant.id, variant.title, variant.sku, variant.options, variant.price),
        *(variant.compare_at, variant.barcode, variant.weight_grams, variant.image),
        variant.withdrawn,
    )
