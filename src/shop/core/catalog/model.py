"""Products, the categories they stand in, and what customers say about them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta, Struct
from msgspec.structs import replace

from shop.core.kernel.errors import Conflict, Denied, Invalid, NotFound
from shop.core.kernel.events import Event
from shop.core.kernel.ids import CategoryId, ProductId, UserId, VariantId
from shop.core.kernel.money import Money

MOST_VARIANTS = 2048
MOST_IMAGES = 250
LONGEST_TITLE = 512
MOST_DEPTH = 10


class ProductNotFound(NotFound):
    code = "product-not-found"


class VariantNotFound(NotFound):
    code = "variant-not-found"


class CategoryNotFound(NotFound):
    code = "category-not-found"


class ImportNotFound(NotFound):
    code = "import-not-found"


class MediaNotFound(NotFound):
    code = "media-not-found"


class SlugTaken(Conflict):
    code = "slug-taken"


class VariantExists(Conflict):
    code = "variant-exists"


class OtherOptions(Invalid):
    """A new variant must differ from its product's others in the same options as they do."""

    code = "variant-options"


class CategoryInUse(Conflict):
    code = "category-in-use"


class CategoryLoop(Invalid):
    code = "category-loop"


class NotSellable(Invalid):
    """An active product needs something that can be bought."""

    code = "product-not-sellable"


class ReviewExists(Conflict):
    code = "review-exists"


class NotABuyer(Denied):
    code = "review-not-a-buyer"


class ProductStatus(StrEnum):
    DRAFT = "draft"
    ACTIVE = "active"
    ARCHIVED = "archived"


class Image(Struct, frozen=True, kw_only=True):
    url: str
    alt: str = ""
    width: int | None = None
    height: int | None = None


class OptionAxis(Struct, frozen=True, kw_only=True):
    name: str
    values: tuple[str, ...]


class Variant(Struct, frozen=True, kw_only=True):
    """One sellable unit; `key` is its identity within the product. Its stock is on the shelf.

    `withdrawn`: the source no longer has it. `source_stock` is what the source said last.
    """

    id: VariantId
    key: str
    title: str = ""
    sku: str = ""
    options: tuple[tuple[str, str], ...] = ()
    price: int | None = None  # minor units
    compare_at: int | None = None
    barcode: str = ""
    weight_grams: int | None = None
    image: str = ""
    withdrawn: bool = False
    source_stock: int | None = None

    def __post_init__(self) -> None:
        for amount in (self.price, self.compare_at):
            if amount is not None:
                Money(amount, "XXX")
        if self.weight_grams is not None and self.weight_grams < 0:
            raise Invalid("A weight cannot be negative.")

    @property
    def offered(self) -> bool:
        return self.price is not None and not self.withdrawn


class Product(Struct, frozen=True, kw_only=True):
    """A page of the catalogue. The first category is the one it is shown under."""

    id: ProductId
    slug: str
    title: str
    status: ProductStatus = ProductStatus.DRAFT
    description_html: str = ""
    brand: str = ""
    categories: tuple[CategoryId, ...] = ()
    tags: tuple[str, ...] = ()
    specifications: tuple[tuple[str, str], ...] = ()
    images: tuple[Image, ...] = ()
    variants: tuple[Variant, ...] = ()
    currency: str
    hsn: str = ""
    tax_basis_points: int = 0
    source_key: bytes | None = None
    source_digest: bytes | None = None
    created_at: datetime
    updated_at: datetime
    version: int = 0

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise Invalid("A product needs a title.")
        if len(self.variants) > MOST_VARIANTS:
            raise Invalid(f"A product has at most {MOST_VARIANTS} variants.")
        if len({variant.key for variant in self.variants}) < len(self.variants):
            raise Invalid("Two variants of a product cannot be the same.")
        if self.status is ProductStatus.ACTIVE and self.cheapest is None:
            raise NotSellable("An active product needs a variant with a price.")

    @property
    def cheapest(self) -> Variant | None:
        offered = [variant for variant in self.variants if variant.offered]
        return min(offered, key=lambda variant: variant.price or 0, default=None)

    @property
    def image(self) -> str:
        return self.images[0].url if self.images else ""

    @property
    def options(self) -> tuple[OptionAxis, ...]:
        """The axes along which the variants differ, in the order they are first met."""
        axes: dict[str, dict[str, None]] = {}
        for variant in self.variants:
            if not variant.withdrawn:
                for name, value in variant.options:
                    axes.setdefault(name, {})[value] = None
        return tuple(OptionAxis(name=name, values=tuple(had)) for name, had in axes.items())

    def on_sale(self, variant: Variant) -> bool:
        return self.status is ProductStatus.ACTIVE and variant.offered

    def changed(self, now: datetime, changes: "Product") -> tuple["Product", "ProductUpdated"]:
        """Take the contents of `changes`; identity, age and version stay."""
        new = replace(
            changes,
            id=self.id,
            created_at=self.created_at,
            updated_at=now,
            version=self.version,
        )
        return new, ProductUpdated(
            product_id=self.id, slug=new.slug, title=new.title, status=new.status, at=now
        )

    def archive(self, now: datetime) -> tuple["Product", "ProductRemoved"]:
        """Take it off the shelves for good; orders and the ledger still refer to it."""
        gone = replace(self, status=ProductStatus.ARCHIVED, updated_at=now)
        return gone, ProductRemoved(product_id=self.id, slug=self.slug, at=now)

    def created(self) -> "ProductCreated":
        return ProductCreated(
            product_id=self.id,
            slug=self.slug,
            title=self.title,
            status=self.status,
            at=self.created_at,
        )


class Category(Struct, frozen=True, kw_only=True):
    """`path` is the slugs from the root, joined by "/"."""

    id: CategoryId
    parent_id: CategoryId | None = None
    name: str
    slug: str
    path: str
    source_key: bytes | None = None
    position: int = 0
    version: int = 0

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise Invalid("A category needs a name.")
        if self.path.count("/") >= MOST_DEPTH:
            raise Invalid(f"Categories are at most {MOST_DEPTH} deep.")


#: Who wrote a review, once they have deleted their account.
ANONYMOUS = "A customer"


class Review(Struct, frozen=True, kw_only=True):
    id: UUID
    product_id: ProductId
    user_id: UserId
    author: str
    rating: Annotated[int, Meta(ge=1, le=5)]
    title: str
    body: str
    created_at: datetime


class _ProductEvent(Event, frozen=True, kw_only=True):
    aggregate = "product"
    topic = "shop.catalog"

    product_id: ProductId
    slug: str

    @property
    def subject(self) -> UUID:
        return self.product_id


class ProductCreated(_ProductEvent, frozen=True, kw_only=True):
    """A product is new, by staff or an import."""

    fact = "created"

    title: str
    status: ProductStatus


class ProductUpdated(_ProductEvent, frozen=True, kw_only=True):
    """Something that shoppers see of it is different, its variants included."""

    fact = "updated"

    title: str
    status: ProductStatus


class ProductRemoved(_ProductEvent, frozen=True, kw_only=True):
    """The product is archived: it is not shown, and cannot be bought."""

    fact = "removed"
