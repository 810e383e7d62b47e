"""What staff send and see of the catalogue."""

from typing import Annotated
from uuid import UUID

from msgspec import UNSET, Meta, Struct, UnsetType

from shop.adapters.feeds.text import safe_html
from shop.core.catalog.model import (
    LONGEST_TITLE,
    MOST_IMAGES,
    MOST_VARIANTS,
    Category,
    Image,
    Product,
    ProductStatus,
    Variant,
)
from shop.core.catalog.service import CategoryDraft, ProductDraft
from shop.core.catalog.variants import VariantDraft
from shop.core.catalog.words import CATEGORY_SLUG_MOST, SLUG_MOST
from shop.core.inventory.service import MOST_MOVED
from shop.core.kernel.ids import CategoryId, VariantId
from shop.core.kernel.money import LARGEST, Money

Text = Annotated[str, Meta(max_length=255)]
Price = Annotated[int, Meta(ge=0, le=LARGEST)]


class VariantBody(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One with an `id` is changed, and what is left out stays as it is; one without is new.

    `price` and `compare_at_price` in minor units, or with their currency, the product's own.
    """

    id: UUID | None = None
    title: Annotated[str, Meta(max_length=LONGEST_TITLE)] | UnsetType = UNSET
    sku: Text | UnsetType = UNSET
    options: dict[Text, Text] | UnsetType = UNSET
    price: Price | Money | UnsetType | None = UNSET
    compare_at_price: Price | Money | UnsetType | None = UNSET
    barcode: Annotated[str, Meta(max_length=64)] | UnsetType = UNSET
    weight_grams: Annotated[int, Meta(ge=0, le=10**9)] | UnsetType | None = UNSET
    image: Annotated[str, Meta(max_length=2048)] | UnsetType = UNSET

    def draft(self) -> VariantDraft:
        options = self.options
        return VariantDraft(
            id=VariantId(self.id) if self.id else None,
            title=self.title,
            sku=self.sku,
            options=UNSET if isinstance(options, UnsetType) else tuple(options.items()),
            price=self.price,
            compare_at=self.compare_at_price,
            barcode=self.barcode,
            weight_grams=self.weight_grams,
            image=self.image,
        )


class ImageBody(Struct, forbid_unknown_fields=True):
    url: Annotated[str, Meta(max_length=2048, pattern=r"^(https?://|/media/)[^\s\"'<>]+$")]
    alt: Annotated[str, Meta(max_length=LONGEST_TITLE)] = ""
    width: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    height: Annotated[int, Meta(ge=1, le=100_000)] | None = None


class SpecificationBody(Struct, forbid_unknown_fields=True):
    name: Text
    value: Annotated[str, Meta(max_length=2000)]


class ProductPatch(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is left out stays as it is; lists replace the whole list."""

    title: Annotated[str, Meta(min_length=1, max_length=LONGEST_TITLE)] | UnsetType = UNSET
    slug: Annotated[str, Meta(min_length=1, max_length=SLUG_MOST)] | UnsetType = UNSET
    status: ProductStatus | UnsetType = UNSET
    description_html: Annotated[str, Meta(max_length=60_000)] | UnsetType = UNSET
    brand: Text | UnsetType = UNSET
    category_ids: Annotated[list[UUID], Meta(max_length=50)] | UnsetType = UNSET
    tags: Annotated[list[Text], Meta(max_length=250)] | UnsetType = UNSET
    specifications: Annotated[list[SpecificationBody], Meta(max_length=250)] | UnsetType = UNSET
    hsn: Annotated[str, Meta(pattern="^[0-9]{0,8}$")] | UnsetType = UNSET
    tax_basis_points: Annotated[int, Meta(ge=0, le=10_000)] | UnsetType = UNSET
    images: Annotated[list[ImageBody], Meta(max_length=MOST_IMAGES)] | UnsetType = UNSET
    variants: Annotated[list[VariantBody], Meta(max_length=MOST_VARIANTS)] | UnsetType = UNSET

    def draft(self) -> ProductDraft:
        html, categories, tags = self.description_html, self.category_ids, self.tags
        facts, images, variants = self.specifications, self.images, self.variants
        return ProductDraft(
            title=self.title,
            slug=self.slug,
            status=self.status,
            description_html=UNSET if isinstance(html, UnsetType) else safe_html(html)[0],
            brand=self.brand,
            categories=UNSET
            if isinstance(categories, UnsetType)
            else tuple(dict.fromkeys(map(CategoryId, categories))),
            tags=UNSET if isinstance(tags, UnsetType) else tuple(dict.fromkeys(tags)),
            specifications=UNSET
            if isinstance(facts, UnsetType)
            else tuple((fact.name, fact.value) for fact in facts),
            hsn=self.hsn,
            tax_basis_points=self.tax_basis_points,
            images=UNSET
            if isinstance(images, UnsetType)
            else tuple(
                Image(url=one.url, alt=one.alt, width=one.width, height=one.height)
                for one in images
            ),
            variants=UNSET
            if isinstance(variants, UnsetType)
            else tuple(one.draft() for one in variants),
        )


class ProductBody(ProductPatch, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    title: Annotated[str, Meta(min_length=1, max_length=LONGEST_TITLE)]


class StaffVariant(Struct):
    id: UUID
    sku: str
    title: str
    options: dict[str, str]
    price: Money | None
    compare_at_price: Money | None
    barcode: str
    weight_grams: int | None
    image: str
    withdrawn: bool
    stock_quantity: int


class StaffProduct(Struct):
    """A product in whatever state, with what only staff see."""

    id: UUID
    slug: str
    status: ProductStatus
    title: str
    description_html: str
    brand: str
    category_ids: tuple[UUID, ...]
    tags: tuple[str, ...]
    specifications: list[SpecificationBody]
    hsn: str
    tax_basis_points: int
    images: tuple[Image, ...]
    variants: list[StaffVariant]

    @classmethod
    def of(cls, product: Product, stock: dict[VariantId, int]) -> "StaffProduct":
        return cls(
            id=product.id,
            slug=product.slug,
            status=product.status,
            title=product.title,
            description_html=product.description_html,
            brand=product.brand,
            category_ids=product.categories,
            tags=product.tags,
            specifications=[SpecificationBody(n, v) for n, v in product.specifications],
            hsn=product.hsn,
            tax_basis_points=product.tax_basis_points,
            images=product.images,
            variants=[
                _variant(one, product.currency, stock.get(one.id, 0)) for one in product.variants
            ],
        )


def _variant(variant: Variant, currency: str, stock: int) -> StaffVariant:
    def money(amount: int | None) -> Money | None:
        return None if amount is None else Money(amount, currency)

    return StaffVariant(
        id=variant.id,
        sku=variant.sku,
        title=variant.title,
        options=dict(variant.options),
        price=money(variant.price),
        compare_at_price=money(variant.compare_at),
        barcode=variant.barcode,
        weight_grams=variant.weight_grams,
        image=variant.image,
        withdrawn=variant.withdrawn,
        stock_quantity=stock,
    )


class CategoryPatch(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is left out stays as it is; `parent_id` null moves it to the top."""

    name: Annotated[str, Meta(min_length=1, max_length=200)] | UnsetType = UNSET
    slug: Annotated[str, Meta(min_length=1, max_length=CATEGORY_SLUG_MOST)] | UnsetType = UNSET
    parent_id: UUID | UnsetType | None = UNSET
    position: Annotated[int, Meta(ge=-10_000, le=10_000)] | UnsetType = UNSET

    def draft(self) -> CategoryDraft:
        parent = self.parent_id
        return CategoryDraft(
            name=self.name,
            slug=self.slug,
            parent_id=CategoryId(parent) if isinstance(parent, UUID) else parent,
            position=self.position,
        )


class CategoryBody(CategoryPatch, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    name: Annotated[str, Meta(min_length=1, max_length=200)]


class StaffCategory(Struct):
    id: UUID
    parent_id: UUID | None
    name: str
    slug: str
    path: str
    position: int

    @classmethod
    def of(cls, category: Category) -> "StaffCategory":
        return cls(
            id=category.id,
            parent_id=category.parent_id,
            name=category.name,
            slug=category.slug,
            path=category.path,
            position=category.position,
        )


class AdjustmentBody(Struct, forbid_unknown_fields=True):
    delta: Annotated[int, Meta(ge=-MOST_MOVED, le=MOST_MOVED)]
    reason: Annotated[str, Meta(min_length=1, max_length=255)]
