"""Second factors: how they are set up, asked for, limited, and taken away."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.adapters.memory.store import MemoryStore
from shop.core.kernel.access import Caller, Permission, Role, SecondFactorEnrolmentRequired
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import PasskeyId, SessionId, UserId
from shop.core.users.admission import SignedIn
from shop.core.users.enrolment import AppEnrolment, Enrolled, PasskeyEnrolment
from shop.core.users.factor_facts import Method
from shop.core.users.factor_guard import Proof
from shop.core.users.factor_reset import FactorRescue
from shop.core.users.factors import (
    CodeWrong,
    FactorMissing,
    Factors,
    FactorsUnreadable,
    LastFactor,
    PasskeyNotFound,
    PasskeyRefused,
    ProofNeeded,
    SecondFactorRequired,
    SecondFactorWrong,
    TicketInvalid,
    TooManyPasskeys,
)
from shop.core.users.liveness import Liveness
from shop.core.users.model import BadCredentials, TooManyFailures, UserNotFound
from shop.core.users.passwords import ChangePassword, PasswordChange
from shop.core.users.second_step import PasskeySignIn, SecondStep, SecondSteps
from shop.core.users.service import Accounts, SignUp
from shop.core.users.signing_in import LogIn, SignIn
from shop.core.users.tickets import Ticket
from shop.core.users.tidying import IdentityTidying
from shop.ports.factors import OneTimeCodes
from shop.ports.outbox import Envelope
from shop.ports.system import Clock
from shop.ports.users import Tokens
from shop.settings import Security, Settings
from shop.usecases import SocialParts
from tests.kit.authenticator import Authenticator
from tests.kit.clock import ManualClock
from tests.kit.people import PASSWORD, Letterbox, people
from tests.unit.users.test_social import Scripted, sign_in

ASHA = SignUp(name="Asha", email="asha@example.com", password=PASSWORD)
LOG_IN = LogIn(email="asha@example.com", password=PASSWORD)
NO_PROOF = Proof()
BY_PASSWORD = Proof(password=PASSWORD)
LONG_AGO = timedelta(minutes=16)
ASHA_ID = UserId(UUID(int=7))
NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Person:
    """Asha, signed in, with her app and her keys."""

    def __init__(self, scope: AsyncContainer, signed_in: SignedIn, session_id: SessionId) -> None:
        self.scope, self.signed_in = scope, signed_in
        self.user_id = signed_in.user.id
        self.caller = Caller(user_id=self.user_id, session_id=session_id)
        self.secret = ""
        self.key = Authenticator()

    async def clock(self) -> ManualClock:
        clock = await self.scope.get(Clock)
        assert isinstance(clock, ManualClock)
        return clock

    async def code(self, steps: int = 0) -> str:
        """What the app shows, or what one shows whose clock is off by some steps."""
        now = int((await self.clock()).now().timestamp()) // 30
        codes: OneTimeCodes = await self.scope.get(OneTimeCodes)
        return codes.at(self.secret, now + steps)

    async def set_up_app(self, proof: Proof = NO_PROOF) -> Enrolled:
        apps = await self.scope.get(AppEnrolment)
        self.secret = (await apps.begin(self.caller, proof)).secret
        return await apps.confirm(self.caller, await self.code())

    async def add_passkey(self, proof: Proof = NO_PROOF) -> Enrolled:
        passkeys = await self.scope.get(PasskeyEnrolment)
        options = await passkeys.begin(self.caller, proof)
        return await passkeys.finish(self.caller, "Phone", self.key.create(options))

    async def ticket(self) -> str:
        """The right password was given."""
        with pytest.raises(SecondFactorRequired) as asked:
            await (await self.scope.get(SignIn)).log_in(LOG_IN)
        return asked.value.ticket

    async def step(self, ticket: str, **shown: object) -> SignedIn:
        steps = await self.scope.get(SecondSteps)
        return await steps.complete(SecondStep(ticket=ticket, **shown))  # type: ignore[arg-type]

    async def next_step(self) -> None:
        (await self.clock()).advance(seconds=30)

    async def facts(self) -> list[str]:
        waiting: dict[object, Envelope] = (await self.scope.get(MemoryStore)).table("outbox")
        return [e.kind.removeprefix("shop.user.") for e in waiting.values()]


async def _amr(scope: AsyncContainer, signed_in: SignedIn) -> str:
    access = await (await scope.get(Tokens)).verify(signed_in.tokens.access_token)
    found = (await scope.get(MemoryStore)).table("sessions")[access.session_id]
    return str(found.amr)


@pytest.fixture
async def asha(tmp_path: Path) -> AsyncIterator[Person]:
    async with people("memory", tmp_path) as container, container() as scope:
        yield await arrived(scope)


async def arrived(scope: AsyncContainer) -> Person:
    await (await scope.get(Accounts)).sign_up(ASHA)
    signed_in = await (await scope.get(SignIn)).log_in(LOG_IN)
    access = await (await scope.get(Tokens)).verify(signed_in.tokens.access_token)
    assert access.session_id is not None
    return Person(scope, signed_in, access.session_id)


# --- the app ---


async def test_the_app_is_asked_for_once_it_has_shown_a_code(asha: Person) -> None:
    apps = await asha.scope.get(AppEnrolment)
    asha.secret = (await apps.begin(asha.caller, NO_PROOF)).secret
    await (await asha.scope.get(SignIn)).log_in(LOG_IN)  # not confirmed: not asked for
    assert (await apps.waiting(asha.caller)).secret == asha.secret
    with pytest.raises(CodeWrong):
        await apps.confirm(asha.caller, "000000")
    enrolled = await apps.confirm(asha.caller, await asha.code())
    assert len(set(enrolled.recovery_codes)) == 10
    with pytest.raises(SecondFactorRequired) as asked:
        await (await asha.scope.get(SignIn)).log_in(LOG_IN)
    assert asked.value.facts["methods"] == ["totp", "recovery"]
    await asha.next_step()
    signed_in = await asha.step(asked.value.ticket, code=await asha.code(), device="Firefox")
    assert signed_in.user.id == asha.user_id
    assert await _amr(asha.scope, signed_in) == "pwd otp mfa"


async def test_the_secret_is_kept_sealed(asha: Person) -> None:
    await asha.set_up_app()
    kept: Factors = (await asha.scope.get(MemoryStore)).table("second_factors")[asha.user_id]
    assert kept.totp is not None
    assert asha.secret.encode() not in kept.totp


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_a_clock_may_be_off_by_one_step(asha: Person, steps: int) -> None:
    await asha.set_up_app()
    (await asha.clock()).advance(seconds=300)
    await asha.step(await asha.ticket(), code=await asha.code(steps))


@pytest.mark.parametrize("steps", [-2, 2])
async def test_a_clock_that_is_off_by_two_steps_is_wrong(asha: Person, steps: int) -> None:
    await asha.set_up_app()
    (await asha.clock()).advance(seconds=300)
    with pytest.raises(SecondFactorWrong):
        await asha.step(await asha.ticket(), code=await asha.code(steps))


async def test_a_code_counts_once(asha: Person) -> None:
    await asha.set_up_app()
    with pytest.raises(SecondFactorWrong):  # it was used to set up the app
        await asha.step(await asha.ticket(), code=await asha.code())
    await asha.next_step()
    code = await asha.code()
    await asha.step(await asha.ticket(), code=code)
    with pytest.raises(SecondFactorWrong):
        await asha.step(await asha.ticket(), code=code)


async def test_an_older_code_than_the_last_is_used_up_with_it(asha: Person) -> None:
    await asha.set_up_app()
    (await asha.clock()).advance(seconds=300)
    older = await asha.code(-1)
    await asha.step(await asha.ticket(), code=await asha.code())
    with pytest.raises(SecondFactorWrong):
        await asha.step(await asha.ticket(), code=older)


@pytest.mark.parametrize("typed", ["", "12345", "1234567", "12a456", "١٢٣٤٥٦", "------"])
async def test_what_is_no_code_is_wrong(asha: Person, typed: str) -> None:
    await asha.set_up_app()
    with pytest.raises(SecondFactorWrong):
        await asha.step(await asha.ticket(), code=typed)


async def test_spaces_in_a_code_do_not_matter(asha: Person) -> None:
    await asha.set_up_app()
    await asha.next_step()
    code = await asha.code()
    await asha.step(await asha.ticket(), code=f"{code[:3]} {code[3:]}")


async def test_setting_up_takes_no_longer_than_it_may(asha: Person) -> None:
    apps = await asha.scope.get(AppEnrolment)
    asha.secret = (await apps.begin(asha.caller, NO_PROOF)).secret
    (await asha.clock()).advance(seconds=30 * 60)
    with pytest.raises(FactorMissing):
        await apps.confirm(asha.caller, await asha.code())


async def test_a_new_app_replaces_the_old_one_when_it_works(asha: Person) -> None:
    await asha.set_up_app()
    old = asha.secret
    await asha.next_step()
    enrolled = await asha.set_up_app()
    assert enrolled.recovery_codes == ()  # those from before still hold
    assert asha.secret != old
    await asha.next_step()
    ticket = await asha.ticket()
    new, asha.secret = asha.secret, old
    with pytest.raises(SecondFactorWrong):
        await asha.step(ticket, code=await asha.code())
    asha.secret = new
    await asha.step(ticket, code=await asha.code())


async def test_another_key_of_the_shop_makes_codes_unreadable_but_no_bug(asha: Person) -> None:
    await asha.set_up_app()
    codes = (await _codes_of(asha))[:1]
    table = (await asha.scope.get(MemoryStore)).table("second_factors")
    kept: Factors = table[asha.user_id]
    table[asha.user_id] = replace(kept, totp=b"\x01" + bytes(60))
    ticket = await asha.ticket()
    with pytest.raises(FactorsUnreadable):
        await asha.step(ticket, code="123456")
    await asha.step(ticket, recovery_code=codes[0])


async def _codes_of(asha: Person) -> tuple[str, ...]:
    return await (await asha.scope.get(AppEnrolment)).renew_codes(asha.caller, NO_PROOF)


# --- recovery codes ---


async def test_each_recovery_code_counts_once(asha: Person) -> None:
    codes = (await asha.set_up_app()).recovery_codes
    signed_in = await asha.step(await asha.ticket(), recovery_code=codes[0])
    assert await _amr(asha.scope, signed_in) == "pwd otp mfa"
    with pytest.raises(SecondFactorWrong):
        await asha.step(await asha.ticket(), recovery_code=codes[0])
    await asha.step(await asha.ticket(), recovery_code=codes[1].lower().replace("-", " "))
    assert (await asha.facts()).count("recovery_code_used.v1") == 2
    letter = (await asha.scope.get(Letterbox)).letters[-1]
    assert (letter.data["what"], letter.data["left"]) == ("recovery_code_used", 8)


async def test_new_recovery_codes_end_the_old_ones(asha: Person) -> None:
    old = (await asha.set_up_app()).recovery_codes
    new = await _codes_of(asha)
    assert not set(old) & set(new)
    with pytest.raises(SecondFactorWrong):
        await asha.step(await asha.ticket(), recovery_code=old[0])
    await asha.step(await asha.ticket(), recovery_code=new[0])


async def test_recovery_codes_stand_in_for_something(asha: Person) -> None:
    with pytest.raises(FactorMissing):
        await _codes_of(asha)
    await asha.set_up_app()
    apps = await asha.scope.get(AppEnrolment)
    await apps.remove(asha.caller, NO_PROOF)
    assert (await apps.mine(asha.caller)).recovery == ()
    await (await asha.scope.get(SignIn)).log_in(LOG_IN)


# --- passkeys ---


async def test_a_passkey_is_a_second_factor(asha: Person) -> None:
    enrolled = await asha.add_passkey()
    assert len(enrolled.recovery_codes) == 10
    ticket = await asha.ticket()
    asked = await (await asha.scope.get(PasskeySignIn)).ask(ticket)
    signed_in = await asha.step(ticket, passkey=asha.key.get(asked.options))
    assert await _amr(asha.scope, signed_in) == "pwd pop mfa"
    kept = await (await asha.scope.get(AppEnrolment)).mine(asha.caller)
    assert [one.sign_count for one in kept.passkeys] == [1]
    assert kept.passkeys[0].last_used_at is not None


async def test_a_passkey_alone_signs_in(asha: Person) -> None:
    await asha.add_passkey()
    signing = await asha.scope.get(PasskeySignIn)
    asked = await signing.begin()
    signed_in = await signing.complete(asked.ticket, asha.key.get(asked.options), "Firefox")
    assert signed_in.user.id == asha.user_id
    assert await _amr(asha.scope, signed_in) == "pop mfa"


async def test_alone_it_must_have_checked_the_person(asha: Person) -> None:
    await asha.add_passkey()
    signing = await asha.scope.get(PasskeySignIn)
    asked = await signing.begin()
    asha.key.verifies = False
    with pytest.raises(BadCredentials):
        await signing.complete(asked.ticket, asha.key.get(asked.options), "")


async def test_a_challenge_counts_once(asha: Person) -> None:
    await asha.add_passkey()
    signing = await asha.scope.get(PasskeySignIn)
    asked = await signing.begin()
    answer = asha.key.get(asked.options)
    await signing.complete(asked.ticket, answer, "")
    with pytest.raises(TicketInvalid):
        await signing.complete(asked.ticket, answer, "")
    again = await signing.begin()
    with pytest.raises(BadCredentials):
        await signing.complete(again.ticket, answer, "")


async def test_a_challenge_of_the_second_step_counts_once_too(asha: Person) -> None:
    await asha.add_passkey()
    ticket = await asha.ticket()
    signing = await asha.scope.get(PasskeySignIn)
    asked = await signing.ask(ticket)
    answer = asha.key.get(asked.options)
    with pytest.raises(SecondFactorWrong):
        await asha.step(ticket, code="123456")
    with pytest.raises(SecondFactorWrong):
        await asha.step(ticket, passkey=answer)
    with pytest.raises(SecondFactorWrong):
        await asha.step(await asha.ticket(), passkey=answer)


async def test_a_challenge_expires(asha: Person) -> None:
    await asha.add_passkey()
    signing = await asha.scope.get(PasskeySignIn)
    asked = await signing.begin()
    (await asha.clock()).advance(seconds=10 * 60)
    with pytest.raises(TicketInvalid):
        await signing.complete(asked.ticket, asha.key.get(asked.options), "")


async def test_a_copied_authenticator_is_refused(asha: Person) -> None:
    await asha.add_passkey()
    signing = await asha.scope.get(PasskeySignIn)
    asha.key.count = 5
    asked = await signing.begin()
    await signing.complete(asked.ticket, asha.key.get(asked.options), "")
    asha.key.count = 3  # a copy, which was used less
    asked = await signing.begin()
    with pytest.raises(BadCredentials):
        await signing.complete(asked.ticket, asha.key.get(asked.options), "")


async def test_unknown_and_forged_keys_get_the_same_answer(asha: Person) -> None:
    await asha.add_passkey()
    signing = await asha.scope.get(PasskeySignIn)
    forger = Authenticator(number=9)
    for handle, credential in (
        (None, asha.key.credential_id),
        (b"nobody", asha.key.credential_id),
        (bytes(16), asha.key.credential_id),
        (asha.user_id.bytes, forger.credential_id),
        (asha.user_id.bytes, asha.key.credential_id),
    ):
        asked = await signing.begin()
        forger.handle, forger.credential_id = handle, credential
        with pytest.raises(BadCredentials) as refused:
            await signing.complete(asked.ticket, forger.get(asked.options), "")
        assert refused.value.code == "bad-credentials"


async def test_a_ticket_serves_its_own_step_alone(asha: Person) -> None:
    await asha.add_passkey()
    signing = await asha.scope.get(PasskeySignIn)
    alone, second = await signing.begin(), await asha.ticket()
    with pytest.raises(TicketInvalid):
        await signing.ask(alone.ticket)
    with pytest.raises(TicketInvalid):
        await asha.step(alone.ticket, passkey=asha.key.get(alone.options))
    asked = await signing.ask(second)
    with pytest.raises(BadCredentials):
        await signing.complete(second, asha.key.get(asked.options), "")


async def test_a_passkey_is_kept_once(asha: Person) -> None:
    await asha.add_passkey()
    with pytest.raises(PasskeyRefused):
        await asha.add_passkey()


async def test_the_answer_to_an_old_challenge_makes_no_passkey(asha: Person) -> None:
    passkeys = await asha.scope.get(PasskeyEnrolment)
    options = await passkeys.begin(asha.caller, NO_PROOF)
    answer = asha.key.create(options)
    asha.key.origin = "https://evil.example"
    with pytest.raises(PasskeyRefused):
        await passkeys.finish(asha.caller, "Phone", asha.key.create(options))
    with pytest.raises(PasskeyRefused):  # the challenge is gone
        await passkeys.finish(asha.caller, "Phone", answer)


async def test_an_account_keeps_so_many_passkeys(asha: Person) -> None:
    for number in range(Factors.MOST_PASSKEYS):
        asha.key = Authenticator(number=number)
        await asha.add_passkey()
    with pytest.raises(TooManyPasskeys):
        await asha.add_passkey()


async def test_a_passkey_is_removed(asha: Person) -> None:
    passkeys = await asha.scope.get(PasskeyEnrolment)
    mine = (await asha.add_passkey()).factors.passkeys[0]
    with pytest.raises(PasskeyNotFound):
        await passkeys.remove(asha.caller, PasskeyId(asha.user_id), NO_PROOF)
    await passkeys.remove(asha.caller, mine.id, NO_PROOF)
    await (await asha.scope.get(SignIn)).log_in(LOG_IN)


# --- tickets and limits ---


async def test_a_ticket_counts_once(asha: Person) -> None:
    codes = (await asha.set_up_app()).recovery_codes
    ticket = await asha.ticket()
    await asha.step(ticket, recovery_code=codes[0])
    with pytest.raises(TicketInvalid):
        await asha.step(ticket, recovery_code=codes[1])


async def test_a_ticket_expires(asha: Person) -> None:
    codes = (await asha.set_up_app()).recovery_codes
    ticket = await asha.ticket()
    (await asha.clock()).advance(seconds=10 * 60)
    with pytest.raises(TicketInvalid):
        await asha.step(ticket, recovery_code=codes[0])


async def test_a_new_password_ends_every_ticket(asha: Person) -> None:
    codes = (await asha.set_up_app()).recovery_codes
    ticket = await asha.ticket()
    change = ChangePassword(current_password=PASSWORD, new_password="four blue kettles")
    await (await asha.scope.get(PasswordChange)).change(asha.caller, change)
    with pytest.raises(TicketInvalid):
        await asha.step(ticket, recovery_code=codes[0])


@pytest.mark.parametrize("ticket", ["", "AAAA", "no ticket", "é" * 20])
async def test_what_is_no_ticket_is_refused(asha: Person, ticket: str) -> None:
    with pytest.raises(TicketInvalid):
        await asha.step(ticket, code="123456")


async def test_one_thing_is_shown_at_a_time(asha: Person) -> None:
    await asha.set_up_app()
    ticket = await asha.ticket()
    with pytest.raises(Malformed):
        await asha.step(ticket)
    with pytest.raises(Malformed):
        await asha.step(ticket, code="123456", recovery_code="x")


async def test_a_ticket_stands_so_many_tries_and_the_owner_is_warned(asha: Person) -> None:
    codes = (await asha.set_up_app()).recovery_codes
    ticket = await asha.ticket()
    for left in range(Ticket.TRIES - 1, -1, -1):
        with pytest.raises(SecondFactorWrong) as wrong:
            await asha.step(ticket, code="000000")
        assert wrong.value.facts["attempts_left"] == left
    with pytest.raises(TicketInvalid):
        await asha.step(ticket, recovery_code=codes[0])
    assert (await asha.scope.get(Letterbox)).letters[-1].data["what"] == "refused"


async def test_the_pause_grows_whatever_ticket_is_tried(asha: Person) -> None:
    codes = (await asha.set_up_app()).recovery_codes
    clock = await asha.clock()
    for _ in range(Factors.FREE):
        with pytest.raises(SecondFactorWrong):
            await asha.step(await asha.ticket(), code="000000")
    for pause in (2, 4, 8):
        ticket = await asha.ticket()
        with pytest.raises(TooManyFailures) as slow:
            await asha.step(ticket, code=await asha.code(1))
        assert slow.value.retry_after == pause
        clock.advance(seconds=pause)
        with pytest.raises(SecondFactorWrong):
            await asha.step(ticket, code="000000")
    clock.advance(seconds=5 * 60)
    await asha.step(await asha.ticket(), recovery_code=codes[0])
    with pytest.raises(SecondFactorWrong):  # a success forgets the failures
        await asha.step(await asha.ticket(), code="000000")
    await asha.step(await asha.ticket(), recovery_code=codes[1])


async def test_a_thief_of_the_password_keeps_nobody_from_what_cannot_be_guessed(
    asha: Person,
) -> None:
    codes = (await asha.set_up_app()).recovery_codes
    await asha.add_passkey()
    ticket = await asha.ticket()
    for _ in range(Factors.FREE - 1):  # which are no guesses at the app's code
        with pytest.raises(SecondFactorWrong):
            await asha.step(ticket, recovery_code="x")
    for _ in range(Factors.FREE):
        with pytest.raises(SecondFactorWrong):
            await asha.step(await asha.ticket(), code="000000")
    with pytest.raises(TooManyFailures):
        await asha.step(await asha.ticket(), code="000000")
    ticket = await asha.ticket()
    options = (await (await asha.scope.get(PasskeySignIn)).ask(ticket)).options
    await asha.step(ticket, passkey=asha.key.get(options))
    for _ in range(Factors.FREE):
        with pytest.raises(SecondFactorWrong):
            await asha.step(await asha.ticket(), code="000000")
    await asha.step(await asha.ticket(), recovery_code=codes[0])


def test_no_pause_is_longer_than_five_minutes() -> None:
    factors = Factors(user_id=ASHA_ID)
    for _ in range(1000):
        factors = factors.fail(NOW)
    assert factors.wait(NOW) == timedelta(minutes=5)


async def test_tickets_are_forgotten_once_they_expired(asha: Person) -> None:
    await asha.set_up_app()
    await asha.ticket()
    tidying = await asha.scope.get(IdentityTidying)
    assert await tidying.tidy() == 0
    (await asha.clock()).advance(seconds=11 * 60)
    assert await tidying.tidy() == 1


# --- who may change them ---


async def test_only_a_sign_in_of_a_moment_ago_needs_no_proof(asha: Person) -> None:
    (await asha.clock()).advance(seconds=LONG_AGO.total_seconds())
    with pytest.raises(ProofNeeded):
        await asha.set_up_app()
    await asha.set_up_app(BY_PASSWORD)
    apps = await asha.scope.get(AppEnrolment)
    with pytest.raises(ProofNeeded):
        await apps.remove(asha.caller, NO_PROOF)
    with pytest.raises(BadCredentials):
        await apps.remove(asha.caller, Proof(password="three red kettles"))
    await apps.remove(asha.caller, BY_PASSWORD)


async def test_a_code_proves_it_too_and_counts_once(asha: Person) -> None:
    codes = (await asha.set_up_app()).recovery_codes
    (await asha.clock()).advance(seconds=LONG_AGO.total_seconds())
    apps = await asha.scope.get(AppEnrolment)
    proof = Proof(code=await asha.code())
    await apps.renew_codes(asha.caller, proof)
    with pytest.raises(SecondFactorWrong):
        await apps.remove(asha.caller, proof)
    with pytest.raises(SecondFactorWrong):  # renewed a moment ago
        await apps.remove(asha.caller, Proof(code=codes[0]))
    await asha.next_step()
    await apps.remove(asha.caller, Proof(code=await asha.code()))


async def test_wrong_codes_are_counted_there_as_well(asha: Person) -> None:
    codes = (await asha.set_up_app()).recovery_codes
    apps = await asha.scope.get(AppEnrolment)
    for _ in range(Factors.FREE):
        with pytest.raises(SecondFactorWrong):
            await apps.remove(asha.caller, Proof(code="000000"))
    with pytest.raises(TooManyFailures):
        await apps.remove(asha.caller, Proof(code="000000"))
    await apps.remove(asha.caller, Proof(code=codes[0]))  # which nobody guesses


async def test_a_session_from_before_the_first_factor_is_not_enough(asha: Person) -> None:
    signed_in = await (await asha.scope.get(SignIn)).log_in(LOG_IN)
    access = await (await asha.scope.get(Tokens)).verify(signed_in.tokens.access_token)
    await asha.set_up_app()
    other = Caller(user_id=asha.user_id, session_id=access.session_id)
    with pytest.raises(ProofNeeded):
        await (await asha.scope.get(AppEnrolment)).remove(other, NO_PROOF)


async def test_there_the_password_is_not_enough_either(asha: Person) -> None:
    signed_in = await (await asha.scope.get(SignIn)).log_in(LOG_IN)
    access = await (await asha.scope.get(Tokens)).verify(signed_in.tokens.access_token)
    codes = (await asha.set_up_app()).recovery_codes
    thief = Caller(user_id=asha.user_id, session_id=access.session_id)
    apps = await asha.scope.get(AppEnrolment)
    with pytest.raises(ProofNeeded, match="not enough"):
        await apps.remove(thief, Proof(password=LOG_IN.password))
    await apps.remove(thief, Proof(code=codes[0]))


async def test_every_change_is_told_to_the_owner_and_ends_no_session(asha: Person) -> None:
    codes = (await asha.set_up_app()).recovery_codes
    await asha.add_passkey()
    await asha.step(await asha.ticket(), recovery_code=codes[0])
    await _codes_of(asha)
    await (await asha.scope.get(AppEnrolment)).remove(asha.caller, NO_PROOF)
    told = [
        (letter.data["what"], letter.data["method"])
        for letter in (await asha.scope.get(Letterbox)).letters
        if letter.template == "second-factor"
    ]
    assert told == [
        ("second_factor_added", "totp"),
        ("second_factor_added", "passkey"),
        ("recovery_code_used", ""),
        ("recovery_codes_made", ""),
        ("second_factor_removed", "totp"),
    ]
    facts = [fact for fact in await asha.facts() if "session" not in fact]
    assert facts == ["registered.v1", *(f"{what}.v1" for what, _ in told)]
    assert asha.caller.session_id is not None
    assert await (await asha.scope.get(Liveness)).standing(asha.caller.session_id) is not None


# --- lost factors ---


async def test_whoever_runs_the_shop_lets_somebody_in_again(asha: Person) -> None:
    await asha.set_up_app()
    await asha.add_passkey()
    reset = await asha.scope.get(FactorRescue)
    assert await reset.reset("Asha@Example.com")
    assert asha.caller.session_id is not None  # it had shown a factor that may be a thief's by now
    assert await (await asha.scope.get(Liveness)).standing(asha.caller.session_id) is None
    assert not await reset.reset("asha@example.com")
    await (await asha.scope.get(SignIn)).log_in(LOG_IN)
    assert (await asha.scope.get(Letterbox)).letters[-1].data["what"] == "second_factors_reset"
    assert "second_factors_reset.v1" in await asha.facts()
    with pytest.raises(UserNotFound):
        await reset.reset("nobody@example.com")


# --- staff ---


async def test_staff_of_a_strict_shop_act_only_with_two_factors(tmp_path: Path) -> None:
    strict = Settings(security=Security(staff_second_factor=True))
    async with people("memory", tmp_path, strict) as container, container() as scope:
        asha = await arrived(scope)
        users = (await scope.get(MemoryStore)).table("users")
        users[asha.user_id] = replace(users[asha.user_id], roles=frozenset({Role.STAFF}))
        liveness = await scope.get(Liveness)
        assert asha.caller.session_id is not None
        standing = await liveness.standing(asha.caller.session_id)
        assert standing is not None
        assert liveness.holds_back(standing)
        await asha.set_up_app()
        proved = await liveness.standing(asha.caller.session_id)
        assert proved is not None
        assert not liveness.holds_back(proved)
        apps = await scope.get(AppEnrolment)
        with pytest.raises(LastFactor):
            await apps.remove(asha.caller, NO_PROOF)
        await asha.add_passkey()
        await apps.remove(asha.caller, NO_PROOF)


def test_who_is_held_back_is_told_what_to_do() -> None:
    held = Caller(user_id=ASHA_ID, roles=frozenset({Role.ADMIN}), held_back=True)
    assert not held.may(Permission.ORDERS_READ)
    with pytest.raises(SecondFactorEnrolmentRequired) as refused:
        held.require(Permission.ORDERS_READ)
    assert refused.value.code == "second-factor-enrolment-required"


def test_the_order_of_methods_is_that_of_preference() -> None:
    bare = Factors(user_id=ASHA_ID, recovery=(b"x",))
    assert bare.methods == ()
    assert replace(bare, totp=b"x").methods == (Method.TOTP, Method.RECOVERY)


async def test_a_linked_profile_leads_past_no_second_factor(tmp_path: Path) -> None:
    extra = [SocialParts(), Scripted()]
    async with people("memory", tmp_path, extra=extra) as container, container() as scope:
        signed_in = await sign_in(scope)
        access = await (await scope.get(Tokens)).verify(signed_in.tokens.access_token)
        assert access.session_id is not None
        asha = Person(scope, signed_in, access.session_id)
        codes = (await asha.set_up_app()).recovery_codes
        with pytest.raises(SecondFactorRequired) as asked:
            await sign_in(scope)
        done = await asha.step(asked.value.ticket, recovery_code=codes[0])
        assert await _amr(scope, done) == "fed otp mfa"
