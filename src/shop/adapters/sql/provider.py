"""The SQL adapters, for dishka."""

from dishka import Provider, Scope, alias, provide

from shop.adapters.sql.addresses import SqlAddresses, SqlBuyers
from shop.adapters.sql.cart import SqlCarts
from shop.adapters.sql.checkup import EventLogCheckup
from shop.adapters.sql.clients import (
    SqlAuthorizationCodes,
    SqlClientReads,
    SqlClients,
    SqlRevokedTokens,
    SqlSigningKeys,
)
from shop.adapters.sql.database import Database
from shop.adapters.sql.events import SqlDeadLetters, SqlEventLog, SqlInbox, SqlOutbox
from shop.adapters.sql.factors import SqlSecondFactors, SqlTickets
from shop.adapters.sql.idempotency import SqlIdempotency
from shop.adapters.sql.inventory import KnownGoods, SqlShelf, SqlShelfReads, SqlStockLedger
from shop.adapters.sql.leases import SqlLease
from shop.adapters.sql.secrets import SqlSecrets
from shop.adapters.sql.uow import SqlUnitOfWork, SqlUnits
from shop.adapters.sql.user_reads import SqlUserReads
from shop.adapters.sql.users import SqlMailTokens, SqlSessions, SqlUsers
from shop.ports.bus import DeadLetters, EventBus, Subscriptions
from shop.ports.cart import Carts
from shop.ports.checkout import Buyers
from shop.ports.checkup import BusCheckup
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
from shop.ports.system import Clock, Ids, Lease, Secrets
from shop.ports.uow import UnitOfWork, Units
from shop.ports.users import Addresses, MailTokens, Sessions, UserReads, Users


class SqlStorage(Provider):
    """All that is the same on every database; `database_providers` has the databases."""

    @provide(scope=Scope.APP)
    def units(self, database: Database) -> Units:
        return SqlUnits(database)

    @provide(scope=Scope.REQUEST)
    def unit(self, database: Database, sealer: Sealer) -> SqlUnitOfWork:
        return SqlUnitOfWork(database, sealer)

    uow = alias(source=SqlUnitOfWork, provides=UnitOfWork)

    # --- carts, stock, keys ---

    @provide(scope=Scope.REQUEST)
    def carts(self, uow: SqlUnitOfWork) -> Carts:
        return SqlCarts(uow)

    @provide(scope=Scope.APP)
    def known_goods(self) -> KnownGoods:
        return KnownGoods()

    @provide(scope=Scope.REQUEST)
    def shelf(self, uow: SqlUnitOfWork, known: KnownGoods) -> Shelf:
        return SqlShelf(uow, known)

    @provide(scope=Scope.APP)
    def shelf_reads(self, database: Database, known: KnownGoods) -> ShelfReads:
        return SqlShelfReads(database, known)

    @provide(scope=Scope.APP)
    def stock_ledger(self, database: Database) -> StockLedger:
        return SqlStockLedger(database)

    @provide(scope=Scope.REQUEST)
    def idempotency(self, uow: SqlUnitOfWork) -> Idempotency:
        return SqlIdempotency(uow)

    @provide(scope=Scope.REQUEST)
    def buyers(self, uow: SqlUnitOfWork) -> Buyers:
        return SqlBuyers(uow)

    # --- people ---

    @provide(scope=Scope.REQUEST)
    def users(self, uow: SqlUnitOfWork) -> Users:
        return SqlUsers(uow)

    @provide(scope=Scope.REQUEST)
    def sessions(self, uow: SqlUnitOfWork) -> Sessions:
        return SqlSessions(uow)

    @provide(scope=Scope.REQUEST)
    def mail_tokens(self, uow: SqlUnitOfWork) -> MailTokens:
        return SqlMailTokens(uow)

    @provide(scope=Scope.REQUEST)
    def second_factors(self, uow: SqlUnitOfWork) -> SecondFactors:
        return SqlSecondFactors(uow)

    @provide(scope=Scope.REQUEST)
    def tickets(self, uow: SqlUnitOfWork) -> Tickets:
        return SqlTickets(uow)

    @provide(scope=Scope.REQUEST)
    def addresses(self, uow: SqlUnitOfWork) -> Addresses:
        return SqlAddresses(uow)

    @provide(scope=Scope.APP)
    def user_reads(self, database: Database) -> UserReads:
        return SqlUserReads(database)

    @provide(scope=Scope.APP)
    def secrets(self, database: Database, ids: Ids) -> Secrets:
        return SqlSecrets(database, ids)

    # --- programs that people let in ---

    @provide(scope=Scope.REQUEST)
    def clients(self, uow: SqlUnitOfWork) -> Clients:
        return SqlClients(uow)

    @provide(scope=Scope.REQUEST)
    def authorization_codes(self, uow: SqlUnitOfWork) -> AuthorizationCodes:
        return SqlAuthorizationCodes(uow)

    @provide(scope=Scope.REQUEST)
    def revoked_tokens(self, uow: SqlUnitOfWork) -> RevokedTokens:
        return SqlRevokedTokens(uow)

    @provide(scope=Scope.APP)
    def client_reads(self, database: Database) -> ClientReads:
        return SqlClientReads(database)

    @provide(scope=Scope.APP)
    def signing_keys(self, database: Database) -> SigningKeys:
        return SqlSigningKeys(database)

    # --- events and single work ---

    @provide(scope=Scope.APP)
    def outbox(self, database: Database) -> Outbox:
        return SqlOutbox(database)

    @provide(scope=Scope.REQUEST)
    def inbox(self, uow: SqlUnitOfWork) -> Inbox:
        return SqlInbox(uow)

    @provide(scope=Scope.APP)
    def event_log(self, database: Database) -> SqlEventLog:
        return SqlEventLog(database)

    bus = alias(source=SqlEventLog, provides=EventBus)
    subscriptions = alias(source=SqlEventLog, provides=Subscriptions)

    @provide(scope=Scope.APP)
    def bus_checkup(self) -> BusCheckup:
        return EventLogCheckup()

    @provide(scope=Scope.APP)
    def dead_letters(self, database: Database) -> DeadLetters:
        return SqlDeadLetters(database)

    @provide(scope=Scope.APP)
    def lease(self, database: Database, clock: Clock) -> Lease:
        return SqlLease(database, clock)
