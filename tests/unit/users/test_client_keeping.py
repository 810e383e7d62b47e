"""Registering programs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from shop.core.kernel.access import Caller, Role
from shop.core.kernel.acts import by_operator
from shop.core.kernel.errors import Denied, Malformed
from shop.core.kernel.ids import UserId
from shop.core.users.client_keeping import ClientAdmin, ClientDraft, ClientKeeping
from shop.core.users.clients import ClientNotFound
from shop.core.users.grant_tidying import GrantTidying
from shop.ports.clients import RevokedTokens
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from tests.kit.oauth import BACK
from tests.kit.people import people


@pytest.fixture
async def scope(tmp_path: Path) -> AsyncIterator[Any]:
    async with people("memory", tmp_path) as container, container() as scope:
        yield scope


@pytest.fixture
async def keeping(scope: Any) -> ClientKeeping:
    found: ClientKeeping = await scope.get(ClientKeeping)
    return found


@pytest.mark.parametrize(
    "draft",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "two\nlines"},
        {"scope": frozenset({"shop"})},
        {"scope": frozenset({"users:write"})},
        {"scope": frozenset({"clients:write"})},
        {"scope": frozenset({"king"})},
        {"public": True, "redirect_uris": ()},
        {"redirect_uris": tuple(f"{BACK}/{n}" for n in range(21))},
        *(
            {"redirect_uris": (uri,)}
            for uri in (
                "http://app.example.com/cb",
                "https://app.example.com/cb#here",
                "https://app.example.com/cb#",
                "https://a@app.example.com/cb",
                "https://",
                "https:/cb",
                "/cb",
                "app.example.com/cb",
                "javascript:alert(1)",
                "data:text/html,x",
                "com.example:/cb",  # only for public programs
                "https://app.example.com/a b",
                "https://app.example.com/\0",
                "https://app.example.com:0/cb",
                "https://app.example.com:x/cb",
                "https://äpp.example.com/cb",
                "https://app.example.com/" + "x" * 1000,
                "",
            )
        ),
        {"public": True, "redirect_uris": ("javascript:alert(1)",)},
        {"public": True, "redirect_uris": ("a.b://evil.example/cb",)},
    ],
)
async def test_no_program_is_registered_that_could_not_be_answered_safely(
    keeping: ClientKeeping, draft: dict[str, Any]
) -> None:
    given = {"name": "A web app", "redirect_uris": (BACK,)} | draft
    with pytest.raises(Malformed):
        await keeping.add(ClientDraft(**given), by_operator)


async def test_only_administrators_register_programs(scope: Any) -> None:
    admin: ClientAdmin = await scope.get(ClientAdmin)
    draft = ClientDraft(name="A web app", redirect_uris=(BACK,))
    boss = Caller(user_id=UserId(UUID(int=1)), roles=frozenset({Role.ADMIN}))
    made = await admin.add(boss, draft)
    assert await admin.all(boss) == [made.client]
    staff = Caller(user_id=UserId(UUID(int=2)), roles=frozenset({Role.STAFF}))
    for caller in (staff, Caller(user_id=UserId(UUID(int=3)))):
        with pytest.raises(Denied):
            await admin.add(caller, draft)
        with pytest.raises(Denied):
            await admin.remove(caller, made.client.id)
        with pytest.raises(Denied):
            await admin.all(caller)
    await admin.remove(boss, made.client.id)
    with pytest.raises(ClientNotFound):
        await admin.remove(boss, made.client.id)


async def test_what_has_run_out_a_day_ago_is_tidied_away(scope: Any) -> None:
    uow, revoked = await scope.get(UnitOfWork), await scope.get(RevokedTokens)
    clock, tidying = await scope.get(Clock), await scope.get(GrantTidying)
    async with uow.begin():
        await revoked.add("one", clock.now())
    assert await tidying.tidy() == 0
    clock.advance(seconds=86_401)
    assert await tidying.tidy() == 1
