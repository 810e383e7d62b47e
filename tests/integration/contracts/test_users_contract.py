"""What every store of accounts, sessions, mailed secrets and addresses must do."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.core.kernel.access import Role
from shop.core.kernel.errors import Malformed, StaleWrite
from shop.core.kernel.ids import AddressId, SessionId, UserId
from shop.core.kernel.postal import PostalAddress
from shop.core.users.model import (
    Address,
    AddressNotFound,
    EmailAddress,
    EmailTaken,
    MailToken,
    Purpose,
    Session,
    User,
    UserNotFound,
)
from shop.ports.checkout import Buyers
from shop.ports.system import Ids, Secrets
from shop.ports.uow import UnitOfWork
from shop.ports.users import Addresses, MailTokens, Sessions, Standing, UserReads, Users
from tests.kit.clock import NOON
from tests.kit.people import people

DAY = timedelta(days=1)
HOME = PostalAddress(
    name="Asha", phone="+919845012345", street="1", city="Mysuru", state="KA", zipcode="570001"
)


@pytest.fixture
async def shop(storage: str, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with people(storage, tmp_path) as container:
        yield container


@pytest.fixture
async def scope(shop: AsyncContainer) -> AsyncIterator[AsyncContainer]:
    async with shop() as scope:
        yield scope


async def a_user(scope: AsyncContainer, email: str = "asha@example.com", **changes: Any) -> User:
    user = User(
        id=UserId((await scope.get(Ids)).new()),
        email=EmailAddress(email, email),
        name="Asha",
        contact="+919845012345",
        password_hash="hash",
        verified_at=NOON,
        pending_email="new@example.com",
        reset_question="Where?",
        reset_answer_hash="answer",
        roles=frozenset({Role.CUSTOMER, Role.STAFF}),
        created_at=NOON,
    )
    user = replace(user, **changes)
    uow, users = await scope.get(UnitOfWork), await scope.get(Users)
    async with uow.begin():
        await users.add(user)
    return user


async def a_session(scope: AsyncContainer, user: User, **changes: Any) -> Session:
    session = Session(
        id=SessionId((await scope.get(Ids)).new()),
        user_id=user.id,
        refresh_hash=uuid4().bytes * 2,
        device="Phone",
        created_at=NOON,
        last_used_at=NOON,
        expires_at=NOON + DAY,
    )
    session = replace(session, **changes)
    uow, sessions = await scope.get(UnitOfWork), await scope.get(Sessions)
    async with uow.begin():
        await sessions.add(session)
    return session


async def test_a_user_comes_back_equal(scope: AsyncContainer) -> None:
    user = await a_user(scope)
    bare = await a_user(
        scope,
        "ravi@example.com",
        contact=None,
        password_hash=None,
        verified_at=None,
        pending_email=None,
        reset_question=None,
        reset_answer_hash=None,
    )
    uow, users = await scope.get(UnitOfWork), await scope.get(Users)
    reads = await scope.get(UserReads)
    async with uow.begin():
        assert await users.get(user.id) == user
        assert await users.by_email(bare.email.key) == bare
        assert await users.by_email("nobody@example.com") is None
    assert await reads.get(bare.id) == bare
    assert await reads.by_email(user.email.key) == user


async def test_a_missing_user_is_reported(scope: AsyncContainer) -> None:
    uow, users = await scope.get(UnitOfWork), await scope.get(Users)
    nobody = UserId(uuid4())
    async with uow.begin():
        with pytest.raises(UserNotFound):
            await users.get(nobody)
    with pytest.raises(UserNotFound):
        await (await scope.get(UserReads)).get(nobody)


async def test_an_e_mail_address_belongs_to_one_user(scope: AsyncContainer) -> None:
    user = await a_user(scope)
    other = await a_user(scope, "ravi@example.com")
    with pytest.raises(EmailTaken):
        await a_user(scope)
    uow, users = await scope.get(UnitOfWork), await scope.get(Users)
    with pytest.raises(EmailTaken):
        async with uow.begin():
            await users.save(replace(other, email=user.email))


async def test_of_parallel_users_with_one_address_one_is_stored(shop: AsyncContainer) -> None:
    async def add() -> None:
        async with shop() as scope:
            await a_user(scope)

    results = await asyncio.gather(*(add() for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(r, EmailTaken) for r in results) == 9, results


async def test_the_second_of_two_writers_is_refused(scope: AsyncContainer) -> None:
    user = await a_user(scope)
    session = await a_session(scope, user)
    uow, users = await scope.get(UnitOfWork), await scope.get(Users)
    sessions = await scope.get(Sessions)
    async with uow.begin():
        saved = await users.save(replace(user, name="Asha Rao"))
        assert saved == await users.get(user.id)
        assert await sessions.save(session) == await sessions.find(session.id)
    with pytest.raises(StaleWrite):
        async with uow.begin():
            await users.save(user)
    with pytest.raises(StaleWrite):
        async with uow.begin():
            await sessions.save(session)


async def test_an_error_undoes_what_was_written(scope: AsyncContainer) -> None:
    user = await a_user(scope)
    uow, users = await scope.get(UnitOfWork), await scope.get(Users)
    with pytest.raises(ZeroDivisionError):
        async with uow.begin():
            await users.save(replace(user, name="Nobody"))
            raise ZeroDivisionError
    assert await (await scope.get(UserReads)).get(user.id) == user


async def test_repositories_work_in_a_unit_only(scope: AsyncContainer) -> None:
    with pytest.raises(RuntimeError):
        await (await scope.get(Users)).by_email("asha@example.com")
    with pytest.raises(RuntimeError):
        await (await scope.get(Sessions)).find(SessionId(uuid4()))


async def test_a_session_comes_back_equal(scope: AsyncContainer) -> None:
    user = await a_user(scope)
    session = await a_session(scope, user, previous_hash=b"p" * 32, rotated_at=NOON, ended_at=NOON)
    uow, sessions = await scope.get(UnitOfWork), await scope.get(Sessions)
    async with uow.begin():
        assert await sessions.find(session.id) == session
        assert await sessions.find(SessionId(uuid4())) is None


async def test_only_live_sessions_stand(scope: AsyncContainer) -> None:
    user = await a_user(scope)
    alive = await a_session(scope, user)
    ended = await a_session(scope, user, ended_at=NOON)
    reads = await scope.get(UserReads)
    proved = await a_session(scope, user, amr="pwd otp mfa")
    assert await reads.standing(alive.id, NOON) == Standing(user.roles, two_factors=False)
    assert await reads.standing(proved.id, NOON) == Standing(user.roles, two_factors=True)
    assert await reads.standing(alive.id, NOON + DAY) is None
    assert await reads.standing(ended.id, NOON) is None
    assert await reads.standing(SessionId(uuid4()), NOON) is None


async def test_sessions_are_listed_by_last_use(scope: AsyncContainer) -> None:
    user, other = await a_user(scope), await a_user(scope, "ravi@example.com")
    old = await a_session(scope, user)
    new = await a_session(scope, user, last_used_at=NOON + timedelta(hours=1))
    await a_session(scope, user, ended_at=NOON)
    await a_session(scope, other)
    reads = await scope.get(UserReads)
    assert await reads.sessions(user.id, NOON, 10) == [new, old]
    assert await reads.sessions(user.id, NOON, 1) == [new]
    assert await reads.sessions(user.id, NOON + DAY, 10) == []


async def test_all_sessions_but_one_end_together(scope: AsyncContainer) -> None:
    user, other = await a_user(scope), await a_user(scope, "ravi@example.com")
    kept, first, second = [await a_session(scope, user) for _ in range(3)]
    await a_session(scope, user, ended_at=NOON)
    theirs = await a_session(scope, other)
    uow, sessions = await scope.get(UnitOfWork), await scope.get(Sessions)
    later = NOON + timedelta(hours=1)
    async with uow.begin():
        ended = await sessions.end_all(user.id, later, but=kept.id)
        assert {s.id for s in ended} == {first.id, second.id}
        assert ended[0] == await sessions.find(ended[0].id)
        assert (ended[0].ended_at, (await sessions.find(kept.id))) == (later, kept)
        assert await sessions.find(theirs.id) == theirs


async def test_a_mailed_secret_is_used_once(scope: AsyncContainer) -> None:
    user = await a_user(scope)
    uow, tokens = await scope.get(UnitOfWork), await scope.get(MailTokens)
    token = MailToken(
        hash=b"h" * 32,
        user_id=user.id,
        purpose=Purpose.RESET,
        email="asha@example.com",
        created_at=NOON,
        expires_at=NOON + DAY,
    )
    async with uow.begin():
        await tokens.add(token)
        await tokens.add(replace(token, hash=b"v" * 32, purpose=Purpose.VERIFY))
        await tokens.add(replace(token, hash=b"r" * 32))
    used = replace(token, used_at=NOON)
    async with uow.begin():
        assert await tokens.find(token.hash) == token
        assert await tokens.find(b"x" * 32) is None
        await tokens.use(used)
        assert await tokens.find(token.hash) == used
    with pytest.raises(StaleWrite):
        async with uow.begin():
            await tokens.use(used)
    async with uow.begin():
        await tokens.void(user.id, Purpose.RESET, NOON + DAY)
        voided = [await tokens.find(letter * 32) for letter in (b"h", b"v", b"r")]
    assert [t.used_at for t in voided if t] == [NOON, None, NOON + DAY]


async def test_what_expired_long_ago_is_forgotten(scope: AsyncContainer) -> None:
    user = await a_user(scope)
    await a_session(scope, user)
    kept = await a_session(scope, user, expires_at=NOON + 3 * DAY)
    uow, sessions = await scope.get(UnitOfWork), await scope.get(Sessions)
    async with uow.begin():
        assert await sessions.forget(NOON + 2 * DAY) == 1
        assert await sessions.find(kept.id) == kept
        assert await (await scope.get(MailTokens)).forget(NOON + DAY) == 0


async def test_addresses_come_back_equal_and_belong_to_somebody(scope: AsyncContainer) -> None:
    user, other = await a_user(scope), await a_user(scope, "ravi@example.com")
    ids = await scope.get(Ids)
    first, second = [
        Address(
            id=AddressId(ids.new()),
            user_id=user.id,
            postal=HOME,
            is_default=not number,
            created_at=NOON,
        )
        for number in range(2)
    ]
    uow, addresses = await scope.get(UnitOfWork), await scope.get(Addresses)
    reads = await scope.get(UserReads)
    async with uow.begin():
        await addresses.add(first)
        await addresses.add(second)
    assert await reads.addresses(user.id) == [first, second]
    assert await reads.addresses(other.id) == []
    async with uow.begin():
        assert await addresses.of(user.id) == [first, second]
        assert await addresses.get(user.id, second.id) == second
        with pytest.raises(AddressNotFound):
            await addresses.get(other.id, second.id)
        buyers = await (await scope.get(Buyers)).find([user.id, other.id, UserId(uuid4())])
        assert buyers[user.id].addresses == {first.id: HOME, second.id: HOME}
        assert (buyers[other.id].email, buyers[other.id].addresses) == ("ravi@example.com", {})
        assert len(buyers) == 2
        (moved,) = await addresses.save([replace(first, postal=replace(HOME, city="Mandya"))])
        await addresses.remove(second)
    assert await reads.addresses(user.id) == [moved]
    with pytest.raises(StaleWrite):
        async with uow.begin():
            await addresses.save([first])


async def test_pages_of_users_stay_right_while_some_are_added(scope: AsyncContainer) -> None:
    made = [await a_user(scope, f"asha_{n}@example.com") for n in range(5)]
    reads = await scope.get(UserReads)
    page = await reads.page("", 2, None)
    assert (page.items, page.total) == ((made[4], made[3]), 5)
    await a_user(scope, "late@example.com")
    page = await reads.page("", 3, page.next_cursor)
    assert page.items == (made[2], made[1], made[0])
    assert page.next_cursor is None
    assert (await reads.page("ASHA_3", 9, None)).items == (made[3],)
    assert (await reads.page("asha%", 9, None)).items == ()
    assert (await reads.page("ashax", 9, None)).total == 0
    with pytest.raises(Malformed):
        await reads.page("", 2, "nonsense")


async def test_a_secret_is_made_by_the_first_who_asks(shop: AsyncContainer) -> None:
    secrets = await shop.get(Secrets)
    found = await asyncio.gather(*(secrets.get("one") for _ in range(10)))
    assert len(set(found)) == 1
    assert len(found[0]) == 32
    assert await secrets.get("two", 16) != found[0][:16]
