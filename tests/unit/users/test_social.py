"""Whose account a profile opens, with a provider that says what the test wants."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from dishka import AsyncContainer, Provider, Scope, provide

from shop.adapters.memory.store import MemoryStore
from shop.core.kernel.access import Caller
from shop.core.kernel.ids import ProfileId
from shop.core.users.admission import SignedIn
from shop.core.users.factor_facts import Method
from shop.core.users.factors import Factors, SecondFactorRequired
from shop.core.users.linked import (
    ConsentDenied,
    EmailUnproven,
    LastWayIn,
    PasswordFirst,
    ProfileNotFound,
    ProfileTaken,
    ProviderDown,
    ProviderNotFound,
    SocialRefused,
    TooManyProfiles,
)
from shop.core.users.service import Accounts, SignUp
from shop.core.users.social import ProfileLinks, SocialSignIn
from shop.core.users.trips import Arrival, Return, SocialTrips, TripTidying
from shop.ports import social
from shop.ports.factors import SecondFactors
from shop.ports.social import Claimed, Providers
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import Tokens, UserReads
from shop.usecases import SocialParts
from tests.kit.clock import ManualClock
from tests.kit.people import PASSWORD, Letterbox, people
from tests.kit.social import ScriptedProviders

ASHA = Claimed(
    provider="acme",
    issuer="https://id.acme.test",
    subject="asha-1",
    email="Asha@Example.com",
    email_verified=True,
    name="Asha Rao",
)


class Scripted(Provider):
    @provide(scope=Scope.APP)
    def scripted(self) -> ScriptedProviders:
        return ScriptedProviders(social.Provider("acme", "Acme"), social.Provider("other", "Other"))

    @provide(scope=Scope.APP)
    def providers(self, scripted: ScriptedProviders) -> Providers:
        return scripted


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    extra = [SocialParts(), Scripted()]
    async with people("memory", tmp_path, extra=extra) as container, container() as scope:
        yield scope


async def sign_in(shop: AsyncContainer, **changes: Any) -> SignedIn:
    claimed = Claimed(**{f: getattr(ASHA, f) for f in ASHA.__struct_fields__} | changes)
    return await (await shop.get(SocialSignIn)).sign_in(claimed, "a browser")


async def caller_of(shop: AsyncContainer, signed_in: SignedIn) -> Caller:
    access = await (await shop.get(Tokens)).verify(signed_in.tokens.access_token)
    return Caller(user_id=access.user_id, session_id=access.session_id)


async def trip(shop: AsyncContainer, **said: Any) -> Arrival:
    """There and back, with what the provider says."""
    trips = await shop.get(SocialTrips)
    departure = await trips.leave("acme", to="/account")
    state = parse_qs(urlsplit(departure.url).query)["state"][0]
    back = Return(**{"state": state, "code": "one"} | said)
    return await trips.arrive("acme", departure.ticket, back)


async def test_a_newcomer_is_registered_verified_and_linked(shop: AsyncContainer) -> None:
    user = (await sign_in(shop)).user
    assert (user.email.key, user.name, user.password_hash) == (
        "asha@example.com",
        "Asha Rao",
        None,
    )
    assert user.verified_at is not None
    waiting = (await shop.get(MemoryStore)).table("outbox")
    assert [one.kind for one in waiting.values()] == [
        "shop.user.registered.v1",
        "shop.user.profile_linked.v1",
        "shop.user.session_started.v1",
    ]
    assert (await shop.get(Letterbox)).letters == []


@pytest.mark.parametrize(
    ("name", "called"),
    [("", "Asha"), ("\x00\n", "Asha"), ("  Asha   Rao ", "Asha Rao"), ("A" * 300, "A" * 120)],
)
async def test_a_newcomer_has_a_name_whatever_the_provider_says(
    shop: AsyncContainer, name: str, called: str
) -> None:
    assert (await sign_in(shop, name=name)).user.name == called


async def test_another_provider_with_the_same_verified_address_opens_an_account_without_password(
    shop: AsyncContainer,
) -> None:
    first = await sign_in(shop)
    second = await sign_in(shop, provider="other", issuer="https://other.test", subject="9")
    assert second.user.id == first.user.id
    assert (await shop.get(Letterbox)).templates() == ["profile-linked"]


async def test_a_password_shuts_the_account_for_addresses(shop: AsyncContainer) -> None:
    sign_up = SignUp(name="Asha", email="asha@example.com", password=PASSWORD)
    await (await shop.get(Accounts)).sign_up(sign_up)
    with pytest.raises(PasswordFirst):
        await sign_in(shop)


@pytest.mark.parametrize(
    "changes", [{"email_verified": False}, {"email": None}, {"email": "a@b@c"}]
)
async def test_an_unproven_address_makes_no_account(
    shop: AsyncContainer, changes: dict[str, Any]
) -> None:
    with pytest.raises(EmailUnproven):
        await sign_in(shop, **changes)


async def test_the_second_factor_is_asked_for_here_too(shop: AsyncContainer) -> None:
    user = (await sign_in(shop)).user
    uow, factors = await shop.get(UnitOfWork), await shop.get(SecondFactors)
    async with uow.begin():
        await factors.save(Factors(user_id=user.id, totp=b"sealed"))
    with pytest.raises(SecondFactorRequired) as asked:
        await sign_in(shop)
    assert asked.value.methods == (Method.TOTP,)
    clock = await shop.get(Clock)
    assert len(await (await shop.get(UserReads)).sessions(user.id, clock.now(), 9)) == 1


async def test_profiles_are_linked_and_unlinked_but_for_the_last(shop: AsyncContainer) -> None:
    links = await shop.get(ProfileLinks)
    caller = await caller_of(shop, await sign_in(shop))
    other = Claimed(provider="other", issuer="https://other.test", subject="9")
    await links.link(caller, other)
    await links.link(caller, other)
    first, second = await links.mine(caller)
    assert (first.provider, second.provider) == ("acme", "other")
    await links.unlink(caller, first.id)
    with pytest.raises(LastWayIn):
        await links.unlink(caller, second.id)
    with pytest.raises(ProfileNotFound):
        await links.unlink(caller, first.id)
    assert (await shop.get(Letterbox)).templates() == ["profile-linked"]


async def test_a_profile_of_somebody_else_is_neither_taken_nor_unlinked(
    shop: AsyncContainer,
) -> None:
    links = await shop.get(ProfileLinks)
    asha = await caller_of(shop, await sign_in(shop))
    ravi = await caller_of(shop, await sign_in(shop, subject="ravi", email="ravi@example.com"))
    with pytest.raises(ProfileTaken):
        await links.link(ravi, ASHA)
    [mine] = await links.mine(asha)
    with pytest.raises(ProfileNotFound):
        await links.unlink(ravi, ProfileId(mine.id))


async def test_an_account_keeps_so_many_profiles_and_no_more(shop: AsyncContainer) -> None:
    links = await shop.get(ProfileLinks)
    caller = await caller_of(shop, await sign_in(shop))
    for n in range(19):
        await links.ask(caller)
        await links.link(caller, Claimed(provider="acme", issuer="https://x.test", subject=str(n)))
    with pytest.raises(TooManyProfiles):
        await links.ask(caller)


async def test_a_trip_ends_with_who_it_is(shop: AsyncContainer) -> None:
    (await shop.get(ScriptedProviders)).codes["one"] = ASHA
    arrival = await trip(shop)
    assert (arrival.claimed, arrival.next, arrival.linking) == (ASHA, "/account", None)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"error": "access_denied", "code": ""}, ConsentDenied),
        ({"error": "server_error", "code": ""}, ProviderDown),
        ({"error": "invalid_scope", "code": ""}, SocialRefused),
        ({"code": ""}, SocialRefused),
        ({"code": "unknown"}, SocialRefused),
        ({"state": "another"}, SocialRefused),
        ({"state": "\ud800"}, SocialRefused),
    ],
)
async def test_a_trip_that_went_wrong_says_how(
    shop: AsyncContainer, said: dict[str, str], error: type[Exception]
) -> None:
    (await shop.get(ScriptedProviders)).codes["one"] = ASHA
    with pytest.raises(error):
        await trip(shop, **said)


async def test_who_comes_back_late_begins_again(shop: AsyncContainer) -> None:
    (await shop.get(ScriptedProviders)).codes["one"] = ASHA
    trips, clock = await shop.get(SocialTrips), await shop.get(Clock)
    assert isinstance(clock, ManualClock)
    departure = await trips.leave("acme", to="/account")
    back = Return(state=parse_qs(urlsplit(departure.url).query)["state"][0], code="one")
    clock.advance(600)
    with pytest.raises(SocialRefused):
        await trips.arrive("acme", departure.ticket, back)
    clock.advance(-1)
    assert (await trips.arrive("acme", departure.ticket, back)).claimed == ASHA


async def test_a_ticket_is_of_one_provider(shop: AsyncContainer) -> None:
    (await shop.get(ScriptedProviders)).codes["one"] = ASHA
    trips = await shop.get(SocialTrips)
    departure = await trips.leave("acme", to="/account")
    state = parse_qs(urlsplit(departure.url).query)["state"][0]
    with pytest.raises(SocialRefused):
        await trips.arrive("other", departure.ticket, Return(state=state, code="one"))
    with pytest.raises(ProviderNotFound):
        await trips.leave("third", to="/account")


async def test_spent_states_are_forgotten_when_they_are_late_anyway(shop: AsyncContainer) -> None:
    (await shop.get(ScriptedProviders)).codes["one"] = ASHA
    await trip(shop)
    tidying = await shop.get(TripTidying)
    assert await tidying.tidy() == 0
    clock = await shop.get(Clock)
    assert isinstance(clock, ManualClock)
    clock.advance(601)
    assert await tidying.tidy() == 1


async def test_nothing_of_a_trip_shows(shop: AsyncContainer) -> None:
    trips = await shop.get(SocialTrips)
    departure = await trips.leave("acme", to="/account")
    assert departure.ticket not in repr(departure)
    assert "Asha" not in repr(ASHA)
    assert "one" not in repr(Return(state="s", code="one"))
