"""The catalogue in memory, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.memory.catalog import (
    MemoryCategories,
    MemoryCounting,
    MemoryImportReads,
    MemoryImports,
    MemoryProducts,
    MemoryReviews,
)
from shop.adapters.memory.catalog_reads import MemoryCatalogReads, MemoryStaffReads
from shop.adapters.memory.changes import MemoryCatalogChanges
from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.ports.catalog import (
    CatalogChanges,
    CatalogReads,
    Categories,
    Counting,
    ImportReads,
    Imports,
    Products,
    Reviews,
    StaffReads,
)


class MemoryCatalog(Provider):
    @provide(scope=Scope.REQUEST)
    def products(self, uow: MemoryUnitOfWork) -> Products:
        return MemoryProducts(uow)

    @provide(scope=Scope.REQUEST)
    def categories(self, uow: MemoryUnitOfWork) -> Categories:
        return MemoryCategories(uow)

    @provide(scope=Scope.REQUEST)
    def counting(self, uow: MemoryUnitOfWork) -> Counting:
        return MemoryCounting(uow)

    @provide(scope=Scope.REQUEST)
    def reviews(self, uow: MemoryUnitOfWork) -> Reviews:
        return MemoryReviews(uow)

    @provide(scope=Scope.REQUEST)
    def imports(self, uow: MemoryUnitOfWork) -> Imports:
        return MemoryImports(uow)

    @provide(scope=Scope.APP)
    def import_reads(self, store: MemoryStore) -> ImportReads:
        return MemoryImportReads(store)

    @provide(scope=Scope.APP)
    def catalog_reads(self, store: MemoryStore) -> CatalogReads:
        return MemoryCatalogReads(store)

    @provide(scope=Scope.APP)
    def staff_reads(self, store: MemoryStore) -> StaffReads:
        return MemoryStaffReads(store)

    @provide(scope=Scope.APP)
    def changes(self, store: MemoryStore) -> CatalogChanges:
        return MemoryCatalogChanges(store)
