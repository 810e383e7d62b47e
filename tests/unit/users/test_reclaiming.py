"""Somebody opens an account with an address that is not theirs; then its owner comes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dishka import AsyncContainer

from shop.core.kernel.access import Caller, Role
from shop.core.kernel.errors import Denied
from shop.core.users.admins import Admins, Staffing, UserAdmin
from shop.core.users.factors import SecondFactorRequired
from shop.core.users.forgotten import Forgotten
from shop.core.users.linked import PasswordFirst
from shop.core.users.model import BadCredentials, GrantInvalid, ResetAnswerWrong, User
from shop.core.users.passwords import ConfirmReset, PasswordReset
from shop.core.users.profile import Profile, ProfileChange
from shop.core.users.second_step import PasskeySignIn
from shop.core.users.service import Verification
from shop.core.users.sessions import Refreshing
from shop.core.users.signing_in import LogIn, SignIn
from shop.core.users.social import ProfileLinks
from shop.ports.users import UserReads
from shop.usecases import SocialParts
from tests.kit.people import PASSWORD, Letterbox, people
from tests.unit.users.test_second_factor import Person, arrived
from tests.unit.users.test_social import ASHA as CLAIMED, Scripted, sign_in

OWN = "four green kettles"
LOG_IN = LogIn(email="asha@example.com", password=OWN)
QUESTION = ProfileChange(reset_question="Who am I?", reset_answer="a stranger")


@pytest.fixture
async def stranger(tmp_path: Path) -> AsyncIterator[Person]:
    """Has prepared every way back in."""
    extra = [SocialParts(), Scripted()]
    async with people("memory", tmp_path, extra=extra) as container, container() as scope:
        person = await arrived(scope)
        await person.set_up_app()
        await person.add_passkey()
        await (await scope.get(ProfileLinks)).link(person.caller, CLAIMED)
        await (await scope.get(Profile)).update(person.caller, QUESTION)
        yield person


async def _resets(scope: AsyncContainer, answer: str | None = None) -> None:
    await (await scope.get(Forgotten)).ask("asha@example.com")
    token = (await scope.get(Letterbox)).secret("reset-password")
    reset = await scope.get(PasswordReset)
    await reset.confirm(ConfirmReset(token=token, new_password=OWN, reset_answer=answer))


async def _is_locked_out(stranger: Person) -> None:
    """The owner is asked for no second factor; session, passkey and profile open nothing more."""
    scope = stranger.scope
    await (await scope.get(SignIn)).log_in(LOG_IN)
    refreshing, token = await scope.get(Refreshing), stranger.signed_in.tokens.refresh_token
    with pytest.raises(GrantInvalid):
        await refreshing.refresh(token, "shop")
    signing = await scope.get(PasskeySignIn)
    asked = await signing.begin()
    with pytest.raises(BadCredentials):
        await signing.complete(asked.ticket, stranger.key.get(asked.options), "")
    with pytest.raises(PasswordFirst):
        await sign_in(scope)


async def test_the_owner_resets_the_password_and_the_stranger_is_out(stranger: Person) -> None:
    scope = stranger.scope
    await (await scope.get(Forgotten)).ask("asha@example.com")
    letter = (await scope.get(Letterbox)).letters[-1]
    assert letter.data["question"] is None
    assert letter.data["name"] == ""
    token = (await scope.get(Letterbox)).secret("reset-password")
    assert await (await scope.get(PasswordReset)).question(token) is None
    await _resets(scope)
    await _is_locked_out(stranger)
    assert (await _asha(scope)).reset_question is None


async def test_a_promoted_account_that_nobody_proved_keeps_no_way_in(stranger: Person) -> None:
    await (await stranger.scope.get(Admins)).create("asha@example.com", OWN)
    await _is_locked_out(stranger)
    assert (await _asha(stranger.scope)).reset_question is None


async def test_an_owner_who_proved_the_address_keeps_question_and_factors(
    stranger: Person,
) -> None:
    scope = stranger.scope
    token = (await scope.get(Letterbox)).secret("verify-email")
    await (await scope.get(Verification)).verify(token)
    with pytest.raises(ResetAnswerWrong):
        await _resets(scope)
    await _resets(scope, "a stranger")
    with pytest.raises(SecondFactorRequired):
        await (await scope.get(SignIn)).log_in(LOG_IN)


async def _asha(scope: AsyncContainer) -> User:
    found: User | None = await (await scope.get(UserReads)).by_email("asha@example.com")
    assert found is not None
    return found


async def test_of_two_who_take_the_role_from_each_other_one_keeps_it(tmp_path: Path) -> None:
    async with people("memory", tmp_path) as container, container() as scope:
        admin = frozenset({Role.CUSTOMER, Role.ADMIN})
        staffing, users = await scope.get(Staffing), await scope.get(UserAdmin)
        one, two = [
            await staffing.hire(f"{name}@example.com", PASSWORD, "Boss", admin) for name in "ab"
        ]
        # Both calls were let in while both still had the role.
        first = Caller(user_id=one.id, roles=admin)
        second = Caller(user_id=two.id, roles=admin)
        await users.assign(first, two.id, frozenset({Role.CUSTOMER}))
        with pytest.raises(Denied):
            await users.assign(second, one.id, frozenset({Role.CUSTOMER}))
        reads = await scope.get(UserReads)
        assert (await reads.get(one.id)).roles == admin
