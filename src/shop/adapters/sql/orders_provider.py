"""Orders, payments and the sandbox's books on SQL, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.sql.database import Database
from shop.adapters.sql.orders import SqlInvoices, SqlOrderReads, SqlOrders
from shop.adapters.sql.payments import SqlPaymentReads, SqlPayments
from shop.adapters.sql.refunds import SqlRefunds
from shop.adapters.sql.sandbox import SqlSandboxBooks
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.adapters.sql.webhook_log import SqlWebhookLog
from shop.ports.orders import Invoices, OrderReads, Orders
from shop.ports.payments import PaymentReads, Payments, Refunds, WebhookLog
from shop.ports.sandbox import SandboxBooks


class SqlOrderStorage(Provider):
    scope = Scope.REQUEST

    @provide
    def orders(self, uow: SqlUnitOfWork) -> Orders:
        return SqlOrders(uow)

    @provide
    def invoices(self, uow: SqlUnitOfWork) -> Invoices:
        return SqlInvoices(uow)

    @provide
    def payments(self, uow: SqlUnitOfWork) -> Payments:
        return SqlPayments(uow)

    @provide
    def refunds(self, uow: SqlUnitOfWork) -> Refunds:
        return SqlRefunds(uow)

    @provide
    def webhook_log(self, uow: SqlUnitOfWork) -> WebhookLog:
        return SqlWebhookLog(uow)

    @provide(scope=Scope.APP)
    def order_reads(self, database: Database) -> OrderReads:
        return SqlOrderReads(database)

    @provide(scope=Scope.APP)
    def payment_reads(self, database: Database) -> PaymentReads:
        return SqlPaymentReads(database)

    @provide(scope=Scope.APP)
    def sandbox_books(self, database: Database) -> SandboxBooks:
        return SqlSandboxBooks(database)
