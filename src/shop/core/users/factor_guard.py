"""Lets only the owner change factors, not whoever found a browser signed in."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from msgspec import Struct

from shop.core.kernel.access import GRANTS, Caller
from shop.core.kernel.errors import ShopError
from shop.core.users.factor_changes import FactorChanges
from shop.core.users.factors import (
    Factors,
    FactorsUnreadable,
    LastFactor,
    ProofNeeded,
    SecondFactorWrong,
)
from shop.core.users.model import IdentityRules, TooManyFailures, User
from shop.core.users.presence import RECENT, Presence
from shop.core.users.proving import Passed, Proving
from shop.core.users.signing_in import Credentials
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import Sessions, Users

T = TypeVar("T")

#: May return a refusal instead of raising it, when what it stored must be kept.
Work = Callable[[User, Factors, datetime], Awaitable[T | ShopError]]


class Proof(Struct, frozen=True, kw_only=True):
    """One of these, or a sign-in moments ago; `code` is of the app, or a recovery code.

    The password counts in sessions that have shown a second factor, if there is any to show.
    """

    password: str | None = None
    code: str | None = None
    address: str = ""

    def __repr__(self) -> str:
        return "Proof()"


class FactorGuard:
    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        sessions: Sessions,
        credentials: Credentials,
        presence: Presence,
        changes: FactorChanges,
        proving: Proving,
        clock: Clock,
        rules: IdentityRules,
    ) -> None:
        self._uow = uow
        self._users = users
        self._sessions = sessions
        self._credentials = credentials
        self._presence = presence
        self._changes = changes
        self._proving = proving
        self._clock = clock
        self._throttled = rules.throttled
        self._strict = rules.staff_second_factor

    async def change(self, caller: Caller, proof: Proof, work: Work[T]) -> T:
        """Do the work in a unit, with the user locked.

        Raises `ProofNeeded`, `BadCredentials`, `SecondFactorWrong` or `TooManyFailures`.
        """
        user_id = caller.known()
        if proof.password is not None and proof.code is None:
            checked = await self._credentials.confirm(user_id, proof.password, proof.address)

            async def known(user: User, factors: Factors, now: datetime) -> T | ShopError:
                user.still_as(checked)
                if factors.methods and not await self._two_factors(caller):
                    return ProofNeeded(
                        "Here the password is not enough: please give a code of your second "
                        "factor, or sign in again with it."
                    )
                return await work(user, factors, now)

            return await self.go_on(caller, known)

        async def shown(user: User, factors: Factors, now: datetime) -> T | ShopError:
            found = await self._check(caller, user, factors, proof.code, now)
            return found if isinstance(found, ShopError) else await work(user, found, now)

        return await self.go_on(caller, shown)

    async def go_on(self, caller: Caller, work: Work[T]) -> T:
        """The same for the second step of something whose first was checked.

        Raises `Unauthenticated` where the session has ended meanwhile.
        """
        user_id = caller.known()
        async with self._uow.begin():
            await self._presence.lasts(caller)
            user = await self._users.get(user_id)
            done = await work(user, await self._changes.of(user_id), self._clock.now())
        if isinstance(done, ShopError):
            raise done
        return done

    def spare(self, user: User, rest: Factors) -> None:
        """Raises `LastFactor` where that would leave staff without the one they need."""
        powerful = any(GRANTS[role] for role in user.roles)
        if self._strict and powerful and not rest.methods:
            raise LastFactor("Staff keep a second factor: set up another before removing this one.")

    async def _check(
        self, caller: Caller, user: User, factors: Factors, code: str | None, now: datetime
    ) -> Factors | ShopError:
        if code is None:
            if await self._fresh(caller, factors, now):
                return factors
            return ProofNeeded("Please give your password, or a code of your second factor.")
        passed = self._proving.recovery(factors, code, now)
        if passed is None:  # no code on paper, which nobody guesses: it may be of the app
            if self._throttled and (wait := factors.wait(now)):
                return TooManyFailures(wait)
            passed = self._of_app(factors, code, now)
        if passed is None:
            await self._changes.store(user, factors.fail(now))
            return SecondFactorWrong("This code is not right, or was used before.")
        spent = () if passed.spent is None else (passed.spent,)
        return await self._changes.store(user, passed.factors.succeed(), *spent)

    def _of_app(self, factors: Factors, code: str, now: datetime) -> Passed | None:
        try:
            return self._proving.totp(factors, code, now)
        except FactorsUnreadable:
            return None

    async def _two_factors(self, caller: Caller) -> bool:
        """A session from before the first factor has shown none: a thief's may be among them."""
        session = caller.session_id and await self._sessions.find(caller.session_id)
        return session.two_factors if session else False

    async def _fresh(self, caller: Caller, factors: Factors, now: datetime) -> bool:
        """Signed in moments ago, with everything the account asks for."""
        session = caller.session_id and await self._sessions.find(caller.session_id)
        if not session or session.created_at + RECENT < now:
            return False
        return session.two_factors or not factors.methods
