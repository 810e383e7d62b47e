"""The second half of a sign-in, and signing in by passkey alone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.errors import Malformed, ShopError
from shop.core.kernel.ids import UserId
from shop.core.users.admission import Admission, Admitted, HalfSignIns, SignedIn
from shop.core.users.factor_changes import FactorChanges
from shop.core.users.factor_facts import Method
from shop.core.users.factors import Factors, PasskeyRefused, SecondFactorWrong, TicketInvalid
from shop.core.users.model import (
    BadCredentials,
    IdentityRules,
    TooManyFailures,
    User,
    UserNotFound,
)
from shop.core.users.proving import Passed, Proving
from shop.core.users.tickets import Ticket, mark_of
from shop.ports.factors import PasskeyCeremonies
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork
from shop.ports.users import Users


class SecondStep(Struct, frozen=True, kw_only=True):
    """One of `code` (of the app), `recovery_code` and `passkey` (an assertion, as JSON has it)."""

    ticket: str
    code: str | None = None
    recovery_code: str | None = None
    passkey: Mapping[str, Any] | None = None
    device: str = ""

    def __repr__(self) -> str:
        return "SecondStep()"


class SecondSteps:
    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        halves: HalfSignIns,
        changes: FactorChanges,
        proving: Proving,
        admission: Admission,
        clock: Clock,
        rules: IdentityRules,
    ) -> None:
        self._uow = uow
        self._users = users
        self._halves = halves
        self._changes = changes
        self._proving = proving
        self._admission = admission
        self._clock = clock
        self._throttled = rules.throttled

    async def methods(self, ticket: str) -> tuple[Method, ...]:
        """What this sign-in may go on with. Raises `TicketInvalid`."""
        async with self._uow.begin():
            _, _, factors = await self._open(ticket)
        return factors.methods

    async def complete(self, command: SecondStep) -> SignedIn:
        """Raises `TicketInvalid`, `SecondFactorWrong`, `TooManyFailures` or `Malformed`."""
        shown = (command.code, command.recovery_code, command.passkey)
        if sum(one is not None for one in shown) != 1:
            raise Malformed("Give one of code, recovery_code and passkey.", field="code")
        async with self._uow.begin():
            outcome = await self._decide(command, self._clock.now())
        if isinstance(outcome, ShopError):
            raise outcome
        return await self._admission.answer(outcome)

    async def _decide(self, command: SecondStep, now: datetime) -> Admitted | ShopError:
        """A refusal is returned, not raised: that it happened must be stored."""
        ticket, user, factors = await self._open(command.ticket)
        # Nobody guesses what is on paper or in a key: the owner comes in by it whatever a thief
        # of the password does. A ticket stands few tries of anything.
        guessable = command.code is not None
        if guessable and self._throttled and (wait := factors.wait(now)):
            return TooManyFailures(wait)
        passed = self._check(factors, command, ticket, now)
        if passed is None:
            failed = factors.fail(now) if guessable else factors
            return await self._fail(user, ticket, failed)
        await self._halves.save(ticket.use(now))
        spent = () if passed.spent is None else (passed.spent,)
        await self._changes.store(user, passed.factors.succeed(), *spent)
        return await self._admission.begin(user, command.device, f"{ticket.first} {passed.amr}")

    def _check(
        self, factors: Factors, command: SecondStep, ticket: Ticket, now: datetime
    ) -> Passed | None:
        if command.code is not None:
            return self._proving.totp(factors, command.code, now)
        if command.recovery_code is not None:
            return self._proving.recovery(factors, command.recovery_code, now)
        answer = command.passkey or {}
        return self._proving.passkey(factors, answer, ticket.challenge, now, alone=False)

    async def _fail(self, user: User, ticket: Ticket, factors: Factors) -> SecondFactorWrong:
        failed = ticket.fail()
        await self._halves.save(failed)
        await self._changes.store(user, factors)
        left = Ticket.TRIES - failed.failures
        if not left:
            await self._changes.warn(user)
        return SecondFactorWrong("This is not right, or was used before.", attempts_left=left)

    async def _open(self, text: str) -> tuple[Ticket, User, Factors]:
        ticket = await self._halves.find(text)
        if ticket.user_id is None:
            raise TicketInvalid("This sign-in is by passkey alone.")
        user = await self._users.get(ticket.user_id)
        if ticket.password_mark != mark_of(user):
            raise TicketInvalid("The password was changed meanwhile; please begin anew.")
        return ticket, user, await self._changes.of(user.id)


class PasskeyOptions(Struct, frozen=True):
    """`options` is what `navigator.credentials.get` takes as `publicKey`."""

    ticket: str
    options: dict[str, Any]

    def __repr__(self) -> str:
        return "PasskeyOptions()"


class PasskeySignIn:
    """By a passkey alone, or as the second step after a password."""

    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        halves: HalfSignIns,
        changes: FactorChanges,
        proving: Proving,
        ceremonies: PasskeyCeremonies,
        admission: Admission,
        ids: Ids,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._halves = halves
        self._changes = changes
        self._proving = proving
        self._ceremonies = ceremonies
        self._admission = admission
        self._ids = ids
        self._clock = clock

    async def ask(self, ticket: str) -> PasskeyOptions:
        """A challenge for somebody whose password was right. Raises `TicketInvalid`."""
        challenge = self._ids.secret()
        async with self._uow.begin():
            half = await self._halves.find(ticket)
            if half.user_id is None:
                raise TicketInvalid("This sign-in is by passkey alone.")
            factors = await self._changes.of(half.user_id)
            await self._halves.save(half.ask(challenge))
        options = self._ceremonies.request(challenge, factors.passkeys, alone=False)
        return PasskeyOptions(ticket, options)

    async def begin(self) -> PasskeyOptions:
        """A challenge for whoever it will be."""
        challenge = self._ids.secret()
        async with self._uow.begin():
            ticket = await self._halves.begin_alone(challenge)
        return PasskeyOptions(ticket, self._ceremonies.request(challenge, (), alone=True))

    async def complete(self, ticket: str, answer: Mapping[str, Any], device: str) -> SignedIn:
        """Raises `TicketInvalid` or `BadCredentials`."""
        async with self._uow.begin():
            outcome = await self._decide(ticket, answer, device, self._clock.now())
        if isinstance(outcome, ShopError):
            raise outcome
        return await self._admission.answer(outcome)

    async def _decide(
        self, text: str, answer: Mapping[str, Any], device: str, now: datetime
    ) -> Admitted | ShopError:
        ticket = await self._halves.find(text)
        await self._halves.save(ticket.use(now))  # a challenge counts once
        user = await self._user(answer)
        if ticket.user_id is not None or user is None:
            return BadCredentials("This passkey is not known here.")
        factors = await self._changes.of(user.id)
        passed = self._proving.passkey(factors, answer, ticket.challenge, now, alone=True)
        if passed is None:
            return BadCredentials("This passkey is not known here, or was refused.")
        await self._changes.store(user, passed.factors.succeed())
        return await self._admission.begin(user, device, passed.amr)

    async def _user(self, answer: Mapping[str, Any]) -> User | None:
        """Whom the passkey says it is of; the signature will show whether that is true."""
        try:
            handle = self._ceremonies.shown(answer).user_handle
            return await self._users.get(UserId(UUID(bytes=handle or b"")))
        except (PasskeyRefused, ValueError, UserNotFound):
            return None
