"""What every store of linked profiles and finished sign-ins must do."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.core.kernel.ids import ProfileId, UserId
from shop.core.users.linked import LinkedProfile, ProfileTaken
from shop.core.users.model import EmailAddress, User
from shop.ports.social import ProfileReads, Profiles, SpentStates
from shop.ports.system import Ids
from shop.ports.uow import UnitOfWork
from shop.ports.users import Users
from tests.kit.clock import NOON

SOON = NOON + timedelta(minutes=10)


async def a_user(scope: AsyncContainer, email: str = "asha@example.com") -> UserId:
    user_id = UserId((await scope.get(Ids)).new())
    uow, users = await scope.get(UnitOfWork), await scope.get(Users)
    async with uow.begin():
        await users.add(
            User(
                id=user_id,
                email=EmailAddress(email, email),
                name="Asha",
                password_hash=None,
                created_at=NOON,
            )
        )
    return user_id


async def a_profile(scope: AsyncContainer, user_id: UserId, **changes: Any) -> LinkedProfile:
    profile = LinkedProfile(
        id=ProfileId((await scope.get(Ids)).new()),
        user_id=user_id,
        provider="acme",
        issuer="https://id.acme.test",
        subject="asha-1",
        email="asha@example.com",
        linked_at=NOON,
    )
    profile = replace(profile, **changes)
    uow, profiles = await scope.get(UnitOfWork), await scope.get(Profiles)
    async with uow.begin():
        await profiles.add(profile)
    return profile


async def test_a_profile_comes_back_equal_by_issuer_and_subject(container: AsyncContainer) -> None:
    async with container() as scope:
        user_id = await a_user(scope)
        profile = await a_profile(scope, user_id)
        bare = await a_profile(scope, user_id, subject="ASHA-1", email=None)
        uow, profiles = await scope.get(UnitOfWork), await scope.get(Profiles)
        async with uow.begin():
            assert await profiles.find(profile.issuer, "asha-1") == profile
            assert await profiles.find(profile.issuer, "ASHA-1") == bare
            assert await profiles.find("https://other.test", "asha-1") is None
            assert await profiles.of(user_id) == [profile, bare]
            assert await profiles.of(UserId(uuid4())) == []
    assert await (await container.get(ProfileReads)).of(user_id) == [profile, bare]


async def test_a_profile_belongs_to_one_account(container: AsyncContainer) -> None:
    async with container() as scope:
        user_id, other = await a_user(scope), await a_user(scope, "ravi@example.com")
        await a_profile(scope, user_id)
        with pytest.raises(ProfileTaken):
            await a_profile(scope, other)
        await a_profile(scope, other, issuer="https://other.test")


async def test_of_parallel_links_of_one_profile_one_is_stored(container: AsyncContainer) -> None:
    async with container() as scope:
        users = [await a_user(scope, f"{n}@example.com") for n in range(5)]

    async def link(user_id: UserId) -> None:
        async with container() as scope:
            await a_profile(scope, user_id)

    results = await asyncio.gather(*map(link, users), return_exceptions=True)
    assert sum(isinstance(result, ProfileTaken) for result in results) == 4, results


async def test_a_profile_is_removed_once_and_for_all(container: AsyncContainer) -> None:
    async with container() as scope:
        user_id = await a_user(scope)
        profile = await a_profile(scope, user_id)
        uow, profiles = await scope.get(UnitOfWork), await scope.get(Profiles)
        async with uow.begin():
            await profiles.remove(profile)
            await profiles.remove(profile)
            assert await profiles.of(user_id) == []
        await a_profile(scope, user_id)


async def test_a_state_is_spent_once_also_by_many_at_a_time(container: AsyncContainer) -> None:
    async def spend() -> bool:
        async with container() as scope:
            uow, spent = await scope.get(UnitOfWork), await scope.get(SpentStates)
            async with uow.begin():
                fresh: bool = await spent.spend(b"s" * 32, SOON)
                return fresh

    results = await asyncio.gather(*(spend() for _ in range(10)))
    assert sorted(results) == [False] * 9 + [True]


async def test_a_unit_that_fails_spends_nothing(container: AsyncContainer) -> None:
    async with container() as scope:
        uow, spent = await scope.get(UnitOfWork), await scope.get(SpentStates)
        with pytest.raises(ZeroDivisionError):
            async with uow.begin():
                await spent.spend(b"s" * 32, SOON)
                raise ZeroDivisionError
        async with uow.begin():
            assert await spent.spend(b"s" * 32, SOON)


async def test_states_are_forgotten_when_their_time_is_over(container: AsyncContainer) -> None:
    async with container() as scope:
        uow, spent = await scope.get(UnitOfWork), await scope.get(SpentStates)
        async with uow.begin():
            await spent.spend(b"a" * 32, NOON)
            await spent.spend(b"b" * 32, SOON)
            assert await spent.forget(NOON + timedelta(seconds=1)) == 1
            assert await spent.spend(b"a" * 32, SOON)
            assert not await spent.spend(b"b" * 32, SOON)
