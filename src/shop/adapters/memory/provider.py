"""The in-memory adapters, for dishka."""

from dishka import Provider, Scope, alias, provide

from shop.adapters.memory.backup import NoBackup
from shop.adapters.memory.cart import MemoryCarts
from shop.adapters.memory.checkup import InProcess
from shop.adapters.memory.clients import (
    MemoryAuthorizationCodes,
    MemoryClientReads,
    MemoryClients,
    MemoryRevokedTokens,
    MemorySigningKeys,
)
from shop.adapters.memory.events import (
    MemoryDeadLetters,
    MemoryEventLog,
    MemoryInbox,
    MemoryOutbox,
)
from shop.adapters.memory.factors import MemorySecondFactors, MemoryTickets
from shop.adapters.memory.idempotency import MemoryIdempotency
from shop.adapters.memory.inventory import MemoryShelf, MemoryShelfReads, MemoryStockLedger
from shop.adapters.memory.leases import MemoryLease
from shop.adapters.memory.secrets import MemorySecrets
from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork, MemoryUnits, NoSchema
from shop.adapters.memory.users import (
    MemoryAddresses,
    MemoryBuyers,
    MemoryMailTokens,
    MemorySessions,
    MemoryUserReads,
    MemoryUsers,
)
from shop.ports.backup import DatabaseBackup
from shop.ports.bus import DeadLetters, EventBus, Subscriptions
from shop.ports.cart import Carts
from shop.ports.checkout import Buyers
from shop.ports.checkup import BusCheckup, DatabaseCheckup
from shop.ports.clients import (
    AuthorizationCodes,
    ClientReads,
    Clients,
    RevokedTokens,
    SigningKeys,
)
from shop.ports.factors import SecondFactors, Tickets
from shop.ports.idempotency import Idempotency
from shop.ports.inventory import Shelf, ShelfReads, StockLedger
from shop.ports.outbox import Inbox, Outbox, Sealer
from shop.ports.system import Clock, Ids, Lease, Schema, Secrets
from shop.ports.uow import UnitOfWork, Units
from shop.ports.users import Addresses, MailTokens, Sessions, UserReads, Users


class MemoryStorage(Provider):
    store = provide(MemoryStore, scope=Scope.APP)

    @provide(scope=Scope.APP)
    def units(self) -> Units:
        return MemoryUnits()

    @provide(scope=Scope.REQUEST)
    def unit(self, store: MemoryStore, sealer: Sealer) -> MemoryUnitOfWork:
        return MemoryUnitOfWork(store, sealer)

    uow = alias(source=MemoryUnitOfWork, provides=UnitOfWork)

    @provide(scope=Scope.APP)
    def schema(self) -> Schema:
        return NoSchema()

    @provide(scope=Scope.APP)
    def checkup(self) -> DatabaseCheckup:
        return InProcess()

    @provide(scope=Scope.APP)
    def bus_checkup(self) -> BusCheckup:
        return InProcess()

    # --- carts, stock, keys ---

    @provide(scope=Scope.REQUEST)
    def carts(self, uow: MemoryUnitOfWork) -> Carts:
        return MemoryCarts(uow)

    @provide(scope=Scope.REQUEST)
    def shelf(self, uow: MemoryUnitOfWork) -> Shelf:
        return MemoryShelf(uow)

    @provide(scope=Scope.APP)
    def shelf_reads(self, store: MemoryStore) -> ShelfReads:
        return MemoryShelfReads(store)

    @provide(scope=Scope.APP)
    def stock_ledger(self, store: MemoryStore) -> StockLedger:
        return MemoryStockLedger(store)

    @provide(scope=Scope.REQUEST)
    def idempotency(self, uow: MemoryUnitOfWork) -> Idempotency:
        return MemoryIdempotency(uow)

    @provide(scope=Scope.REQUEST)
    def buyers(self, uow: MemoryUnitOfWork) -> Buyers:
        return MemoryBuyers(uow)

    # --- people ---

    @provide(scope=Scope.REQUEST)
    def users(self, uow: MemoryUnitOfWork) -> Users:
        return MemoryUsers(uow)

    @provide(scope=Scope.REQUEST)
    def sessions(self, uow: MemoryUnitOfWork) -> Sessions:
        return MemorySessions(uow)

    @provide(scope=Scope.REQUEST)
    def mail_tokens(self, uow: MemoryUnitOfWork) -> MailTokens:
        return MemoryMailTokens(uow)

    @provide(scope=Scope.REQUEST)
    def second_factors(self, uow: MemoryUnitOfWork) -> SecondFactors:
        return MemorySecondFactors(uow)

    @provide(scope=Scope.REQUEST)
    def tickets(self, uow: MemoryUnitOfWork) -> Tickets:
        return MemoryTickets(uow)

    @provide(scope=Scope.REQUEST)
    def addresses(self, uow: MemoryUnitOfWork) -> Addresses:
        return MemoryAddresses(uow)

    @provide(scope=Scope.APP)
    def user_reads(self, store: MemoryStore) -> UserReads:
        return MemoryUserReads(store)

    @provide(scope=Scope.APP)
    def secrets(self, store: MemoryStore, ids: Ids) -> Secrets:
        return MemorySecrets(store, ids)

    # --- programs that people let in ---

    @provide(scope=Scope.REQUEST)
    def clients(self, uow: MemoryUnitOfWork) -> Clients:
        return MemoryClients(uow)

    @provide(scope=Scope.REQUEST)
    def authorization_codes(self, uow: MemoryUnitOfWork) -> AuthorizationCodes:
        return MemoryAuthorizationCodes(uow)

    @provide(scope=Scope.REQUEST)
    def revoked_tokens(self, uow: MemoryUnitOfWork) -> RevokedTokens:
        return MemoryRevokedTokens(uow)

    @provide(scope=Scope.APP)
    def client_reads(self, store: MemoryStore) -> ClientReads:
        return MemoryClientReads(store)

    @provide(scope=Scope.APP)
    def signing_keys(self, store: MemoryStore) -> SigningKeys:
        return MemorySigningKeys(store)

    # --- events and single work ---

    @provide(scope=Scope.APP)
    def outbox(self, store: MemoryStore) -> Outbox:
        return MemoryOutbox(store)

    @provide(scope=Scope.REQUEST)
    def inbox(self, uow: MemoryUnitOfWork) -> Inbox:
        return MemoryInbox(uow)

    @provide(scope=Scope.APP)
    def event_log(self, store: MemoryStore) -> MemoryEventLog:
        return MemoryEventLog(store)

    bus = alias(source=MemoryEventLog, provides=EventBus)
    subscriptions = alias(source=MemoryEventLog, provides=Subscriptions)

    @provide(scope=Scope.APP)
    def dead_letters(self, store: MemoryStore) -> DeadLetters:
        return MemoryDeadLetters(store)

    @provide(scope=Scope.APP)
    def backup(self) -> DatabaseBackup:
        return NoBackup()

    @provide(scope=Scope.APP)
    def lease(self, store: MemoryStore, clock: Clock) -> Lease:
        return MemoryLease(store, clock)
