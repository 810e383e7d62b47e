"""What strangers may have mailed to somebody's mailbox."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dishka import AsyncContainer

from shop.adapters.memory.store import MemoryStore
from shop.core.kernel.access import Caller
from shop.core.users.factor_changes import FactorChanges
from shop.core.users.forgotten import Forgotten
from shop.core.users.mail_limit import MAILS_AN_HOUR, SIGN_UPS_AN_HOUR
from shop.core.users.model import EmailTaken, User
from shop.core.users.passwords import ChangePassword, PasswordChange
from shop.core.users.profile import Profile, ProfileChange
from shop.core.users.service import Accounts, Resending, SignUp, Verification
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import Users
from tests.kit.clock import ManualClock
from tests.kit.people import PASSWORD, Letterbox, people

VICTIM = "victim@example.net"
OFTEN = 3 * MAILS_AN_HOUR


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    async with people("memory", tmp_path) as container, container() as scope:
        yield scope


@pytest.fixture
async def mails(shop: AsyncContainer) -> Letterbox:
    return await shop.get(Letterbox)


async def _sign_up(shop: AsyncContainer, email: str) -> User:
    command = SignUp(name="Zed", email=email, password=PASSWORD)
    return await (await shop.get(Accounts)).sign_up(command)


async def _change(shop: AsyncContainer, user: User, email: str) -> User:
    profile = await shop.get(Profile)
    return await profile.update(Caller(user_id=user.id), ProfileChange(email=email))


def _got(mails: Letterbox, to: str = VICTIM) -> int:
    return sum(letter.to == to for letter in mails.letters)


async def test_a_new_address_is_mailed_a_few_times_and_the_answer_stays_the_same(
    shop: AsyncContainer, mails: Letterbox
) -> None:
    thief = await _sign_up(shop, "thief@example.com")
    for _ in range(OFTEN):
        assert (await _change(shop, thief, VICTIM)).pending_email == VICTIM
        assert (await _change(shop, thief, "thief@example.com")).pending_email is None
    assert _got(mails) == MAILS_AN_HOUR
    clock = await shop.get(Clock)
    assert isinstance(clock, ManualClock)
    clock.advance(seconds=3600)
    await _change(shop, thief, VICTIM)
    assert _got(mails) == MAILS_AN_HOUR + 1


async def test_nor_do_more_accounts_make_it_more(shop: AsyncContainer, mails: Letterbox) -> None:
    for number in range(OFTEN):
        thief = await _sign_up(shop, f"thief{number}@example.com")
        await _change(shop, thief, VICTIM)
        await (await shop.get(Resending)).resend(f"thief{number}@example.com")
    assert _got(mails) == MAILS_AN_HOUR


async def test_each_address_of_a_mailbox_gets_the_mail_of_its_sign_up_until_they_are_very_many(
    shop: AsyncContainer, mails: Letterbox
) -> None:
    for number in range(SIGN_UPS_AN_HOUR + OFTEN):
        assert (await _sign_up(shop, f"victim+{number}@example.net")).verified_at is None
        assert _got(mails, f"victim+{number}@example.net") == (number < SIGN_UPS_AN_HOUR)


async def test_who_opens_and_deletes_an_account_over_and_over_mails_a_few_times(
    shop: AsyncContainer, mails: Letterbox
) -> None:
    for _ in range(OFTEN):
        user = await _sign_up(shop, VICTIM)
        del (await shop.get(MemoryStore)).table("users")[user.id]
    assert mails.templates().count("verify-email") == MAILS_AN_HOUR


async def test_nobody_is_kept_from_a_reset_by_what_else_is_asked_in_their_name(
    shop: AsyncContainer, mails: Letterbox
) -> None:
    await _sign_up(shop, VICTIM)
    await (await shop.get(Verification)).verify(mails.secret("verify-email"))
    thief = await _sign_up(shop, "thief@example.com")
    for _ in range(OFTEN):
        await (await shop.get(Resending)).resend(VICTIM)
        with pytest.raises(EmailTaken):
            await _sign_up(shop, VICTIM)
        with pytest.raises(EmailTaken):
            await _change(shop, thief, VICTIM)
    assert _got(mails) == 1
    await (await shop.get(Forgotten)).ask(VICTIM)
    assert mails.letters[-1].template == "reset-password"


async def test_nor_by_accounts_that_others_open_with_their_mailbox(
    shop: AsyncContainer, mails: Letterbox
) -> None:
    await _sign_up(shop, VICTIM)
    await (await shop.get(Verification)).verify(mails.secret("verify-email"))
    await _sign_up(shop, "victim+thief@example.net")
    forgotten = await shop.get(Forgotten)
    for _ in range(OFTEN):
        await forgotten.ask("victim+thief@example.net")
        await forgotten.ask("victim+nobody@example.net")
    assert mails.templates().count("reset-password") == MAILS_AN_HOUR
    await forgotten.ask(VICTIM)
    assert (mails.letters[-1].template, mails.letters[-1].to) == ("reset-password", VICTIM)


async def _change_password_often(shop: AsyncContainer, user: User) -> None:
    for number in range(OFTEN):
        old, new = (f"{PASSWORD} {n}" if n else PASSWORD for n in (number, number + 1))
        command = ChangePassword(current_password=old, new_password=new)
        await (await shop.get(PasswordChange)).change(Caller(user_id=user.id), command)


async def test_who_signs_up_with_anothers_address_has_them_told_of_little(
    shop: AsyncContainer, mails: Letterbox
) -> None:
    await _change_password_often(shop, await _sign_up(shop, VICTIM))
    assert mails.templates().count("password-changed") == MAILS_AN_HOUR


async def test_who_proved_the_mailbox_is_told_of_everything(
    shop: AsyncContainer, mails: Letterbox
) -> None:
    user = await _sign_up(shop, "asha@example.com")
    await (await shop.get(Verification)).verify(mails.secret("verify-email"))
    await _change_password_often(shop, user)
    assert mails.templates().count("password-changed") == OFTEN


async def test_who_is_attacked_at_the_second_step_is_warned_a_few_times(
    shop: AsyncContainer, mails: Letterbox
) -> None:
    user = await _sign_up(shop, "asha@example.com")
    await (await shop.get(Verification)).verify(mails.secret("verify-email"))
    changes = await shop.get(FactorChanges)
    for _ in range(OFTEN):
        async with (await shop.get(UnitOfWork)).begin():
            await changes.warn(await (await shop.get(Users)).get(user.id))
    assert mails.templates().count("second-factor") == MAILS_AN_HOUR
