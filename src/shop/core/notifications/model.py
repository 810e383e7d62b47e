"""A mail of the shop, from the queue to the post."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from shop.core.kernel.errors import Conflict, NotFound
from shop.core.kernel.events import Event
from shop.core.kernel.ids import EmailId

#: The pauses double from the first to the longest: the last try is some seven hours later.
MOST_TRIES = 12
FIRST_PAUSE = timedelta(seconds=15)
LONGEST_PAUSE = timedelta(hours=2)
#: Whoever reads such a link before its owner takes the account over; kept copies must not have it.
#: Sealed ones begin with a sign that no secret has.
_LINK = r"(/(?:verify-email|reset-password)\?token=)"
_ACCOUNT_LINK = re.compile(_LINK + r"~?[A-Za-z0-9_-]+")
#: What only looks sealed, as in somebody's name, is sealed too, and so comes back as it was.
_OPEN = re.compile(_LINK + r"(~?[A-Za-z0-9_-]+)")
_SEALED = re.compile(_LINK + r"~([A-Za-z0-9_-]+)")
_SPENT = re.compile(_LINK + r"\.\.\.")


class EmailNotFound(NotFound):
    code = "email-not-found"


class EmailErased(Conflict):
    code = "email-erased"


class EmailSpent(Conflict):
    """The secret link of a mail that was sent is not kept, so there is nothing to send again."""

    code = "email-spent"


#: Nobody sends a mail for so long: whoever began and has not said how it ended, is dead.
LONGEST_SENDING = timedelta(seconds=60)
UNKNOWN_END = (
    "Twice the sending broke off without an answer. Look for this mail's Message-ID in the log of"
    " the mail server, and resend it if it is not there."
)


class EmailStatus(StrEnum):
    """`sending`, and `resending` once it was in doubt, are written before the post is asked:
    a mail found so after a crash may have gone out or not."""

    QUEUED = "queued"
    SENDING = "sending"
    RESENDING = "resending"
    SENT = "sent"
    FAILED = "failed"
    ERASED = "erased"  # whoever it went to has deleted their account


#: The post is still to be asked.
WAITING = frozenset({EmailStatus.QUEUED, EmailStatus.SENDING, EmailStatus.RESENDING})


class _EmailEvent(Event, frozen=True, kw_only=True):
    aggregate = "email"
    topic = "shop.notifications"

    email_id: EmailId
    subject_id: UUID | None

    @property
    def subject(self) -> UUID:
        return self.email_id


class EmailSent(_EmailEvent, frozen=True, kw_only=True):
    """The mail server took the mail."""

    fact = "sent"


class EmailFailed(_EmailEvent, frozen=True, kw_only=True):
    """The mail is given up; staff can send it again."""

    fact = "failed"


class Email(Struct, frozen=True, kw_only=True):
    """`dedupe` names its cause, `subject_id` the order or user it is about.

    A mail in doubt is sent once more, under the Message-ID it had: most mailboxes then show it
    once, while a lost mail would leave somebody without an order confirmation. The second time it
    is left to people. `next_try_at` is when the post is asked (again); None when there is nothing
    to send.
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

    def erase(self) -> "Email":
        """That there was one stays known, for the books; what it said and to whom does not."""
        return replace(
            self,
            to="",
            subject="",
            text="",
            html="",
            error=None,
            status=EmailStatus.ERASED,
            next_try_at=None,
        )

    def hushed(self) -> "Email":
        """As it may be shown to others than its reader."""
        return self._with_links(_ACCOUNT_LINK, lambda link: f"{link[1]}...")

    @property
    def spent(self) -> bool:
        """Whether a copy would hold a link that leads nowhere."""
        return self.status is EmailStatus.SENT and _SPENT.search(self.text) is not None

    def sealed(self, seal: Callable[[str], str]) -> "Email":
        """With secrets that nobody reads where mails wait."""
        return self._with_links(_OPEN, lambda link: f"{link[1]}~{seal(link[2])}")

    def opened(self, unseal: Callable[[str], str]) -> "Email":
        """As its reader gets it; one that was stored before secrets were sealed stays as it is."""
        return self._with_links(_SEALED, lambda link: link[1] + unseal(link[2]))

    def _with_links(self, which: re.Pattern[str], made: Callable[[re.Match[str]], str]) -> "Email":
        return replace(self, text=which.sub(made, self.text), html=which.sub(made, self.html))

    def leaves(self, at: datetime) -> tuple["Email", EmailFailed | None]:
        """It is about to be handed to the post, unless it has been in doubt twice."""
        if self.status is EmailStatus.RESENDING:
            return self._given_up(UNKNOWN_END, at)
        again = self.status is EmailStatus.SENDING
        return replace(
            self,
            status=EmailStatus.RESENDING if again else EmailStatus.SENDING,
            next_try_at=at + LONGEST_SENDING,
        ), None

    def went(self, at: datetime) -> tuple["Email", EmailSent]:
        """The post has taken it. Secrets that open an account are for the mailbox alone."""
        sent = replace(
            self.hushed(),
            status=EmailStatus.SENT,
            attempts=self.attempts + 1,
            next_try_at=None,
            error=None,
            sent_at=at,
        )
        return sent, EmailSent(email_id=self.id, subject_id=self.subject_id, at=at)

    def missed(
        self,
        error: str,
        at: datetime,
        chance: float,
        *,
        for_good: bool = False,
        in_doubt: bool = False,
    ) -> tuple["Email", EmailFailed | None]:
        """The post refused it, or broke off: try again later, or give up after too many tries.

        `chance` from 0 to 1 spreads the tries of mails that failed together.
        """
        attempts = self.attempts + 1
        tried = replace(self, attempts=attempts, error=error[:500])
        if not in_doubt:
            tried = replace(tried, status=EmailStatus.QUEUED)
        elif tried.status is EmailStatus.RESENDING:
            return tried._given_up(UNKNOWN_END, at)  # noqa: SLF001 - its own
        if for_good or attempts >= MOST_TRIES:
            return tried._given_up(error, at)  # noqa: SLF001 - its own
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self.attempts) * (0.5 + chance / 2)
        return replace(tried, next_try_at=at + pause), None

    def _given_up(self, error: str, at: datetime) -> tuple["Email", EmailFailed]:
        failed = replace(self, status=EmailStatus.FAILED, next_try_at=None, error=error[:500])
        return failed, EmailFailed(email_id=self.id, subject_id=self.subject_id, at=at)

    def again(self, at: datetime) -> "Email":
        """Put a mail that never arrived back into the queue."""
        return replace(
            self, status=EmailStatus.QUEUED, attempts=0, next_try_at=at, error=None, sent_at=None
        )

    def copy(self, email_id: EmailId, dedupe: str, at: datetime) -> "Email":
        """The same mail once more; the one that was sent stays as it is."""
        fresh = replace(self, id=email_id, dedupe=dedupe, created_at=at, version=0)
        return fresh.again(at)
