"""The catalogue at rest, and as it is read."""

from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from msgspec import Struct

from shop.core.catalog.model import Category, Product, Review
from shop.core.catalog.views import (
    CategoryNode,
    CategoryRef,
    Listing,
    ProductView,
    ReviewView,
    Suggestion,
)
from shop.core.kernel.ids import CategoryId, ProductId, UserId, VariantId
from shop.core.kernel.page import Page


class Products(Protocol):
    """Call only inside an open unit of work. Every write tells readers of the catalogue."""

    @abstractmethod
    async def get(self, product_id: ProductId) -> Product:
        """Return the product in whatever state, or raise `ProductNotFound`."""

    @abstractmethod
    async def some(self, ids: Iterable[ProductId]) -> dict[ProductId, Product]:
        """Return those that are there."""

    @abstractmethod
    async def by_source(self, keys: Iterable[bytes]) -> dict[bytes, Product]:
        """Return those that came from a source under these keys."""

    @abstractmethod
    async def slugs(self, slugs: Iterable[str]) -> set[str]:
        """Return those of the slugs that are taken."""

    @abstractmethod
    async def within(
        self, category: CategoryId, after: ProductId | None, limit: int
    ) -> list[Product]:
        """Products of a category itself, by id."""

    @abstractmethod
    async def add(self, products: Sequence[Product]) -> None:
        """Store new products without stock. Raises `StaleWrite` if a slug or key is taken."""

    @abstractmethod
    async def save(self, products: Sequence[Product]) -> None:
        """Store changed products; their stock stays. Raises `StaleWrite`."""


class Count(Struct, frozen=True, kw_only=True):
    """What somebody counted on the shelf; `id` is that of the line in the ledger."""

    id: UUID
    variant_id: VariantId
    quantity: int


class Counting(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def on_hand(self, variants: Iterable[VariantId]) -> dict[VariantId, int]:
        """Return what lies on the shelf, held or not."""

    @abstractmethod
    async def count(self, counts: Sequence[Count], reason: str, at: datetime) -> None:
        """Set what lies on the shelf, though never below what is held; the ledger gets the rest."""


class Categories(Protocol):
    """Call only inside an open unit of work. Every write tells readers of the catalogue."""

    @abstractmethod
    async def all(self) -> list[Category]:
        """The whole tree, parents before their children."""

    @abstractmethod
    async def add(self, categories: Sequence[Category]) -> None:
        """Raises `StaleWrite` if a path is taken."""

    @abstractmethod
    async def save(self, categories: Sequence[Category]) -> None:
        """Raises `StaleWrite`, also if a path is taken."""

    @abstractmethod
    async def remove(self, category: Category) -> None:
        """Raises `CategoryInUse` while products or categories stand in it."""


class Reviews(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def may_review(self, user: UserId, product: ProductId) -> bool:
        """Whether the product was delivered to this customer."""

    @abstractmethod
    async def author(self, user: UserId) -> str:
        """The name to sign with."""

    @abstractmethod
    async def add(self, review: Review) -> None:
        """Store it and take it into the product's rating. Raises `ReviewExists`."""


class FaultLine(Struct, frozen=True, kw_only=True):
    record: int
    key: str
    code: str
    message: str
    refused: bool


class ImportReport(Struct, frozen=True, kw_only=True):
    """How an import stands. `faults` are the first 1,000; `codes` counts all of them."""

    id: UUID
    status: str  # queued, running, done, failed
    format: str
    file_name: str
    dry_run: bool
    currency: str
    records_read: int = 0
    records_total: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0
    codes: dict[str, int] = {}
    faults: tuple[FaultLine, ...] = ()
    error: str | None = None
    created_at: datetime
    updated_at: datetime


class Imports(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def put(self, report: ImportReport) -> None:
        """Store the report, in place of the one it had."""

    @abstractmethod
    async def unfinished(self) -> list[ImportReport]:
        """Those queued or running."""


class ImportReads(Protocol):
    """Queries."""

    @abstractmethod
    async def get(self, import_id: UUID) -> ImportReport:
        """Raises `ImportNotFound`."""


class Sort(StrEnum):
    RELEVANCE = "relevance"
    NEWEST = "newest"
    PRICE = "price"
    DEAREST = "-price"
    RATING = "rating"
    TITLE = "title"


class ProductFilter(Struct, frozen=True, kw_only=True):
    """Which products; prices in minor units. `words` are folded, and all of them must match."""

    category: str = ""  # the path, with everything below it
    words: tuple[str, ...] = ()
    brand: str = ""
    tag: str = ""
    min_price: int | None = None
    max_price: int | None = None
    min_rating: int | None = None  # hundredths of a star
    in_stock: bool | None = None
    options: tuple[tuple[str, str], ...] = ()


class CatalogReads(Protocol):
    """Queries. Only active products are found, with a fixed number of statements."""

    @abstractmethod
    async def tree(self) -> tuple[CategoryNode, ...]: ...

    @abstractmethod
    async def pictures(self) -> dict[str, str]:
        """For the path of each top category where there is one: its newest product's picture."""

    @abstractmethod
    async def category(self, path: str) -> tuple[CategoryRef, ...]:
        """The category at that path with those above it, root first. Raises `CategoryNotFound`."""

    @abstractmethod
    async def page(
        self,
        which: ProductFilter,
        sort: Sort,
        limit: int,
        cursor: str | None = None,
        *,
        facets: bool = False,
    ) -> Listing:
        """Raises `Malformed` for a cursor that is none of ours."""

    @abstractmethod
    async def brands(self, which: ProductFilter) -> tuple[str, ...]:
        """Whose products are found: 50 brands at most, those with the most first."""

    @abstractmethod
    async def product(self, id_or_slug: str) -> ProductView:
        """Raises `ProductNotFound`."""

    @abstractmethod
    async def reviews(
        self, id_or_slug: str, limit: int, cursor: str | None = None
    ) -> Page[ReviewView]:
        """The newest first. Raises `ProductNotFound`."""

    @abstractmethod
    async def names(self, limit: int) -> list[Suggestion]:
        """Titles, brands and categories to suggest."""


class StaffReads(Protocol):
    """Queries of the back office: products in every state."""

    @abstractmethod
    async def product(self, product_id: ProductId) -> tuple[Product, dict[VariantId, int]]:
        """The product, and what of each variant can be sold. Raises `ProductNotFound`."""

    @abstractmethod
    async def products(
        self, words: tuple[str, ...], limit: int, cursor: str | None = None
    ) -> Page[tuple[Product, dict[VariantId, int]]]:
        """The newest first, each with what of its variants can be sold."""

    @abstractmethod
    async def stocked(
        self, after: ProductId | None, limit: int
    ) -> list[tuple[Product, dict[VariantId, int]]]:
        """The oldest first, each with what of it lies on the shelf; archived ones are left out."""

    @abstractmethod
    async def tally(self) -> dict[str, int]:
        """How many products there are in each state."""


class ChangeCounts(Struct, frozen=True, kw_only=True):
    """Numbers that move: `edits` when products or categories change, `all` also with their stock
    and ratings."""

    all: int
    edits: int


class CatalogChanges(Protocol):
    @abstractmethod
    async def counts(self) -> ChangeCounts: ...
