"""For who has lost every second factor, recovery codes included."""

from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.acts import Did, by_operator
from shop.core.kernel.errors import Conflict
from shop.core.kernel.ids import UserId
from shop.core.users.factor_changes import FactorChanges
from shop.core.users.factors import FactorMissing
from shop.core.users.facts import SessionEnded
from shop.core.users.liveness import Liveness
from shop.core.users.model import UserNotFound
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import EmailAddresses, Sessions, Users


class OwnFactors(Conflict):
    code = "own-factors"


class FactorReset:
    """Takes all of them away, by somebody who has made sure who asks."""

    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        sessions: Sessions,
        changes: FactorChanges,
        liveness: Liveness,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._sessions = sessions
        self._changes = changes
        self._liveness = liveness
        self._clock = clock

    async def reset(self, user_id: UserId, did: Did) -> bool:
        """Whether there were any; the owner is told. Every session ends, for whatever was lost
        may be in somebody's hands. Raises `UserNotFound`."""
        now = self._clock.now()
        async with self._uow.begin():
            user = await self._users.get(user_id)
            factors = await self._changes.of(user_id)
            if not factors.methods:
                return False
            bare, reset = factors.reset(now)
            await self._changes.store(user, bare, reset)
            ended = await self._sessions.end_all(user_id, now)
            for session in ended:
                fact = SessionEnded(
                    user_id=user_id, session_id=session.id, reason="second factors reset", at=now
                )
                self._uow.emit(fact)
            self._uow.log(did("user.factors-reset", user_id, now))
        await self._liveness.ended(*(session.id for session in ended))
        return True


class FactorRescue:
    """By whoever runs the machine."""

    def __init__(
        self, uow: UnitOfWork, users: Users, emails: EmailAddresses, factors: FactorReset
    ) -> None:
        self._uow = uow
        self._users = users
        self._emails = emails
        self._factors = factors

    async def reset(self, email: str) -> bool:
        """Whether there were any. Raises `UserNotFound` or `Malformed`."""
        key = self._emails.parse(email).key
        async with self._uow.begin():
            user = await self._users.by_email(key)
        if user is None:
            raise UserNotFound("There is no account with this e-mail address.")
        return await self._factors.reset(user.id, by_operator)


class FactorAdmin:
    """By an administrator, for somebody else."""

    def __init__(self, factors: FactorReset) -> None:
        self._factors = factors

    async def reset(self, caller: Caller, user_id: UserId) -> None:
        """Raises `UserNotFound`, `OwnFactors`, or `FactorMissing` when there are none."""
        caller.require(Permission.USERS_WRITE)
        if user_id == caller.user_id:
            raise OwnFactors("Your own second factors are changed in your account.")
        if not await self._factors.reset(user_id, caller.did):
            raise FactorMissing("There is no second factor to take away.")
