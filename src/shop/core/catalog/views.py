"""What readers of the catalogue are shown."""

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import Struct

from shop.core.catalog.model import Image, OptionAxis, Product
from shop.core.kernel.ids import CategoryId, ProductId, VariantId
from shop.core.kernel.money import Money


class CategoryNode(Struct, frozen=True, kw_only=True):
    """`product_count` counts the active products here and below, each once."""

    id: CategoryId
    name: str
    slug: str
    path: str
    product_count: int
    children: tuple["CategoryNode", ...] = ()


class CategoryRef(Struct, frozen=True, kw_only=True):
    id: CategoryId
    name: str
    slug: str
    path: str


class Rating(Struct, frozen=True, kw_only=True):
    """`average` has two decimals; 0 without reviews."""

    average: float
    count: int


class CardFace(Struct, frozen=True, kw_only=True):
    """The part of a list item that only a change of the product changes; stored as JSON."""

    id: ProductId
    slug: str
    title: str
    brand: str
    tags: tuple[str, ...]
    image: Image | None
    options: tuple[OptionAxis, ...]
    created_at: datetime


class ProductCard(CardFace, frozen=True, kw_only=True):
    """A list item. `price` is that of the cheapest variant."""

    price: Money
    in_stock: bool
    stock_quantity: int
    rating: Rating
    category: CategoryRef | None


class Live(Struct, frozen=True, kw_only=True):
    """The part of a list item that is read each time, as it follows the face."""

    price: Money
    in_stock: bool
    stock_quantity: int
    rating: Rating
    category: CategoryRef | None


class VariantView(Struct, frozen=True, kw_only=True):
    id: VariantId
    sku: str
    title: str
    options: dict[str, str]
    price: Money
    compare_at_price: Money | None
    stock_quantity: int
    in_stock: bool
    image: str = ""


class Specification(Struct, frozen=True, kw_only=True):
    name: str
    value: str


class ProductView(Struct, frozen=True, kw_only=True):
    id: ProductId
    slug: str
    title: str
    description_html: str
    brand: str
    category: CategoryRef | None
    categories: tuple[CategoryRef, ...]
    tags: tuple[str, ...]
    specifications: tuple[Specification, ...]
    images: tuple[Image, ...]
    rating: Rating
    price: Money
    options: tuple[OptionAxis, ...]
    variants: tuple[VariantView, ...]
    in_stock: bool
    created_at: datetime
    updated_at: datetime


class Count(Struct, frozen=True, kw_only=True):
    value: str
    count: int


class CategoryCount(Struct, frozen=True, kw_only=True):
    path: str
    name: str
    count: int


class OptionCounts(Struct, frozen=True, kw_only=True):
    """What can be chosen by `option.<name>=`."""

    name: str
    values: tuple[Count, ...]


def option_facets(pairs: Iterable[tuple[str, str, int]]) -> tuple[OptionCounts, ...]:
    """Gather pairs of a name and a value, the most frequent first, by their names."""
    found: dict[str, list[Count]] = {}
    for name, value, count in pairs:
        found.setdefault(name, []).append(Count(value=value, count=count))
    return tuple(OptionCounts(name=name, values=tuple(had)) for name, had in sorted(found.items()))


class Facets(Struct, frozen=True, kw_only=True):
    """How many of the products found have each value; the most frequent first, 50 at most."""

    brands: tuple[Count, ...]
    categories: tuple[CategoryCount, ...]
    tags: tuple[Count, ...]
    options: tuple[OptionCounts, ...]
    in_stock: int
    min_price: Money | None
    max_price: Money | None


class ProductList(Struct, frozen=True, kw_only=True, omit_defaults=True):
    items: tuple[ProductCard, ...]
    next_cursor: str | None
    total: int
    facets: Facets | None = None


class Listing(Struct, frozen=True, kw_only=True):
    """A page of products whose items are JSON already."""

    items: tuple[bytes, ...]
    next_cursor: str | None
    total: int
    facets: Facets | None = None

    def json(self) -> bytes:
        """A `ProductList` as bytes."""
        tail = b"" if self.facets is None else b',"facets":' + _encode(self.facets)
        cursor = _encode(self.next_cursor)
        return b'{"items":[%b],"next_cursor":%b,"total":%d%b}' % (
            b",".join(self.items),
            cursor,
            self.total,
            tail,
        )

    def cards(self) -> list[ProductCard]:
        return [_decode_card(item) for item in self.items]


class ReviewView(Struct, frozen=True, kw_only=True):
    id: UUID
    author: str
    rating: int
    title: str
    body: str
    created_at: datetime


class Suggestion(Struct, frozen=True, kw_only=True):
    """`kind` is product, category or brand; `slug` is a product's slug or a category's path.

    A brand has its name as slug: it is a value of the filter `brand`.
    """

    title: str
    slug: str
    kind: str


_encode = msgspec.json.Encoder().encode
_decode_card = msgspec.json.Decoder(ProductCard).decode


def face_of(product: Product) -> bytes:
    """The stored part of the product's list item."""
    return _encode(
        CardFace(
            id=product.id,
            slug=product.slug,
            title=product.title,
            brand=product.brand,
            tags=product.tags,
            image=product.images[0] if product.images else None,
            options=product.options,
            created_at=product.created_at,
        )
    )


def joined(face: bytes, live: Live) -> bytes:
    """A whole list item: two JSON objects made one."""
    return face[:-1] + b"," + _encode(live)[1:]


def rating_of(hundredths: int, count: int) -> Rating:
    return Rating(average=hundredths / 100, count=count)
