"""A mail of the shop, from the queue to the post."""

from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shop.core.kernel.errors import NotFound
from shop.core.kernel.events import Event
from shop.core.kernel.ids import EmailId

#: The pauses double from the first to the longest: the last try is some seven hours later.
MOST_TRIES = 12
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(hours=2)


class EmailNotFound(NotFound):
    code = "email-not-found"


class EmailStatus(StrEnum):
    QUEUED = "queued"
    SENT = "sent"
    FAILED = "failed"


class _EmailEvent(Event, frozen=True, kw_only=True):
    aggregate = "email"
    topic = "shop.notifications"

    email_id: EmailId
    subject_id: UUID | None

    @property
    def subject(self) -> UUID:
        return self.email_id


class EmailSent(_EmailEvent, frozen=True, kw_only=True):
    fact = "sent"


class EmailFailed(_EmailEvent, frozen=True, kw_only=True):
    fact = "failed"


class Email(Struct, frozen=True, kw_only=True):
    """`dedupe` names its cause, `subject_id` the order or user it is about.

    `next_try_at` is when the post is asked (again); None when there is nothing to send.
    """

    id: EmailId
    dedupe: str
    to: str
    sender: str
    subject: str
    text: str
    html: str
    created_at: datetime
    subject_id: UUID | None = None
    status: EmailStatus = EmailStatus.QUEUED
    attempts: int = 0
    next_try_at: datetime | None = None
    error: str | None = None
    sent_at: datetime | None = None
    version: int = 0

    def went(self, at: datetime) -> tuple["Email", EmailSent]:
        """The post has taken it."""
        sent = replace(
            self,
            status=EmailStatus.SENT,
            attempts=self.attempts + 1,
            next_try_at=None,
            error=None,
            sent_at=at,
        )
        return sent, EmailSent(email_id=self.id, subject_id=self.subject_id, at=at)

    def missed(
        self, error: str, at: datetime, chance: float, *, for_good: bool = False
    ) -> tuple["Email", EmailFailed | None]:
        """The post refused it: try again later, or give up after too many tries.

        `chance` from 0 to 1 spreads the tries of mails that failed together.
        """
        attempts = self.attempts + 1
        tried = replace(self, attempts=attempts, error=error[:500])
        if for_good or attempts >= MOST_TRIES:
            failed = replace(tried, status=EmailStatus.FAILED, next_try_at=None)
            return failed, EmailFailed(email_id=self.id, subject_id=self.subject_id, at=at)
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self.attempts) * (0.5 + chance / 2)
        return replace(tried, next_try_at=at + pause), None

    def again(self, at: datetime) -> "Email":
        """Put a mail that never arrived back into the queue."""
        return replace(
            self, status=EmailStatus.QUEUED, attempts=0, next_try_at=at, error=None, sent_at=None
        )

    def copy(self, email_id: EmailId, dedupe: str, at: datetime) -> "Email":
        """The same mail once more; the one that was sent stays as it is."""
        fresh = replace(self, id=email_id, dedupe=dedupe, created_at=at, version=0)
        return fresh.again(at)
