"""The catalogue in SQL, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.sql.catalog_reads import SqlCatalogReads
from shop.adapters.sql.categories import SqlCategories
from shop.adapters.sql.changes import SqlCatalogChanges
from shop.adapters.sql.counting import SqlCounting
from shop.adapters.sql.database import Database
from shop.adapters.sql.imports import SqlImportReads, SqlImports
from shop.adapters.sql.products import SqlProducts
from shop.adapters.sql.reviews import SqlReviews
from shop.adapters.sql.staff_reads import SqlStaffReads
from shop.adapters.sql.uow import SqlUnitOfWork
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


class SqlCatalog(Provider):
    @provide(scope=Scope.REQUEST)
    def products(self, uow: SqlUnitOfWork) -> Products:
        return SqlProducts(uow)

    @provide(scope=Scope.REQUEST)
    def categories(self, uow: SqlUnitOfWork) -> Categories:
        return SqlCategories(uow)

    @provide(scope=Scope.REQUEST)
    def counting(self, uow: SqlUnitOfWork) -> Counting:
        return SqlCounting(uow)

    @provide(scope=Scope.REQUEST)
    def reviews(self, uow: SqlUnitOfWork) -> Reviews:
        return SqlReviews(uow)

    @provide(scope=Scope.REQUEST)
    def imports(self, uow: SqlUnitOfWork) -> Imports:
        return SqlImports(uow)

    @provide(scope=Scope.APP)
    def import_reads(self, database: Database) -> ImportReads:
        return SqlImportReads(database)

    @provide(scope=Scope.APP)
    def catalog_reads(self, database: Database) -> CatalogReads:
        return SqlCatalogReads(database)

    @provide(scope=Scope.APP)
    def staff_reads(self, database: Database) -> StaffReads:
        return SqlStaffReads(database)

    @provide(scope=Scope.APP)
    def changes(self, database: Database) -> CatalogChanges:
        return SqlCatalogChanges(database)
