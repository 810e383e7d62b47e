"""What every store of programs, codes and signing keys must do."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.core.kernel.errors import Conflict, StaleWrite
from shop.core.kernel.ids import SessionId, UserId
from shop.core.users.clients import AuthorizationCode, Client, ClientNotFound
from shop.core.users.model import EmailAddress, Session, User
from shop.ports.clients import (
    AuthorizationCodes,
    ClientReads,
    Clients,
    RevokedTokens,
    SigningKey,
    SigningKeys,
)
from shop.ports.uow import UnitOfWork
from shop.ports.users import Sessions, Users
from tests.kit.clock import NOON
from tests.kit.people import people

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def scope(storage: str, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with people(storage, tmp_path) as container, container() as scope:
        yield scope


async def a_client(scope: AsyncContainer, /, **changes: Any) -> Client:
    given = Client(
        id=str(uuid4()),
        name="தறி",
        redirect_uris=("https://app.example.com/cb", "com.example:/cb"),
        scope=frozenset({"openid", "orders:read"}),
        secret_hash=b"s" * 32,
        created_at=NOON,
    )
    client = replace(given, **changes)
    uow, clients = await scope.get(UnitOfWork), await scope.get(Clients)
    async with uow.begin():
        await clients.add(client)
    return client


async def a_user(scope: AsyncContainer) -> User:
    email = f"{uuid4()}@example.com"
    user = User(
        id=UserId(uuid4()),
        email=EmailAddress(email, email),
        name="Asha",
        password_hash="hash",
        created_at=NOON,
    )
    uow, users = await scope.get(UnitOfWork), await scope.get(Users)
    async with uow.begin():
        await users.add(user)
    return user


async def a_code(scope: AsyncContainer, client: Client, /, **changes: Any) -> AuthorizationCode:
    given = AuthorizationCode(
        hash=uuid4().bytes * 2,
        client_id=client.id,
        user_id=(await a_user(scope)).id,
        granted_in=SessionId(uuid4()),
        redirect_uri="https://app.example.com/cb",
        challenge="c" * 43,
        scope=frozenset({"openid"}),
        nonce="n-0S6",
        created_at=NOON,
        expires_at=NOON + MINUTE,
    )
    code = replace(given, **changes)
    uow, codes = await scope.get(UnitOfWork), await scope.get(AuthorizationCodes)
    async with uow.begin():
        await codes.add(code)
    return code


async def test_a_client_comes_back_equal(scope: AsyncContainer) -> None:
    web = await a_client(scope)
    phone = await a_client(
        scope, redirect_uris=(), scope=frozenset(), secret_hash=None, created_at=NOON - MINUTE
    )
    reads = await scope.get(ClientReads)
    assert await reads.find(web.id) == web
    assert await reads.find(phone.id) == phone
    assert await reads.find("nobody") is None
    assert await reads.find(web.id.upper()) is None
    assert await reads.all() == [phone, web]


async def test_a_client_is_removed_with_its_codes(scope: AsyncContainer) -> None:
    client, other = await a_client(scope), await a_client(scope)
    gone, kept = await a_code(scope, client), await a_code(scope, other)
    uow, clients = await scope.get(UnitOfWork), await scope.get(Clients)
    codes = await scope.get(AuthorizationCodes)
    async with uow.begin():
        await clients.remove(client.id)
    async with uow.begin():
        assert await codes.find(gone.hash) is None
        assert await codes.find(kept.hash) == kept
        with pytest.raises(ClientNotFound):
            await clients.remove(client.id)
    assert await (await scope.get(ClientReads)).all() == [other]


async def test_removing_is_undone_with_its_unit(scope: AsyncContainer) -> None:
    client = await a_client(scope)
    code = await a_code(scope, client)
    uow, clients = await scope.get(UnitOfWork), await scope.get(Clients)
    with pytest.raises(RuntimeError):
        async with uow.begin():
            await clients.remove(client.id)
            raise RuntimeError
    assert await (await scope.get(ClientReads)).find(client.id) == client
    async with uow.begin():
        assert await (await scope.get(AuthorizationCodes)).find(code.hash) == code


async def test_a_code_is_used_once(scope: AsyncContainer) -> None:
    code = await a_code(scope, await a_client(scope))
    uow, codes = await scope.get(UnitOfWork), await scope.get(AuthorizationCodes)
    used = replace(code, session_id=SessionId(uuid4()))
    async with uow.begin():
        await codes.use(used)
    async with uow.begin():
        assert await codes.find(code.hash) == used
        assert await codes.find(b"x" * 32) is None
    with pytest.raises(StaleWrite):
        async with uow.begin():
            await codes.use(replace(code, session_id=SessionId(uuid4())))
    with pytest.raises(StaleWrite):
        async with uow.begin():
            await codes.use(replace(used, hash=b"x" * 32))


async def test_codes_are_forgotten_once_they_have_run_out(scope: AsyncContainer) -> None:
    client = await a_client(scope)
    old = await a_code(scope, client)
    new = await a_code(scope, client, expires_at=NOON + 2 * MINUTE)
    uow, codes = await scope.get(UnitOfWork), await scope.get(AuthorizationCodes)
    async with uow.begin():
        assert await codes.forget(NOON + MINUTE + timedelta(seconds=1)) == 1
        assert await codes.find(old.hash) is None
        assert await codes.find(new.hash) == new


async def test_a_programs_token_stands_while_it_is_registered_and_not_revoked(
    scope: AsyncContainer,
) -> None:
    client = await a_client(scope)
    uow, revoked = await scope.get(UnitOfWork), await scope.get(RevokedTokens)
    reads = await scope.get(ClientReads)
    assert await reads.standing(client.id, "one")
    assert not await reads.standing("nobody", "one")
    async with uow.begin():
        await revoked.add("one", NOON + MINUTE)
        await revoked.add("one", NOON + MINUTE)
        await revoked.add("two", NOON + 2 * MINUTE)
    assert not await reads.standing(client.id, "one")
    assert await reads.standing(client.id, "three")
    async with uow.begin():
        assert await revoked.forget(NOON + MINUTE + timedelta(seconds=1)) == 1
    assert await reads.standing(client.id, "one")
    assert not await reads.standing(client.id, "two")


async def test_a_clients_sessions_end_and_nobody_elses(scope: AsyncContainer) -> None:
    user = await a_user(scope)

    def session(client_id: str, expires_after: timedelta) -> Session:
        return Session(
            id=SessionId(uuid4()),
            user_id=user.id,
            refresh_hash=uuid4().bytes * 2,
            client_id=client_id,
            scope="openid orders",
            created_at=NOON,
            last_used_at=NOON,
            expires_at=NOON + expires_after,
        )

    mine, over, other = (
        session("mine", 5 * MINUTE),
        session("mine", MINUTE),
        session("other", 5 * MINUTE),
    )
    uow, sessions = await scope.get(UnitOfWork), await scope.get(Sessions)
    at = NOON + 2 * MINUTE
    async with uow.begin():
        for one in (mine, over, other):
            await sessions.add(one)
    async with uow.begin():
        assert await sessions.end_client("mine", at) == [mine.id]
    async with uow.begin():
        ended = await sessions.find(mine.id)
        assert ended == replace(mine, ended_at=at, version=1)
        assert await sessions.find(other.id) == other
        assert await sessions.end_client("mine", at) == []


async def test_signing_keys_are_numbered_once(scope: AsyncContainer) -> None:
    keys = await scope.get(SigningKeys)
    assert await keys.all() == []
    second, first = SigningKey(2, NOON + MINUTE), SigningKey(1, NOON)
    await keys.add(second)
    await keys.add(first)
    assert await keys.all() == [first, second]
    with pytest.raises(Conflict):
        await keys.add(SigningKey(2, NOON))
    assert await keys.all() == [first, second]
