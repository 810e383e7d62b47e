"""Mails and the books of the audit on SQL, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.sql.audit import SqlBooks
from shop.adapters.sql.database import Database
from shop.adapters.sql.notifications import SqlEmailReads, SqlEmails
from shop.adapters.sql.uow import SqlUnitOfWork
from shop.ports.audit import Books
from shop.ports.mail import EmailReads, Emails


class SqlMail(Provider):
    @provide(scope=Scope.REQUEST)
    def emails(self, uow: SqlUnitOfWork) -> Emails:
        return SqlEmails(uow)

    @provide(scope=Scope.APP)
    def reads(self, database: Database) -> EmailReads:
        return SqlEmailReads(database)

    @provide(scope=Scope.APP)
    def books(self, database: Database) -> Books:
        return SqlBooks(database)
