"""The mails that were written."""

from uuid import UUID

from litestar.params import FromPath

from shop.core.kernel.ids import EmailId
from shop.core.notifications.model import EmailStatus
from shop.core.notifications.service import MailRoom
from shop.entrypoints.http.served import Given
from shop.entrypoints.http.web.pages.backoffice.entry import PAGE, cursor, staff
from shop.entrypoints.http.web.replies import Reply
from shop.entrypoints.http.web.routing import form, page
from shop.entrypoints.http.web.visit import Visit
from shop.entrypoints.http.web.visited import visited
from shop.ports.mail import EmailFilter


@page("/admin/emails")
@visited
async def emails(visit: Visit, room: Given[MailRoom]) -> Reply:
    staff(visit)
    given = visit.request.query_params
    status, recipient = given.get("status", ""), given.get("recipient", "").strip()[:320]
    which = EmailFilter(
        status=EmailStatus(status) if status in set(EmailStatus) else None, recipient=recipient
    )
    found = await room.page(visit.caller, which, PAGE, cursor(visit))
    return await visit.page(
        "admin/emails.html",
        emails=found.items,
        cursor=found.next_cursor,
        status=status,
        recipient=recipient,
        statuses=list(EmailStatus),
    )


@page("/admin/emails/{email_id:uuid}")
@visited
async def email(email_id: FromPath[UUID], visit: Visit, room: Given[MailRoom]) -> Reply:
    staff(visit)
    found = await room.get(visit.caller, EmailId(email_id))
    return await visit.page("admin/email.html", email=found, key=visit.new_secret())


@form("/admin/emails/{email_id:uuid}/resend")
@visited
async def resend(email_id: FromPath[UUID], visit: Visit, room: Given[MailRoom]) -> Reply:
    staff(visit)
    sent = await room.resend(visit.caller, EmailId(email_id), visit.form["key"][:100])
    return visit.see(f"/admin/emails/{sent.id}", "mail-resent")


ROUTES = (emails, email, resend)
