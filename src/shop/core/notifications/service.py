"""Sends what is queued, and shows the staff what was sent."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256

from msgspec.structs import replace

from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import EmailId
from shop.core.kernel.page import Page
from shop.core.notifications.model import (
    WAITING,
    Email,
    EmailErased,
    EmailFailed,
    EmailSent,
    EmailSpent,
    EmailStatus,
)
from shop.core.notifications.sealing import SealedLinks
from shop.ports.mail import EmailFilter, EmailReads, Emails, MailTransport, NotSent
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork, Units
from shop.ports.vault import VaultShut

_AT_ONCE = 8
#: A round of the mailer.
MAILS = 100
#: Where a mail may be sent again without harm, it is once nobody has told of it for so long.
_AGAIN = timedelta(seconds=10)
_ALL_OF_BYTE = 255

Outcome = tuple[Email, EmailSent | EmailFailed | None]


class Mailer:
    """Many send side by side, each the mails it has taken, so that nobody gets one twice."""

    def __init__(
        self,
        uow: UnitOfWork,
        units: Units,
        emails: Emails,
        reads: EmailReads,
        transport: MailTransport,
        clock: Clock,
        ids: Ids,
        links: SealedLinks,
    ) -> None:
        self._links = links
        self._uow = uow
        self._units = units
        self._emails = emails
        self._reads = reads
        self._transport = transport
        self._clock = clock
        self._ids = ids

    async def send_due(self) -> int:
        """Hand the mails that are due to the post, and record how that went; returns how many.

        Those that come meanwhile wait for the next round, to share its commits.
        The post is asked outside any unit. Where it would not know a mail again, the row says
        before that it is being sent, so that a crash in between is seen afterwards.
        """
        sent = 0
        while sent < MAILS and await self._reads.due(self._clock.now(), 1):
            taken = await self._units.run(self._take())
            some = [email for email in taken if email.status in WAITING]
            outcomes = await asyncio.gather(*(self._try(email) for email in some))
            if outcomes:
                await self._record(outcomes)
            sent += len(taken)
            if len(taken) < _AT_ONCE:
                break  # that was all, or others have the rest in hand
        return sent

    async def _take(self) -> list[Email]:
        """Some that are ours to send, each marked where the post must not be asked twice."""
        now = self._clock.now()
        again = self._transport.repeatable
        async with self._uow.begin():
            due = await self._emails.take_due(now, now + _AGAIN, _AT_ONCE)
            if again or not due:
                return due
            leaving = [email.leaves(now) for email in due]
            for _, fact in leaving:
                if fact is not None:
                    self._uow.emit(fact)
            return await self._emails.save([email for email, _ in leaving])

    async def _try(self, email: Email) -> Outcome:
        try:
            await self._transport.send(self._links.open(email))
        except VaultShut:
            changed = "The shop's key has changed since this mail was written."
            return email.missed(changed, self._clock.now(), 1.0, for_good=True)
        except NotSent as error:
            chance = self._ids.secret(1)[0] / _ALL_OF_BYTE
            now = self._clock.now()
            return email.missed(
                str(error), now, chance, for_good=error.for_good, in_doubt=error.in_doubt
            )
        except Exception as error:  # noqa: BLE001 - one bad mail must not hold up the others
            return email.missed(type(error).__name__, self._clock.now(), 1.0, for_good=True)
        return email.went(self._clock.now())

    async def _record(self, outcomes: Sequence[Outcome]) -> None:
        """One mail that was erased while it left must not leave the others in doubt."""
        try:
            await self._units.run(self._write(outcomes))
        except StaleWrite:
            for outcome in outcomes:
                with suppress(StaleWrite):
                    await self._units.run(self._write([outcome]))

    async def _write(self, outcomes: Sequence[Outcome]) -> None:
        async with self._uow.begin():
            await self._emails.save([email for email, _ in outcomes])
            for _, fact in outcomes:
                if fact is not None:
                    self._uow.emit(fact)


class MailRoom:
    """The back office's view of the mails."""

    def __init__(
        self, uow: UnitOfWork, emails: Emails, reads: EmailReads, clock: Clock, ids: Ids
    ) -> None:
        self._uow = uow
        self._emails = emails
        self._reads = reads
        self._clock = clock
        self._ids = ids

    async def page(
        self, caller: Caller, which: EmailFilter, limit: int, cursor: str | None
    ) -> Page[Email]:
        """Newest first."""
        caller.require(Permission.EMAILS_READ)
        page = await self._reads.page(which, limit, cursor)
        return replace(page, items=tuple(email.hushed() for email in page.items))

    async def get(self, caller: Caller, email_id: EmailId) -> Email:
        """Raises `EmailNotFound`."""
        caller.require(Permission.EMAILS_READ)
        return (await self._reads.get(email_id)).hushed()

    async def resend(self, caller: Caller, email_id: EmailId, key: str = "") -> Email:
        """Return the mail that goes out: one that failed itself, of a sent one a copy.

        The same idempotency `key` makes no second copy. Raises `EmailNotFound`, `EmailErased` or
        `EmailSpent`.
        """
        caller.require(Permission.EMAILS_WRITE)
        now = self._clock.now()
        async with self._uow.begin():
            email = await self._emails.get(email_id)
            if email.status in WAITING:
                return email.hushed()
            if email.status is EmailStatus.ERASED:
                raise EmailErased("Whoever this mail went to has deleted their account.")
            if email.spent:
                raise EmailSpent(
                    "The secret link of this mail was for its reader alone and is not kept. A new "
                    "mail with a new link is sent to whoever asks for one."
                )
            if email.status is EmailStatus.FAILED:
                [again] = await self._emails.save([email.again(now)])
                self._uow.log(caller.did("email.resend", email.id, now))
                return again.hushed()
            fresh = EmailId(self._ids.new())
            known = sha256(f"{caller.name} {key}".encode()).hexdigest() if key else fresh.hex
            dedupe = f"again:{email.id.hex}:{known}"
            await self._emails.add([email.copy(fresh, dedupe, now)])
            stored = await self._emails.by_dedupe(dedupe)
            if stored is None:
                raise StaleWrite("Somebody else resent this mail first.")
            if stored.id == fresh:  # a repeat of the key does nothing
                self._uow.log(caller.did("email.resend", email.id, now, f"copy {fresh}"))
            return stored.hushed()
