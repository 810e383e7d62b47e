"""What was let in before the owner took the account back must not act after it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from shop.core.kernel.access import Caller
from shop.core.kernel.errors import Unauthenticated
from shop.core.users.enrolment import AppEnrolment
from shop.core.users.factor_guard import Proof
from shop.core.users.forgotten import Forgotten
from shop.core.users.linked import SignInAgain
from shop.core.users.model import BadCredentials
from shop.core.users.passwords import ChangePassword, ConfirmReset, PasswordChange, PasswordReset
from shop.core.users.presence import Presence
from shop.core.users.profile import Profile, ProfileChange
from shop.core.users.signing_in import LogIn, SignIn
from shop.core.users.social import ProfileLinks
from shop.ports.uow import UnitOfWork
from shop.ports.users import UserReads
from shop.usecases import SocialParts
from tests.kit.people import PASSWORD, FakePasswords, Letterbox, people
from tests.unit.users.test_second_factor import Person, arrived
from tests.unit.users.test_social import ASHA as CLAIMED, Scripted

OWN = "four green kettles"
THIEFS = "seven green kettles"


@pytest.fixture
async def thief(tmp_path: Path) -> AsyncIterator[Person]:
    extra = [SocialParts(), Scripted()]
    async with people("memory", tmp_path, extra=extra) as container, container() as scope:
        yield await arrived(scope)


async def _reset(thief: Person) -> None:
    scope = thief.scope
    await (await scope.get(Forgotten)).ask("asha@example.com")
    token = (await scope.get(Letterbox)).secret("reset-password")
    await (await scope.get(PasswordReset)).confirm(ConfirmReset(token=token, new_password=OWN))


async def _reset_during(thief: Person, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner resets the password while the thief's call checks or makes a hash."""
    passwords = await thief.scope.get(FakePasswords)
    plain: Callable[..., Awaitable[Any]] = getattr(passwords, method)

    async def slow(*given: Any) -> Any:
        monkeypatch.setattr(passwords, method, plain)
        found = await plain(*given)
        await _reset(thief)
        return found

    monkeypatch.setattr(passwords, method, slow)


async def _owner_signs_in(thief: Person) -> None:
    login = LogIn(email="asha@example.com", password=OWN)
    await (await thief.scope.get(SignIn)).log_in(login)


async def test_the_old_password_sets_no_other_one_after_a_reset(
    thief: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _reset_during(thief, "verify", monkeypatch)
    change = await thief.scope.get(PasswordChange)
    with pytest.raises(BadCredentials):
        await change.change(
            thief.caller, ChangePassword(current_password=PASSWORD, new_password=THIEFS)
        )
    await _owner_signs_in(thief)


async def test_the_old_password_changes_no_factors_after_a_reset(
    thief: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _reset_during(thief, "verify", monkeypatch)
    apps = await thief.scope.get(AppEnrolment)
    nameless = Caller(user_id=thief.user_id)  # whose session cannot be what refuses it
    with pytest.raises(BadCredentials):
        await apps.begin(nameless, Proof(password=PASSWORD))


async def test_a_session_that_has_ended_goes_on_with_nothing(thief: Person) -> None:
    apps = await thief.scope.get(AppEnrolment)
    thief.secret = (await apps.begin(thief.caller, Proof())).secret
    await _reset(thief)
    with pytest.raises(Unauthenticated):
        await apps.confirm(thief.caller, await thief.code())
    with pytest.raises(Unauthenticated):
        await (await thief.scope.get(ProfileLinks)).link(thief.caller, CLAIMED)
    with pytest.raises(SignInAgain):
        async with (await thief.scope.get(UnitOfWork)).begin():
            await (await thief.scope.get(Presence)).confirm(thief.caller)


async def test_a_question_asked_for_before_a_reset_is_not_set_after_it(
    thief: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _reset_during(thief, "hash", monkeypatch)
    question = ProfileChange(reset_question="Who am I?", reset_answer="a thief")
    with pytest.raises(Unauthenticated):
        await (await thief.scope.get(Profile)).update(thief.caller, question)
    asha = await (await thief.scope.get(UserReads)).get(thief.user_id)
    assert asha.reset_question is None
