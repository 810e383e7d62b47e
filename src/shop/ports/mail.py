"""Mails at rest, their wording, and the post that takes them."""

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from msgspec import Struct

from shop.core.kernel.ids import EmailId
from shop.core.kernel.page import Page
from shop.core.notifications.model import Email, EmailStatus


class Emails(Protocol):
    """Call only inside an open unit of work."""

    @abstractmethod
    async def add(self, emails: Sequence[Email]) -> None:
        """Store new mails; those whose `dedupe` is known are left out."""

    @abstractmethod
    async def get(self, email_id: EmailId) -> Email:
        """Raises `EmailNotFound`."""

    @abstractmethod
    async def by_dedupe(self, dedupe: str) -> Email | None:
        """The mail of that cause."""

    @abstractmethod
    async def save(self, emails: Sequence[Email]) -> list[Email]:
        """Raises `StaleWrite`."""

    @abstractmethod
    async def take_due(self, now: datetime, until: datetime, limit: int) -> list[Email]:
        """Those to be sent by now, the longest due first.

        They are the caller's until `until`: nobody else is given them before.
        """


class EmailFilter(Struct, frozen=True, kw_only=True):
    status: EmailStatus | None = None
    recipient: str = ""  # the whole address, in any case


class EmailReads(Protocol):
    """Queries."""

    @abstractmethod
    async def get(self, email_id: EmailId) -> Email:
        """Raises `EmailNotFound`."""

    @abstractmethod
    async def page(self, which: EmailFilter, limit: int, cursor: str | None) -> Page[Email]:
        """Newest first. Raises `Malformed` for a cursor that is none of ours."""

    @abstractmethod
    async def due(self, now: datetime, limit: int) -> list[Email]:
        """Those to be sent by now, the longest due first."""


class Rendered(Struct, frozen=True, kw_only=True):
    subject: str
    text: str
    html: str


class Letters(Protocol):
    """The wording of our mails."""

    @abstractmethod
    def render(self, template: str, data: dict[str, Any]) -> Rendered: ...


class NotSent(Exception):
    """The post did not take a mail. The text may be stored; `for_good`: it never will;
    `in_doubt`: it broke off so late that it may have taken it."""

    def __init__(self, reason: str, *, for_good: bool = False, in_doubt: bool = False) -> None:
        super().__init__(reason)
        self.for_good = for_good
        self.in_doubt = in_doubt


class MailTransport(Protocol):
    #: Whether a mail that is sent again takes the place of the first.
    repeatable: bool = False

    @abstractmethod
    async def send(self, email: Email) -> None:
        """Return once the post has it for good. Raises `NotSent`."""
