"""Orders, payments and the sandbox's books in memory, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.memory.orders import MemoryInvoices, MemoryOrderReads, MemoryOrders
from shop.adapters.memory.payments import (
    MemoryPaymentReads,
    MemoryPayments,
    MemoryRefunds,
    MemoryWebhookLog,
)
from shop.adapters.memory.sandbox import MemorySandboxBooks
from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.ports.orders import Invoices, OrderReads, Orders
from shop.ports.payments import PaymentReads, Payments, Refunds, WebhookLog
from shop.ports.sandbox import SandboxBooks


class MemoryOrderStorage(Provider):
    scope = Scope.REQUEST

    @provide
    def orders(self, uow: MemoryUnitOfWork) -> Orders:
        return MemoryOrders(uow)

    @provide
    def invoices(self, uow: MemoryUnitOfWork) -> Invoices:
        return MemoryInvoices(uow)

    @provide
    def payments(self, uow: MemoryUnitOfWork) -> Payments:
        return MemoryPayments(uow)

    @provide
    def refunds(self, uow: MemoryUnitOfWork) -> Refunds:
        return MemoryRefunds(uow)

    @provide
    def webhook_log(self, uow: MemoryUnitOfWork) -> WebhookLog:
        return MemoryWebhookLog(uow)

    @provide(scope=Scope.APP)
    def order_reads(self, store: MemoryStore) -> OrderReads:
        return MemoryOrderReads(store)

    @provide(scope=Scope.APP)
    def payment_reads(self, store: MemoryStore) -> PaymentReads:
        return MemoryPaymentReads(store)

    @provide(scope=Scope.APP)
    def sandbox_books(self, store: MemoryStore) -> SandboxBooks:
        return MemorySandboxBooks(store)
