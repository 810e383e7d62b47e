"""What every store of mails must do."""

from datetime import timedelta
from uuid import uuid4

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.core.kernel.errors import Malformed, StaleWrite
from shop.core.kernel.ids import EmailId
from shop.core.notifications.model import Email, EmailNotFound, EmailStatus
from shop.ports.mail import EmailFilter, EmailReads, Emails
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork
from tests.kit.clock import ManualClock

MINUTE = timedelta(minutes=1)


async def an_email(container: AsyncContainer, to: str = "asha@example.com") -> Email:
    now = (await container.get(Clock)).now()
    id_ = EmailId((await container.get(Ids)).new())
    return Email(
        id=id_,
        dedupe=f"test:{id_.hex}",
        to=to,
        sender="Shop <shop@example.com>",
        subject="Grüße",
        text="Text ₹1\n",
        html="<p>Text</p>",
        created_at=now,
        next_try_at=now,
        subject_id=uuid4(),
    )


async def stored(container: AsyncContainer, *emails: Email) -> None:
    async with container() as scope:
        uow, repo = await scope.get(UnitOfWork), await scope.get(Emails)
        async with uow.begin():
            await repo.add(emails)


async def test_a_mail_comes_back_equal(container: AsyncContainer) -> None:
    email = await an_email(container)
    await stored(container, email)
    reads = await container.get(EmailReads)
    assert await reads.get(email.id) == email
    async with container() as scope:
        uow, repo = await scope.get(UnitOfWork), await scope.get(Emails)
        async with uow.begin():
            assert await repo.get(email.id) == email
            assert await repo.by_dedupe(email.dedupe) == email
            assert await repo.by_dedupe("test:other") is None


async def test_a_missing_mail_is_reported(container: AsyncContainer) -> None:
    nobody = EmailId(uuid4())
    with pytest.raises(EmailNotFound):
        await (await container.get(EmailReads)).get(nobody)
    async with container() as scope:
        uow, repo = await scope.get(UnitOfWork), await scope.get(Emails)
        async with uow.begin():
            with pytest.raises(EmailNotFound):
                await repo.get(nobody)


async def test_there_is_one_mail_a_cause(container: AsyncContainer) -> None:
    first, second = await an_email(container), await an_email(container)
    twin = replace(await an_email(container), dedupe=first.dedupe)
    await stored(container, first)
    await stored(container, twin, second)
    page = await (await container.get(EmailReads)).page(EmailFilter(), 10, None)
    assert [email.id for email in page.items] == [second.id, first.id]


async def test_the_second_of_two_writers_is_refused(
    container: AsyncContainer, clock: ManualClock
) -> None:
    email = await an_email(container)
    await stored(container, email)
    sent, _ = email.went(clock.now())
    async with container() as scope:
        uow, repo = await scope.get(UnitOfWork), await scope.get(Emails)
        async with uow.begin():
            [saved] = await repo.save([sent])
        assert saved == replace(sent, version=1)
        with pytest.raises(StaleWrite):
            async with uow.begin():
                await repo.save([sent])
    assert await (await container.get(EmailReads)).get(email.id) == saved


async def test_an_error_undoes_the_mails_of_a_unit(container: AsyncContainer) -> None:
    email = await an_email(container)
    async with container() as scope:
        uow, repo = await scope.get(UnitOfWork), await scope.get(Emails)
        with pytest.raises(ZeroDivisionError):
            async with uow.begin():
                await repo.add([email])
                raise ZeroDivisionError
    with pytest.raises(EmailNotFound):
        await (await container.get(EmailReads)).get(email.id)


async def test_mails_are_due_when_their_time_has_come(
    container: AsyncContainer, clock: ManualClock
) -> None:
    now, later = await an_email(container), await an_email(container)
    later = replace(later, next_try_at=clock.now() + MINUTE)
    done = replace(await an_email(container), status=EmailStatus.SENT, next_try_at=None)
    await stored(container, later, now, done)
    reads = await container.get(EmailReads)
    assert await reads.due(clock.now(), 10) == [now]
    clock.advance(60)
    assert await reads.due(clock.now(), 10) == [now, later]
    assert await reads.due(clock.now(), 1) == [now]


async def test_what_is_due_is_taken_once_the_longest_due_first_until_its_time_is_over(
    container: AsyncContainer, clock: ManualClock
) -> None:
    first, second, third = [await an_email(container) for _ in range(3)]
    second = replace(second, next_try_at=clock.now() - MINUTE)
    third = replace(third, next_try_at=clock.now() + MINUTE)
    await stored(container, first, second, third)
    until = clock.now() + MINUTE / 2

    async def take(most: int) -> list[Email]:
        async with container() as scope:
            uow = await scope.get(UnitOfWork)
            repo: Emails = await scope.get(Emails)
            async with uow.begin():
                return await repo.take_due(clock.now(), until, most)

    assert await take(1) == [replace(second, next_try_at=until)]
    assert await take(5) == [replace(first, next_try_at=until)]
    assert await take(5) == []
    reads = await container.get(EmailReads)
    assert await reads.get(first.id) == replace(first, next_try_at=until)
    clock.advance(30)
    assert {email.id for email in await take(5)} == {first.id, second.id}


async def test_pages_are_filtered_and_follow_one_another(container: AsyncContainer) -> None:
    mine = [await an_email(container, "Asha@example.com") for _ in range(3)]
    other = await an_email(container, "ravi@example.com")
    await stored(container, *mine, other)
    reads = await container.get(EmailReads)
    which = EmailFilter(recipient="asha@EXAMPLE.com", status=EmailStatus.QUEUED)
    first = await reads.page(which, 2, None)
    assert list(first.items) == [mine[2], mine[1]]
    rest = await reads.page(which, 2, first.next_cursor)
    assert list(rest.items) == [mine[0]]
    assert rest.next_cursor is None
    assert (await reads.page(EmailFilter(status=EmailStatus.FAILED), 2, None)).items == ()
    with pytest.raises(Malformed):
        await reads.page(which, 2, "nonsense")


async def test_a_mail_that_went_is_kept_without_the_secret_that_was_in_it(
    container: AsyncContainer,
) -> None:
    link = "https://shop.example/reset-password?token=ab_c-d"
    email = replace(await an_email(container), text=link, html=link)
    await stored(container, email)
    async with container() as scope:
        uow, repo = await scope.get(UnitOfWork), await scope.get(Emails)
        async with uow.begin():
            sent, _ = email.went((await container.get(Clock)).now())
            await repo.save([sent])
    kept = await (await container.get(EmailReads)).get(email.id)
    assert (kept.text, kept.html) == (link.replace("ab_c-d", "..."),) * 2
