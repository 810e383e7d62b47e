"""What every storage of second factors promises."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import PasskeyId, UserId
from shop.core.users.factors import Factors, Passkey
from shop.core.users.model import EmailAddress, User
from shop.core.users.tickets import Ticket
from shop.ports.factors import SecondFactors, Tickets
from shop.ports.uow import UnitOfWork
from shop.ports.users import Users
from tests.kit.clock import NOON
from tests.kit.people import people

MINUTE = timedelta(minutes=1)
KEY = Passkey(
    id=PasskeyId(UUID(int=5)),
    credential_id=b"\x00\xff" * 40,
    public_key=bytes(range(256)),
    sign_count=2**32 - 1,
    name="Asha's phone ☎",
    transports=("internal", "hybrid"),
    created_at=NOON,
    last_used_at=NOON + MINUTE,
)
FULL = Factors(
    user_id=UserId(UUID(int=1)),
    totp=b"\x01sealed\x00",
    totp_since=NOON,
    totp_step=63_072_000_000,
    pending_totp=b"\x01other",
    pending_challenge=bytes(range(32)),
    pending_until=NOON + MINUTE,
    recovery=(b"a" * 32, b"\xfe" * 32),
    passkeys=(KEY, replace(KEY, id=PasskeyId(UUID(int=6)), last_used_at=None)),
    failures=3,
    wait_until=NOON + MINUTE,
)
TICKET = Ticket(
    hash=b"t" * 32,
    user_id=UserId(UUID(int=1)),
    password_mark=b"m" * 32,
    first="fed",
    challenge=bytes(32),
    expires_at=NOON + MINUTE,
)


@pytest.fixture
async def shop(storage: str, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with people(storage, tmp_path) as container:
        yield container


@pytest.fixture
async def scope(shop: AsyncContainer) -> AsyncIterator[AsyncContainer]:
    async with shop() as scope:
        asha = User(
            id=FULL.user_id,
            email=EmailAddress("asha@example.com", "asha@example.com"),
            name="Asha",
            password_hash="hash",
            created_at=NOON,
        )
        async with (await scope.get(UnitOfWork)).begin():
            await (await scope.get(Users)).add(asha)
        yield scope


async def test_factors_come_back_equal(scope: AsyncContainer) -> None:
    uow, factors = await scope.get(UnitOfWork), await scope.get(SecondFactors)
    async with uow.begin():
        assert await factors.save(FULL) == replace(FULL, version=1)
    async with uow.begin():
        found = await factors.of(FULL.user_id)
        assert found == replace(FULL, version=1)
        bare, _ = found.reset(NOON)
        await factors.save(bare)
    async with uow.begin():
        assert await factors.of(FULL.user_id) == Factors(user_id=FULL.user_id, version=2)


async def test_who_has_none_has_an_empty_set(scope: AsyncContainer) -> None:
    async with (await scope.get(UnitOfWork)).begin():
        found = await (await scope.get(SecondFactors)).of(UserId(uuid4()))
    assert found.version == 0
    assert found.methods == ()


@pytest.mark.parametrize("seen", [0, 2])
async def test_the_second_of_two_changes_of_factors_is_refused(
    scope: AsyncContainer, seen: int
) -> None:
    uow, factors = await scope.get(UnitOfWork), await scope.get(SecondFactors)
    async with uow.begin():
        await factors.save(FULL)
    with pytest.raises(StaleWrite):
        async with uow.begin():
            await factors.save(replace(FULL, failures=9, version=seen))
    async with uow.begin():
        assert (await factors.of(FULL.user_id)).failures == 3


async def test_what_is_undone_leaves_no_factors(scope: AsyncContainer) -> None:
    uow, factors = await scope.get(UnitOfWork), await scope.get(SecondFactors)
    tickets = await scope.get(Tickets)
    with pytest.raises(ZeroDivisionError):
        async with uow.begin():
            await factors.save(FULL)
            await tickets.add(TICKET)
            _ = 1 / 0
    async with uow.begin():
        assert (await factors.of(FULL.user_id)).version == 0
        assert await tickets.find(TICKET.hash) is None


async def test_of_many_who_use_one_code_at_once_one_succeeds(
    shop: AsyncContainer, scope: AsyncContainer
) -> None:
    async with (await scope.get(UnitOfWork)).begin():
        await (await scope.get(SecondFactors)).save(replace(FULL, totp_step=0))

    async def use() -> bool:
        async with shop() as other:
            uow, factors = await other.get(UnitOfWork), await other.get(SecondFactors)
            async with uow.begin():
                found = await factors.of(FULL.user_id)
                await asyncio.sleep(0)
                if found.totp_step:
                    return False
                await factors.save(found.use_step(7))
            return True

    assert sorted(await asyncio.gather(*(use() for _ in range(8)))) == [False] * 7 + [True]


async def test_a_ticket_comes_back_equal_and_changes(scope: AsyncContainer) -> None:
    uow, tickets = await scope.get(UnitOfWork), await scope.get(Tickets)
    alone = Ticket(hash=b"u" * 32, user_id=None, expires_at=NOON)
    async with uow.begin():
        await tickets.add(TICKET)
        await tickets.add(alone)
    async with uow.begin():
        assert await tickets.find(alone.hash) == alone
        assert await tickets.find(b"x" * 32) is None
        assert await tickets.find(TICKET.hash) == TICKET
        failed = await tickets.save(TICKET.fail())
        asked = await tickets.save(failed.ask(b"c" * 32))
        used = await tickets.save(asked.use(NOON))
    async with uow.begin():
        assert await tickets.find(TICKET.hash) == used
    assert (used.failures, used.used_at, used.challenge, used.version) == (1, NOON, None, 3)


async def test_the_second_of_two_changes_of_a_ticket_is_refused(scope: AsyncContainer) -> None:
    uow, tickets = await scope.get(UnitOfWork), await scope.get(Tickets)
    async with uow.begin():
        await tickets.add(TICKET)
        await tickets.save(TICKET.fail())
    with pytest.raises(StaleWrite):
        async with uow.begin():
            await tickets.save(TICKET.use(NOON))


async def test_only_expired_tickets_are_forgotten(scope: AsyncContainer) -> None:
    uow, tickets = await scope.get(UnitOfWork), await scope.get(Tickets)
    async with uow.begin():
        await tickets.add(TICKET)
        await tickets.add(replace(TICKET, hash=b"o" * 32, expires_at=NOON - MINUTE))
        assert await tickets.forget(NOON) == 1
        assert await tickets.find(TICKET.hash) is not None


async def test_they_work_in_a_unit_only(scope: AsyncContainer) -> None:
    with pytest.raises(RuntimeError):
        await (await scope.get(SecondFactors)).of(FULL.user_id)
    with pytest.raises(RuntimeError):
        await (await scope.get(Tickets)).find(TICKET.hash)
