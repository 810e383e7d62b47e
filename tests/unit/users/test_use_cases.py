"""What HTTP does not show: costs, promotions, demo accounts, tidying."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.adapters.memory.store import MemoryStore
from shop.core.kernel.access import Caller, Permission, Role
from shop.core.kernel.errors import Denied, Unauthenticated
from shop.core.users.addresses import AddressBook
from shop.core.users.admins import Admins, DemoLogins
from shop.core.users.forgotten import Forgotten
from shop.core.users.inspecting import Revocation
from shop.core.users.issuing import RefreshToken
from shop.core.users.model import BadCredentials, GrantInvalid, TooManyAddresses, WeakPassword
from shop.core.users.service import Accounts, SignUp
from shop.core.users.sessions import Refreshing
from shop.core.users.signing_in import LogIn, SignIn
from shop.core.users.tidying import IdentityTidying
from shop.ports.outbox import Envelope
from shop.ports.system import Clock
from shop.ports.users import UserReads
from shop.settings import Settings, Site
from tests.kit.clock import ManualClock
from tests.kit.people import PASSWORD, FakePasswords, Letterbox, people
from tests.unit.users.test_postal import HOME

ASHA = SignUp(name="Asha", email="asha@example.com", password=PASSWORD)
LOG_IN = LogIn(email="asha@example.com", password=PASSWORD)


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with people("memory", tmp_path) as container, container() as scope:
        yield scope


async def _facts(shop: AsyncContainer) -> list[str]:
    waiting: dict[object, Envelope] = (await shop.get(MemoryStore)).table("outbox")
    return [envelope.kind for envelope in waiting.values()]


async def test_each_step_leaves_its_fact(shop: AsyncContainer) -> None:
    await (await shop.get(Accounts)).sign_up(ASHA)
    signed_in = await (await shop.get(SignIn)).log_in(LOG_IN)
    await (await shop.get(Forgotten)).ask("asha@example.com")
    await (await shop.get(Revocation)).revoke(signed_in.tokens.refresh_token, "shop")
    assert await _facts(shop) == [
        "shop.user.registered.v1",
        "shop.user.session_started.v1",
        "shop.user.password_reset_requested.v1",
        "shop.user.session_ended.v1",
    ]


async def test_an_unknown_address_costs_one_hash_like_a_known_one(shop: AsyncContainer) -> None:
    await (await shop.get(Accounts)).sign_up(ASHA)
    passwords, sign_in = await shop.get(FakePasswords), await shop.get(SignIn)
    for email in ("asha@example.com", "nobody@example.com", "no address"):
        with pytest.raises(BadCredentials):
            await sign_in.log_in(LogIn(email=email, password="wrong"))
    assert len(passwords.verified) == 3
    assert passwords.verified[1:] == [None, None]


async def test_signing_in_renews_an_outdated_hash(shop: AsyncContainer) -> None:
    user = await (await shop.get(Accounts)).sign_up(ASHA)
    (await shop.get(FakePasswords)).rounds = 2
    await (await shop.get(SignIn)).log_in(LOG_IN)
    renewed = await (await shop.get(UserReads)).get(user.id)
    assert renewed.password_hash.startswith("2:")
    await (await shop.get(SignIn)).log_in(LOG_IN)
    assert (await (await shop.get(UserReads)).get(user.id)).version == 1


async def test_a_refused_sign_up_leaves_nothing(shop: AsyncContainer) -> None:
    with pytest.raises(WeakPassword):
        await (await shop.get(Accounts)).sign_up(
            SignUp(name="Asha", email="asha@example.com", password="weak")
        )
    assert await (await shop.get(UserReads)).by_email("asha@example.com") is None
    assert (await shop.get(Letterbox)).letters == []


async def test_the_first_administrator_may_do_everything(shop: AsyncContainer) -> None:
    boss = await (await shop.get(Admins)).create("boss@example.com", PASSWORD)
    caller = Caller(user_id=boss.id, roles=boss.roles)
    for permission in Permission:
        caller.require(permission)
    assert boss.verified_at is not None
    assert (await shop.get(Letterbox)).letters == []
    with pytest.raises(WeakPassword):
        await (await shop.get(Admins)).create("other@example.com", "weak")


async def test_an_account_that_exists_is_promoted_and_its_sessions_end(
    shop: AsyncContainer,
) -> None:
    user = await (await shop.get(Accounts)).sign_up(ASHA)
    before = await (await shop.get(SignIn)).log_in(LOG_IN)
    boss = await (await shop.get(Admins)).create("Asha@example.com", "four green kettles")
    assert (boss.id, boss.roles) == (user.id, frozenset({Role.CUSTOMER, Role.ADMIN}))
    with pytest.raises(GrantInvalid):
        await (await shop.get(Refreshing)).refresh(before.tokens.refresh_token, "shop")
    login = LogIn(email="asha@example.com", password="four green kettles")
    assert (await (await shop.get(SignIn)).log_in(login)).user.roles == boss.roles


async def test_demo_accounts_are_made_once_with_passwords_of_their_own(
    shop: AsyncContainer,
) -> None:
    demo = await shop.get(DemoLogins)
    made = await demo.ensure()
    assert [login.role for login in made] == [Role.CUSTOMER, Role.STAFF, Role.ADMIN]
    assert len({login.password for login in made}) == 3
    assert await demo.ensure() == []
    for login in made:
        found = await (await shop.get(SignIn)).log_in(
            LogIn(email=login.email, password=login.password)
        )
        assert login.role in found.user.roles
        assert login.password not in repr(login)


async def test_production_has_no_demo_accounts(tmp_path: Path) -> None:
    settings = Settings(site=Site(mode="production"))
    async with people("memory", tmp_path, settings) as container, container() as shop:
        with pytest.raises(Denied):
            await (await shop.get(DemoLogins)).ensure()


async def test_parallel_refreshes_of_one_token_get_the_same_successor(
    shop: AsyncContainer,
) -> None:
    await (await shop.get(Accounts)).sign_up(ASHA)
    token = (await (await shop.get(SignIn)).log_in(LOG_IN)).tokens.refresh_token
    first = await (await shop.get(Refreshing)).refresh(token, "shop")
    second = await (await shop.get(Refreshing)).refresh(token, "shop")
    assert first.refresh_token == second.refresh_token


async def test_a_session_ends_by_its_own_used_tokens_and_by_no_invented_one(
    shop: AsyncContainer,
) -> None:
    await (await shop.get(Accounts)).sign_up(ASHA)
    first = (await (await shop.get(SignIn)).log_in(LOG_IN)).tokens.refresh_token
    refreshing = await shop.get(Refreshing)
    second = (await refreshing.refresh(first, "shop")).refresh_token
    third = (await refreshing.refresh(second, "shop")).refresh_token
    known = RefreshToken.parse(first).session_id  # it stands in every access token
    with pytest.raises(GrantInvalid):
        await refreshing.refresh(RefreshToken(known, b"s" * 32).text, "shop")
    fourth = (await refreshing.refresh(third, "shop")).refresh_token
    with pytest.raises(GrantInvalid):
        await refreshing.refresh(first, "shop")  # three generations old
    with pytest.raises(GrantInvalid):
        await refreshing.refresh(fourth, "shop")


async def test_a_refresh_token_of_a_former_version_goes_on(shop: AsyncContainer) -> None:
    await (await shop.get(Accounts)).sign_up(ASHA)
    issued = (await (await shop.get(SignIn)).log_in(LOG_IN)).tokens.refresh_token
    former = RefreshToken(RefreshToken.parse(issued).session_id, b"s" * 32)
    sessions = (await shop.get(MemoryStore)).table("sessions")
    session = sessions[former.session_id]
    sessions[session.id] = replace(session, refresh_hash=former.hash)
    refreshing = await shop.get(Refreshing)
    following = (await refreshing.refresh(former.text, "shop")).refresh_token
    clock = await shop.get(Clock)
    assert isinstance(clock, ManualClock)
    clock.advance(seconds=11)
    with pytest.raises(GrantInvalid):  # it is the one that was used last, so it ends the session
        await refreshing.refresh(former.text, "shop")
    with pytest.raises(GrantInvalid):
        await refreshing.refresh(following, "shop")


async def test_another_clients_refresh_token_is_not_valid_here(shop: AsyncContainer) -> None:
    await (await shop.get(Accounts)).sign_up(ASHA)
    token = (await (await shop.get(SignIn)).log_in(LOG_IN)).tokens.refresh_token
    with pytest.raises(GrantInvalid):
        await (await shop.get(Refreshing)).refresh(token, "other")
    await (await shop.get(Revocation)).revoke(token, "other")
    await (await shop.get(Refreshing)).refresh(token, "shop")


async def test_what_ended_long_ago_is_tidied_away(shop: AsyncContainer) -> None:
    await (await shop.get(Accounts)).sign_up(ASHA)
    await (await shop.get(SignIn)).log_in(LOG_IN)
    clock = await shop.get(Clock)
    assert isinstance(clock, ManualClock)
    tidying = await shop.get(IdentityTidying)
    assert await tidying.tidy() == 0
    clock.advance(seconds=38 * 86_400)
    assert await tidying.tidy() == 2


async def test_a_customer_keeps_a_bounded_number_of_addresses(shop: AsyncContainer) -> None:
    user = await (await shop.get(Accounts)).sign_up(ASHA)
    book, caller = await shop.get(AddressBook), Caller(user_id=user.id)
    for _ in range(50):
        await book.add(caller, HOME, is_default=False)
    with pytest.raises(TooManyAddresses):
        await book.add(caller, HOME, is_default=False)
    with pytest.raises(Unauthenticated):
        await book.all(Caller())
