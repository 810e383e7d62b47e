"""Sending what is queued, and the back office's view of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import httpx
import pytest
from dishka import AsyncContainer
from litestar import Litestar
from litestar.datastructures import State

from shop.core.kernel.access import NOBODY, Caller, Role
from shop.core.kernel.errors import Denied
from shop.core.kernel.ids import UserId
from shop.core.notifications.model import MOST_TRIES, Email, EmailStatus
from shop.core.notifications.sealing import SealedLinks
from shop.core.notifications.service import Mailer, MailRoom
from shop.entrypoints.http.api.admin_emails import EmailAdminController
from shop.entrypoints.http.auth import Authenticator
from shop.entrypoints.http.problems import PROBLEMS
from shop.ports.mail import EmailFilter, EmailReads, Emails, MailTransport, NotSent
from shop.ports.notifications import Letter, Post
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork, Units
from tests.kit.clock import ManualClock
from tests.kit.orders import staff, using


async def queued(container: AsyncContainer, *names: str) -> list[Email]:
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
    page = await (await container.get(EmailReads)).page(EmailFilter(), 100, None)
    return list(reversed(page.items))


class Moody(MailTransport):
    """Refuses some addresses, and fails strangely for others."""

    def __init__(self, refused: str = "", strange: str = "") -> None:
        self.refused = refused
        self.strange = strange

    async def send(self, email: Email) -> None:
        if email.to.startswith(self.refused or "-"):
            raise NotSent("The server is busy.")
        if email.to.startswith(self.strange or "-"):
            raise ZeroDivisionError


async def send(container: AsyncContainer, transport: MailTransport) -> int:
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
        return await mailer.send_due()


async def test_one_bad_mail_holds_up_no_other(container: AsyncContainer) -> None:
    await queued(container, "asha", "ravi", "mina")
    assert await send(container, Moody(refused="ravi", strange="mina")) == 3
    asha, ravi, mina = await queued(container)
    assert asha.status is EmailStatus.SENT
    assert (ravi.status, ravi.error) == (EmailStatus.QUEUED, "The server is busy.")
    assert (mina.status, mina.error) == (EmailStatus.FAILED, "ZeroDivisionError")


async def test_a_refused_mail_is_tried_again_later_and_not_for_ever(
    container: AsyncContainer, clock: ManualClock
) -> None:
    await queued(container, "ravi")
    moody = Moody(refused="ravi")
    assert await send(container, moody) == 1
    assert await send(container, moody) == 0
    for _ in range(MOST_TRIES - 1):
        clock.advance(7200)
        assert await send(container, moody) == 1
    [mail] = await queued(container)
    assert (mail.status, mail.attempts) == (EmailStatus.FAILED, MOST_TRIES)


async def test_two_mailers_share_what_is_due_and_nobody_gets_a_mail_twice(
    container: AsyncContainer,
) -> None:
    names = [f"buyer-{number:02}" for number in range(20)]
    await queued(container, *names)
    meeting = asyncio.Barrier(2)

    class Counting(MailTransport):
        """It has sent nothing yet when the other one takes its share."""

        def __init__(self) -> None:
            self.sent: list[str] = []

        async def send(self, email: Email) -> None:
            if not self.sent:
                self.sent.append(email.to)
                await meeting.wait()
            else:
                self.sent.append(email.to)

    one, other = Counting(), Counting()
    async with asyncio.timeout(20):
        done = await asyncio.gather(send(container, one), send(container, other))
    assert min(done) > 0
    assert sum(done) == 20
    assert sorted(one.sent + other.sent) == [f"{name}@example.com" for name in names]


async def test_a_mail_that_comes_while_others_leave_waits_for_the_next_round(
    container: AsyncContainer,
) -> None:
    await queued(container, "asha")

    class Busy(MailTransport):
        async def send(self, email: Email) -> None:
            if email.to.startswith("asha"):
                await queued(container, "ravi")

    assert await send(container, Busy()) == 1
    assert await send(container, Busy()) == 1
    assert [mail.status for mail in await queued(container)] == [EmailStatus.SENT] * 2


@pytest.mark.parametrize(("repeatable", "seconds"), [(True, 10), (False, 60)])
async def test_the_mails_of_a_mailer_that_died_go_out_after_a_while(
    container: AsyncContainer, clock: ManualClock, seconds: int, *, repeatable: bool
) -> None:
    await queued(container, "asha")

    class Dying(MailTransport):
        async def send(self, email: Email) -> None:
            raise asyncio.CancelledError(email.to)

    dying, living = Dying(), Moody()
    dying.repeatable = living.repeatable = repeatable
    with pytest.raises(asyncio.CancelledError):
        await send(container, dying)
    clock.advance(seconds - 1)
    assert await send(container, living) == 0
    clock.advance(1)
    assert await send(container, living) == 1


async def test_a_customer_sees_no_mails(container: AsyncContainer) -> None:
    customer = Caller(
        user_id=UserId((await container.get(Ids)).new()), roles=frozenset({Role.CUSTOMER})
    )
    [mail] = await queued(container, "asha")
    async with using(container, MailRoom) as room:
        with pytest.raises(Denied):
            await room.get(customer, mail.id)
        with pytest.raises(Denied):
            await room.page(customer, EmailFilter(), 10, None)
        with pytest.raises(Denied):
            await room.resend(customer, mail.id)


class Doorman(Authenticator):
    def __init__(self, known: Caller) -> None:
        self._known = known

    async def caller(self, authorization: str | None) -> Caller:
        return self._known if authorization else NOBODY


@pytest.fixture
async def client(container: AsyncContainer) -> AsyncIterator[httpx.AsyncClient]:
    app = Litestar(
        [EmailAdminController],
        exception_handlers=PROBLEMS,
        openapi_config=None,
        state=State(
            {
                "container": container,
                "authenticator": Doorman(staff(await container.get(Ids))),
            }
        ),
    )
    transport = httpx.ASGITransport(app=cast(Any, app))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://shop", headers={"Authorization": "Bearer x"}
    ) as client:
        yield client


async def test_staff_lists_and_reads_mails(
    container: AsyncContainer, client: httpx.AsyncClient
) -> None:
    asha, _ = await queued(container, "asha", "ravi")
    page = (await client.get("/api/v1/admin/emails", params={"limit": 1})).json()
    assert [mail["to"] for mail in page["items"]] == ["ravi@example.com"]
    after = {"cursor": page["next_cursor"]}
    page = (await client.get("/api/v1/admin/emails", params=after)).json()
    assert [mail["to"] for mail in page["items"]] == ["asha@example.com"]
    assert page["next_cursor"] is None
    which = {"recipient": "asha@example.com", "status": "queued"}
    page = (await client.get("/api/v1/admin/emails", params=which)).json()
    assert len(page["items"]) == 1
    shown = (await client.get(f"/api/v1/admin/emails/{asha.id}")).json()
    assert "asha" in shown["body"]
    assert "<html" in shown["html"]
    assert shown["from"].endswith(">")
    assert (shown["status"], shown["attempts"], shown["error"]) == ("queued", 0, None)


async def test_a_sent_mail_goes_out_again_as_a_copy_once_a_key(
    container: AsyncContainer, client: httpx.AsyncClient
) -> None:
    [mail] = await queued(container, "asha")
    async with using(container, Mailer) as mailer:
        await mailer.send_due()
    path, key = f"/api/v1/admin/emails/{mail.id}/resend", {"Idempotency-Key": "k" * 255}
    first = await client.post(path, headers=key)
    assert first.status_code == 202
    assert first.json()["status"] == "queued"
    assert first.json()["id"] != str(mail.id)
    assert (await client.post(path, headers=key)).json()["id"] == first.json()["id"]
    assert (await client.post(path)).json()["id"] != first.json()["id"]
    assert len(await queued(container)) == 3


async def test_the_secret_of_a_mail_is_read_by_its_reader_alone(
    container: AsyncContainer, client: httpx.AsyncClient
) -> None:
    link = "http://shop/reset-password?token=ab_c-d"
    async with container() as scope:
        uow, post = await scope.get(UnitOfWork), await scope.get(Post)
        data = {"name": "Asha", "link": link, "question": None}
        async with uow.begin():
            await post.queue(
                Letter(dedupe="r", to="asha@example.com", template="reset-password", data=data)
            )
    [mail] = await queued(container)
    assert "ab_c-d" not in mail.text + mail.html

    class Reading(MailTransport):
        async def send(self, email: Email) -> None:
            assert link in email.text
            assert link in email.html

    assert await send(container, Moody(refused="asha")) == 1
    path = f"/api/v1/admin/emails/{mail.id}"
    assert "token=..." in (await client.get(path)).json()["body"]
    clock = await container.get(Clock)
    assert isinstance(clock, ManualClock)
    clock.advance(60)
    assert await send(container, Reading()) == 1
    assert (await queued(container))[0].status is EmailStatus.SENT
    again = await client.post(f"{path}/resend")
    assert (again.status_code, again.json()["code"]) == (409, "email-spent")


async def test_a_failed_mail_itself_goes_out_again(
    container: AsyncContainer, client: httpx.AsyncClient
) -> None:
    [mail] = await queued(container, "mina")
    await send(container, Moody(strange="mina"))
    again = await client.post(f"/api/v1/admin/emails/{mail.id}/resend")
    assert (again.json()["id"], again.json()["status"]) == (str(mail.id), "queued")
    assert await send(container, Moody()) == 1


async def test_a_mail_that_does_not_exist_is_404_and_a_stranger_gets_401(
    client: httpx.AsyncClient,
) -> None:
    path = "/api/v1/admin/emails/01940000-0000-7000-8000-000000000001"
    assert (await client.get(path)).status_code == 404
    assert (await client.post(f"{path}/resend")).status_code == 404
    assert (await client.get(path, headers={"Authorization": ""})).status_code == 401
