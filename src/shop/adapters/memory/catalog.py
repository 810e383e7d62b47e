"""The catalogue at rest, in memory."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from shop.adapters.memory.changes import catalog_edited, figures_changed
from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.core.catalog.model import (
    Category,
    CategoryInUse,
    ImportNotFound,
    Product,
    ProductNotFound,
    Review,
    ReviewExists,
)
from shop.core.inventory.model import MoveKind, Sellable, StockMove
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import CategoryId, ProductId, UserId, VariantId
from shop.core.kernel.money import Money
from shop.ports.catalog import (
    Categories,
    Count,
    Counting,
    ImportReads,
    ImportReport,
    Imports,
    Products,
    Reviews,
)


class MemoryProducts(Products):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def get(self, product_id: ProductId) -> Product:
        found: Product | None = self._uow.table("products").get(product_id)
        if found is None:
            raise ProductNotFound("There is no such product.")
        return found

    async def some(self, ids: Iterable[ProductId]) -> dict[ProductId, Product]:
        have = self._uow.table("products")
        return {id_: have[id_] for id_ in ids if id_ in have}

    async def by_source(self, keys: Iterable[bytes]) -> dict[bytes, Product]:
        wanted = set(keys)
        have = self._uow.table("products").values()
        return {product.source_key: product for product in have if product.source_key in wanted}

    async def slugs(self, slugs: Iterable[str]) -> set[str]:
        return set(slugs) & {product.slug for product in self._uow.table("products").values()}

    async def within(
        self, category: CategoryId, after: ProductId | None, limit: int
    ) -> list[Product]:
        start = after or UUID(int=0)
        have = self._uow.table("products").values()
        found = [p for p in have if category in p.categories and p.id > start]
        return sorted(found, key=lambda product: product.id)[:limit]

    async def add(self, products: Sequence[Product]) -> None:
        have = self._uow.table("products")
        for product in products:
            if product.id in have:
                raise StaleWrite("Somebody else added a product first.")
            self._store(product)

    async def save(self, products: Sequence[Product]) -> None:
        have = self._uow.table("products")
        for product in products:
            if product.id not in have or have[product.id].version != product.version:
                raise StaleWrite("Somebody else changed a product first.")
            self._store(replace(product, version=product.version + 1))

    def _store(self, product: Product) -> None:
        have, shelf = self._uow.table("products"), self._uow.table("shelf")
        for other in have.values():
            same_source = other.source_key and other.source_key == product.source_key
            if other.id != product.id and (other.slug == product.slug or same_source):
                raise StaleWrite("Somebody else changed a product first.")
        missing = set(product.categories) - self._uow.table("categories").keys()
        if missing:
            raise StaleWrite("Somebody else removed a category first.")
        have[product.id] = product
        for variant in product.variants:
            old = shelf.get(variant.id)
            shelf[variant.id] = Sellable(
                variant_id=variant.id,
                product_id=product.id,
                slug=product.slug,
                title=product.title,
                variant_title=variant.title,
                sku=variant.sku,
                image=product.image,
                price=Money(variant.price or 0, product.currency),
                hsn=product.hsn,
                tax_basis_points=product.tax_basis_points,
                on_sale=product.on_sale(variant),
                on_hand=old.on_hand if old else 0,
                held=old.held if old else 0,
            )
        catalog_edited(self._uow)


class MemoryCounting(Counting):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def on_hand(self, variants: Iterable[VariantId]) -> dict[VariantId, int]:
        shelf = self._uow.table("shelf")
        return {variant: shelf[variant].on_hand for variant in variants if variant in shelf}

    async def count(self, counts: Sequence[Count], reason: str, at: datetime) -> None:
        shelf, moves = self._uow.table("shelf"), self._uow.table("stock_moves")
        for count in counts:
            have = shelf[count.variant_id]
            delta = max(count.quantity, have.held) - have.on_hand
            if delta:
                shelf[count.variant_id] = replace(have, on_hand=have.on_hand + delta)
                moves[count.id] = StockMove(
                    id=count.id,
                    variant_id=count.variant_id,
                    delta=delta,
                    kind=MoveKind.ADJUSTED,
                    reason=reason,
                    at=at,
                )
                figures_changed(self._uow)


class MemoryCategories(Categories):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def all(self) -> list[Category]:
        have: Iterable[Category] = self._uow.table("categories").values()
        return sorted(have, key=lambda one: (len(one.path), one.position, one.name))

    async def add(self, categories: Sequence[Category]) -> None:
        for category in categories:
            self._store(category)

    async def save(self, categories: Sequence[Category]) -> None:
        have = self._uow.table("categories")
        for category in categories:
            if category.id not in have or have[category.id].version != category.version:
                raise StaleWrite("Somebody else changed a category first.")
            self._store(replace(category, version=category.version + 1))

    def _store(self, category: Category) -> None:
        have = self._uow.table("categories")
        for other in have.values():
            if other.id != category.id and other.path == category.path:
                raise StaleWrite("Somebody else changed a category first.")
        if category.parent_id is not None and category.parent_id not in have:
            raise StaleWrite("Somebody else removed a category first.")
        have[category.id] = category
        catalog_edited(self._uow)

    async def remove(self, category: Category) -> None:
        have = self._uow.table("categories")
        used = any(category.id in p.categories for p in self._uow.table("products").values())
        if used or any(other.parent_id == category.id for other in have.values()):
            raise CategoryInUse("Products or categories still stand in this one.")
        have.pop(category.id, None)
        catalog_edited(self._uow)


class MemoryReviews(Reviews):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def may_review(self, user: UserId, product: ProductId) -> bool:
        return any(
            order.user_id == user
            and order.status in {"delivered", "returned"}
            and any(line.product_id == product for line in order.lines)
            for order in self._uow.table("orders").values()
        )

    async def author(self, user: UserId) -> str:
        found = self._uow.table("users").get(user)
        return found.name if found else ""

    async def add(self, review: Review) -> None:
        have = self._uow.table("reviews")
        key = review.product_id, review.user_id
        if key in have:
            raise ReviewExists("You have reviewed this product already.")
        have[key] = review
        figures_changed(self._uow)


class MemoryImports(Imports):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def put(self, report: ImportReport) -> None:
        self._uow.table("imports")[report.id] = report

    async def unfinished(self) -> list[ImportReport]:
        have = self._uow.table("imports").values()
        return [report for report in have if report.status in {"queued", "running"}]


class MemoryImportReads(ImportReads):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def get(self, import_id: UUID) -> ImportReport:
        found: ImportReport | None = self._store.table("imports").get(import_id)
        if found is None:
            raise ImportNotFound("There is no such import.")
        return found
