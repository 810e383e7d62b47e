"""Mails and the books of the audit in memory, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.memory.audit import MemoryBooks
from shop.adapters.memory.checkup import InProcess
from shop.adapters.memory.notifications import MemoryEmailReads, MemoryEmails, MemoryMail
from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.ports.audit import Books
from shop.ports.checkup import MailCheckup
from shop.ports.mail import EmailReads, Emails, MailTransport


class MemoryMails(Provider):
    @provide(scope=Scope.REQUEST)
    def emails(self, uow: MemoryUnitOfWork) -> Emails:
        return MemoryEmails(uow)

    @provide(scope=Scope.APP)
    def reads(self, store: MemoryStore) -> EmailReads:
        return MemoryEmailReads(store)

    @provide(scope=Scope.APP)
    def books(self, store: MemoryStore) -> Books:
        return MemoryBooks(store)


class MemoryPosting(Provider):
    """Mail that goes nowhere: tests ask the container for `MailTransport` and look into it."""

    @provide(scope=Scope.APP)
    def transport(self) -> MailTransport:
        return MemoryMail()

    @provide(scope=Scope.APP)
    def checkup(self) -> MailCheckup:
        return InProcess()
