"""Mails in the back office."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, QueryParameter
from msgspec import Struct, field

from shop.core.kernel.access import Caller
from shop.core.kernel.ids import EmailId
from shop.core.notifications.model import Email, EmailStatus
from shop.core.notifications.service import MailRoom
from shop.entrypoints.http.api.fields import Cursor, Limit
from shop.entrypoints.http.idempotency import key_of
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.mail import EmailFilter


class EmailView(Struct, kw_only=True):
    """`body` is the plain text; `subject_id` the order or user it is about."""

    id: UUID
    to: str
    sender: str = field(name="from")
    subject: str
    body: str
    status: EmailStatus
    attempts: int
    error: str | None
    subject_id: UUID | None
    created_at: datetime
    next_try_at: datetime | None
    sent_at: datetime | None

    @classmethod
    def of(cls, email: Email) -> "EmailView":
        return cls(
            id=email.id,
            to=email.to,
            sender=email.sender,
            subject=email.subject,
            body=email.text,
            status=email.status,
            attempts=email.attempts,
            error=email.error,
            subject_id=email.subject_id,
            created_at=email.created_at,
            next_try_at=email.next_try_at,
            sent_at=email.sent_at,
        )


class WholeEmailView(EmailView, kw_only=True):
    html: str

    @classmethod
    def whole(cls, email: Email) -> "WholeEmailView":
        view = EmailView.of(email)
        return cls(html=email.html, **{name: getattr(view, name) for name in _FIELDS})


_FIELDS = EmailView.__struct_fields__


class EmailPage(Struct):
    items: list[EmailView]
    next_cursor: str | None


class EmailAdminController(Controller):
    path = "/api/v1/admin/emails"
    tags = ("Back office",)

    @get()
    @served
    async def page(
        self,
        caller: Caller,
        room: Given[MailRoom],
        status: FromQuery[EmailStatus | None] = None,
        recipient: Annotated[str, QueryParameter(max_length=320)] = "",
        limit: Limit = 24,
        cursor: Cursor = None,
    ) -> EmailPage:
        """Mails queued and sent, newest first; `recipient` is a whole address."""
        which = EmailFilter(status=status, recipient=recipient)
        found = await room.page(caller, which, limit, cursor)
        return EmailPage([EmailView.of(email) for email in found.items], found.next_cursor)

    @get("/{email_id:uuid}")
    @served
    async def show(
        self, email_id: FromPath[UUID], caller: Caller, room: Given[MailRoom]
    ) -> WholeEmailView:
        """One mail, as it was written."""
        return WholeEmailView.whole(await room.get(caller, EmailId(email_id)))

    @post("/{email_id:uuid}/resend", status_code=202)
    @served
    async def resend(
        self, request: HttpRequest, email_id: FromPath[UUID], caller: Caller, room: Given[MailRoom]
    ) -> EmailView:
        """Send it again: the answer is the mail that goes out, of a sent one a copy."""
        key = key_of(request, caller.name)
        return EmailView.of(await room.resend(caller, EmailId(email_id), key.key if key else ""))
