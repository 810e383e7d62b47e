"""Mails in memory, and a post that only keeps them."""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork, due_now, taken
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import EmailId
from shop.core.kernel.page import Page, last_id, paged
from shop.core.notifications.model import Email, EmailNotFound
from shop.ports.mail import EmailFilter, EmailReads, Emails, MailTransport


class MemoryEmails(Emails):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def add(self, emails: Sequence[Email]) -> None:
        table, causes = self._uow.table("emails"), self._uow.table("email_causes")
        for email in emails:
            if email.dedupe not in causes:
                causes[email.dedupe] = email.id
                table[email.id] = email

    async def get(self, email_id: EmailId) -> Email:
        return _known(self._uow.table("emails").get(email_id))

    async def by_dedupe(self, dedupe: str) -> Email | None:
        found: Email | None = self._uow.table("emails").get(
            self._uow.table("email_causes").get(dedupe)
        )
        return found

    async def save(self, emails: Sequence[Email]) -> list[Email]:
        table = self._uow.table("emails")
        saved = [replace(email, version=email.version + 1) for email in emails]
        for email in saved:
            seen = table.get(email.id)
            if seen is None or seen.version != email.version - 1:
                raise StaleWrite("Somebody else changed this mail first.")
            table[email.id] = email
        return saved

    async def take_due(self, now: datetime, until: datetime, limit: int) -> list[Email]:
        return taken(self._uow.table("emails"), "next_try_at", now, until, limit)


class MemoryEmailReads(EmailReads):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def get(self, email_id: EmailId) -> Email:
        return _known(self._store.table("emails").get(email_id))

    async def page(self, which: EmailFilter, limit: int, cursor: str | None) -> Page[Email]:
        found = [
            email
            for email in self._emails()
            if which.status in {None, email.status}
            and which.recipient.lower() in {"", email.to.lower()}
        ]
        if (after := last_id(cursor)) is not None:
            found = [email for email in found if email.id < after]
        found.sort(key=lambda email: email.id, reverse=True)
        return paged(found, limit)

    async def due(self, now: datetime, limit: int) -> list[Email]:
        return due_now(self._store.table("emails"), "next_try_at", now, limit)

    def _emails(self) -> list[Email]:
        return list(self._store.table("emails").values())


class MemoryMail(MailTransport):
    """Keeps what was sent, by the id of the mail."""

    repeatable = True

    def __init__(self) -> None:
        self.sent: dict[EmailId, Email] = {}

    async def send(self, email: Email) -> None:
        self.sent[email.id] = email


def _known(email: Email | None) -> Email:
    if email is None:
        raise EmailNotFound("There is no such mail.")
    return email
