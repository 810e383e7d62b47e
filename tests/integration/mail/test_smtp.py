"""Mail servers on good and on bad days; time moves when a test says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dishka import AsyncContainer

from shop.adapters.mail.smtp import SmtpMail, server_of
from shop.adapters.mail.smtp_checkup import SmtpCheckup
from shop.core.checkout.audit import Audit
from shop.core.notifications.model import UNKNOWN_END, Email, EmailStatus
from shop.core.notifications.sealing import SealedLinks
from shop.core.notifications.service import Mailer
from shop.ports.checkup import Unwell
from shop.ports.mail import EmailFilter, EmailReads, Emails, MailTransport, NotSent
from shop.ports.notifications import Letter, Post
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork, Units
from tests.kit.certificates import Certificate
from tests.kit.clock import ManualClock
from tests.kit.orders import using
from tests.kit.postoffice import (
    USER,
    WORD,
    PostOffice,
    knows_us,
    post_office,
)

LOGIN = "shop:a%3Ab%40c%2F%20d"


@pytest.fixture
async def office() -> AsyncIterator[PostOffice]:
    async with post_office() as office:
        yield office


@pytest.fixture
async def transport(office: PostOffice) -> AsyncIterator[SmtpMail]:
    async with by(f"smtp://localhost:{office.port}?starttls=never") as mail:
        yield mail


@asynccontextmanager
async def by(url: str, **how: Any) -> AsyncIterator[SmtpMail]:
    mail = SmtpMail(server_of(url), domain="shop.example", rest=0, **how)
    yield mail
    await mail.close()


async def queue(container: AsyncContainer, *names: str) -> None:
    async with container() as scope:
        uow, post = await scope.get(UnitOfWork), await scope.get(Post)
        async with uow.begin():
            for name in names:
                letter = Letter(
                    dedupe=f"test:{name}",
                    to=f"{name}@example.com",
                    template="password-changed",
                    data={"name": name},
                )
                await post.queue(letter)


async def mails(container: AsyncContainer) -> list[Email]:
    page = await (await container.get(EmailReads)).page(EmailFilter(), 100, None)
    return list(reversed(page.items))


async def send(container: AsyncContainer, transport: MailTransport) -> None:
    async with container() as scope:
        mailer = Mailer(
            await scope.get(UnitOfWork),
            await scope.get(Units),
            await scope.get(Emails),
            await scope.get(EmailReads),
            transport,
            await scope.get(Clock),
            await scope.get(Ids),
            await scope.get(SealedLinks),
        )
        await mailer.send_due()


async def agrees(container: AsyncContainer) -> bool:
    """But for the events, which nobody moves on here."""
    async with using(container, Audit) as audit:
        report = await audit.run()
    return all(finding.startswith("outbox:") for finding in report.findings)


# --- good days -----------------------------------------------------------------------------------


async def test_many_mails_go_over_few_connections(
    container: AsyncContainer, office: PostOffice, transport: SmtpMail
) -> None:
    await queue(container, *(f"buyer{n}" for n in range(20)))
    await send(container, transport)
    assert len(office.taken) == 20
    assert office.connections <= 4
    assert {one[1][0] for one in office.envelopes} == {f"buyer{n}@example.com" for n in range(20)}
    assert all(one.status is EmailStatus.SENT for one in await mails(container))


async def test_a_connection_that_was_dropped_while_it_rested_is_replaced(
    container: AsyncContainer, office: PostOffice, transport: SmtpMail
) -> None:
    for name in ("asha", "ravi"):
        await queue(container, name)
        await send(container, transport)
        office.hang_up()
    assert [one.status for one in await mails(container)] == [EmailStatus.SENT] * 2
    assert [one.attempts for one in await mails(container)] == [1, 1]


@pytest.mark.filterwarnings("ignore:Requiring AUTH")  # of the server, which has TLS all along
async def test_tls_comes_before_password_and_mail(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path, "localhost")
    signed_in = {"authenticator": knows_us, "auth_required": True}
    async with post_office(
        tls_context=certificate.server(), require_starttls=True, **signed_in
    ) as office:
        url = f"smtp://{LOGIN}@localhost:{office.port}"
        async with by(url, context=certificate.client()) as mail:
            await mail.greet()
        async with by(url) as mail:
            with pytest.raises(NotSent, match="certificate") as caught:
                await mail.greet()
            assert not caught.value.for_good
        stranger = f"smtp://{USER}:no@localhost:{office.port}"
        async with by(stranger, context=certificate.client()) as mail:
            with pytest.raises(NotSent, match="does not take our user and password"):
                await mail.greet()
    async with post_office(ssl=certificate.server(), auth_require_tls=False, **signed_in) as office:
        url = f"smtps://{LOGIN}@localhost:{office.port}"
        async with by(url, context=certificate.client()) as mail:
            await mail.greet()
    assert server_of(url).password == WORD
    assert WORD not in repr(server_of(url))


async def test_a_server_without_starttls_gets_no_mail_unless_that_is_allowed(
    office: PostOffice,
) -> None:
    async with by(f"smtp://localhost:{office.port}") as mail:
        with pytest.raises(NotSent, match=r"(?i)starttls") as caught:
            await mail.greet()
    assert not caught.value.for_good
    assert office.said == []


async def test_the_doctor_says_whether_the_server_takes_us_in(office: PostOffice) -> None:
    url = f"smtp://localhost:{office.port}?starttls=never"
    async with by(url) as mail:
        assert await SmtpCheckup(mail, "post").examine() == "post"
        await office.close()
        with pytest.raises(Unwell, match="cannot be"):
            await SmtpCheckup(mail, "post").examine()


# --- bad days ------------------------------------------------------------------------------------


async def test_a_server_that_is_down_for_a_minute_delays_mails_and_loses_none(
    container: AsyncContainer, clock: ManualClock, office: PostOffice, transport: SmtpMail
) -> None:
    await office.close()
    await queue(container, "asha", "ravi")
    for _ in range(12):
        await send(container, transport)
        clock.advance(5)
    down = await mails(container)
    assert {one.status for one in down} == {EmailStatus.QUEUED}
    assert all(one.attempts < 5 and "cannot be" in (one.error or "") for one in down)
    await office.open()
    for _ in range(30):
        await send(container, transport)
        clock.advance(5)
    assert sorted(to for _, [to] in office.envelopes) == ["asha@example.com", "ravi@example.com"]
    assert {one.status for one in await mails(container)} == {EmailStatus.SENT}
    assert await agrees(container)


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
async def test_a_greylisting_server_is_asked_again(
    container: AsyncContainer,
    clock: ManualClock,
    office: PostOffice,
    transport: SmtpMail,
    command: str,
) -> None:
    office.refuse[command] = ["451 4.7.1 Greylisted, try again later"]
    await queue(container, "asha")
    await send(container, transport)
    [mail] = await mails(container)
    assert (mail.status, mail.attempts) == (EmailStatus.QUEUED, 1)
    assert "Greylisted" in (mail.error or "")
    clock.advance(15)
    await send(container, transport)
    assert [one.status for one in await mails(container)] == [EmailStatus.SENT]
    assert len(office.taken) == 1
    assert await agrees(container)


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
async def test_a_mail_that_is_refused_for_good_is_left_to_people_at_once(
    container: AsyncContainer,
    clock: ManualClock,
    office: PostOffice,
    transport: SmtpMail,
    command: str,
) -> None:
    office.refuse[command] = ["550 5.1.1 No such mailbox"]
    await queue(container, "asha")
    await send(container, transport)
    clock.advance(86_400)
    await send(container, transport)
    [mail] = await mails(container)
    assert (mail.status, mail.attempts) == (EmailStatus.FAILED, 1)
    assert mail.error == "550 5.1.1 No such mailbox"
    assert office.taken == []
    async with using(container, Audit) as audit:
        findings = (await audit.run()).findings
    assert "mails: 1 could not be sent" in findings  # nothing else would tell anybody
    assert all(one.startswith(("mails: 1 ", "outbox:")) for one in findings)


async def test_a_refused_sender_is_a_matter_of_settings_and_waits(
    container: AsyncContainer, office: PostOffice, transport: SmtpMail
) -> None:
    office.refuse["MAIL"] = ["550 5.7.1 Not your address"]
    await queue(container, "asha")
    await send(container, transport)
    assert [one.status for one in await mails(container)] == [EmailStatus.QUEUED]


async def test_a_connection_that_breaks_before_the_content_leaves_no_doubt(
    container: AsyncContainer, clock: ManualClock, office: PostOffice, transport: SmtpMail
) -> None:
    office.refuse["RCPT"] = ["421 drop"]
    await queue(container, "asha")
    await send(container, transport)
    assert [one.status for one in await mails(container)] == [EmailStatus.QUEUED]
    clock.advance(60)
    await send(container, transport)
    assert len(office.taken) == 1


@pytest.mark.parametrize("taken", [False, True])
async def test_a_connection_that_breaks_in_the_content_is_tried_once_more(
    container: AsyncContainer,
    clock: ManualClock,
    office: PostOffice,
    transport: SmtpMail,
    taken: bool,  # noqa: FBT001 - of pytest
) -> None:
    office.refuse["DATA"] = ["take and drop" if taken else "drop"]
    await queue(container, "asha")
    await send(container, transport)
    [mail] = await mails(container)
    assert mail.status is EmailStatus.SENDING
    await send(container, transport)
    assert len(office.taken) == taken
    clock.advance(60)
    await send(container, transport)
    assert [one.status for one in await mails(container)] == [EmailStatus.SENT]
    assert len({message["Message-ID"] for message in office.taken}) == 1
    assert await agrees(container)


async def test_a_mail_that_was_in_doubt_twice_is_left_to_people(
    container: AsyncContainer, clock: ManualClock, office: PostOffice, transport: SmtpMail
) -> None:
    office.refuse["DATA"] = ["drop"] * 5
    await queue(container, "asha")
    for _ in range(5):
        await send(container, transport)
        clock.advance(7200)
    [mail] = await mails(container)
    assert (mail.status, mail.error) == (EmailStatus.FAILED, UNKNOWN_END)
    assert office.said.count("DATA") == 2
    assert not await agrees(container)


# --- crashes -------------------------------------------------------------------------------------


class Crash(BaseException):
    """The end of the process."""


class Crashing(MailTransport):
    """The process dies after the server has taken a mail and before that is recorded."""

    def __init__(self, transport: MailTransport) -> None:
        self._transport = transport

    async def send(self, email: Email) -> None:
        await self._transport.send(email)
        raise Crash


async def test_after_a_crash_a_mail_is_seen_to_be_in_doubt_and_sent_once_more_at_most(
    container: AsyncContainer, clock: ManualClock, office: PostOffice, transport: SmtpMail
) -> None:
    await queue(container, "asha")
    with pytest.raises(Crash):
        await send(container, Crashing(transport))
    assert [one.status for one in await mails(container)] == [EmailStatus.SENDING]
    clock.advance(30)  # somebody may still be at it
    await send(container, transport)
    assert len(office.taken) == 1
    clock.advance(30)
    with pytest.raises(Crash):
        await send(container, Crashing(transport))
    assert [one.status for one in await mails(container)] == [EmailStatus.RESENDING]
    for _ in range(3):
        clock.advance(3600)
        await send(container, transport)
    assert len(office.taken) == 2
    assert len({message["Message-ID"] for message in office.taken}) == 1
    assert [one.error for one in await mails(container)] == [UNKNOWN_END]


async def test_two_who_send_at_once_send_each_mail_once(
    container: AsyncContainer, clock: ManualClock, office: PostOffice, transport: SmtpMail
) -> None:
    await queue(container, "asha")

    class Slow(MailTransport):
        """So slow that another one comes meanwhile."""

        async def send(self, email: Email) -> None:
            clock.advance(20)
            await send(container, transport)
            await transport.send(email)

    await send(container, Slow())
    assert len(office.taken) == 1
    assert [one.status for one in await mails(container)] == [EmailStatus.SENT]


async def test_a_mail_that_is_erased_while_it_leaves_puts_no_other_in_doubt(
    container: AsyncContainer, office: PostOffice, transport: SmtpMail
) -> None:
    await queue(container, "asha", "ravi", "mina")

    class Interrupted(MailTransport):
        """Somebody deletes their account meanwhile."""

        async def send(self, email: Email) -> None:
            await transport.send(email)
            if email.to.startswith("ravi"):
                async with container() as scope:
                    uow, emails = await scope.get(UnitOfWork), await scope.get(Emails)
                    async with uow.begin():
                        await emails.save([(await emails.get(email.id)).erase()])

    await send(container, Interrupted())
    assert len(office.taken) == 3
    assert [one.status for one in await mails(container)] == [
        EmailStatus.SENT,
        EmailStatus.ERASED,
        EmailStatus.SENT,
    ]
