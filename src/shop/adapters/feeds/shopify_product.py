"""A product of Shopify's export, gathered from its records."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from shop.adapters.feeds.cells import quoted
from shop.adapters.feeds.faults import NAME_MOST, Faults
from shop.adapters.feeds.notes import Notes
from shop.adapters.feeds.text import shorten_key
from shop.core.catalog.source import SourceImage, SourceProduct, SourceVariant

DEFAULT = "Default Title"


@dataclass(slots=True)
class Unit:
    record: int
    values: tuple[str, str, str]
    key: str
    sku: str
    price: int | None
    compare_at: int | None
    stock: int
    barcode: str
    grams: int | None
    image: str


@dataclass(slots=True)
class Draft:
    """A product some records of which are still to come."""

    handle: str
    record: int
    title: str = ""
    body: str = ""
    brand: str = ""
    categories: tuple[tuple[str, ...], ...] = ()
    tags: tuple[str, ...] = ()
    published: bool = True
    counted: bool = True
    names: list[str] = field(default_factory=lambda: ["", "", ""])
    units: dict[str, Unit] = field(default_factory=dict)
    skus: set[str] = field(default_factory=set)
    images: dict[str, tuple[float, SourceImage]] = field(default_factory=dict)
    foreign: bool = False  # the record last read belongs to another product of this handle
    refused: int = 0  # variants
    notes: Notes | None = None  # of our own export


def product_of(draft: Draft, faults: Faults) -> SourceProduct | None:
    """The product all records of which were read, or None when it is refused."""
    faults.record = draft.record
    if not draft.title:
        faults.refuse("title-missing", "No record of the handle has a title.")
        return None
    with_options = any(_has_options(unit) for unit in draft.units.values())
    names = _distinct(draft.names)
    variants: list[SourceVariant] = []
    for unit in draft.units.values():
        faults.record = unit.record
        values = unit.values if with_options else ("", "", "")
        options = tuple(pair for pair in zip(names, values, strict=True) if pair[1])
        if with_options and not options:
            faults.refuse(
                "variant-without-options",
                "Other variants of the product have options, this one has none.",
            )
            continue
        variants.append(_variant(unit, options))
    if with_options and len({tuple(n for n, _ in v.options) for v in variants}) > 1:
        faults.record = draft.record
        faults.warn("options-uneven", "Some variants lack an option that others have.")
    faults.record = draft.record
    if not variants:
        if draft.units or draft.refused:
            faults.refuse("variants-refused", "Not one variant of the product could be kept.")
            return None
        faults.warn("price-missing", "The product has no price; kept as a draft.")
        if draft.notes is None:
            variants.append(SourceVariant(key=DEFAULT))
    key = shorten_key(draft.handle, NAME_MOST)
    if key != draft.handle:
        faults.warn("handle-cut", f"The handle is too long; {quoted(key)} is kept of it.")
    images = sorted(draft.images.values(), key=lambda placed: placed[0])  # stable: file order
    product = SourceProduct(
        key=key,
        record=draft.record,
        title=draft.title,
        description_html=draft.body,
        brand=draft.brand,
        categories=draft.categories,
        tags=draft.tags,
        images=tuple(image for _, image in images),
        variants=tuple(variants),
        published=draft.published and any(v.price is not None for v in variants),
        addressed=True,
        counted=draft.counted,
    )
    return _noted(product, draft.notes) if draft.notes else product


def _has_options(unit: Unit) -> bool:
    return any(unit.values) and unit.values != (DEFAULT, "", "")


def _distinct(names: Sequence[str]) -> list[str]:
    """The option names, numbered where one is missing or stands twice."""
    distinct: list[str] = []
    for place, name in enumerate(names, 1):
        taken = {other.casefold() for other in distinct}
        distinct.append(name if name and name.casefold() not in taken else f"Option {place}")
    return distinct


def _noted(product: SourceProduct, notes: Notes) -> SourceProduct:
    """What the product's own shop says of it counts for more than Shopify's columns."""
    return replace(
        product,
        product_id=notes.id,
        currency=notes.currency,
        hsn=notes.hsn,
        tax_basis_points=notes.tax_basis_points,
        categories=notes.categories,
        tags=notes.tags,
        specifications=notes.specifications,
    )


def _variant(unit: Unit, options: tuple[tuple[str, str], ...]) -> SourceVariant:
    return SourceVariant(
        key=unit.key,
        sku=unit.sku,
        options=options,
        price=unit.price,
        compare_at=unit.compare_at,
        stock=unit.stock,
        barcode=unit.barcode,
        weight_grams=unit.grams,
        image=unit.image,
    )
