"""For who has lost every second factor, recovery codes included."""

from shop.core.kernel.acts import by_operator
from shop.core.users.factor_changes import FactorChanges
from shop.core.users.model import User, UserNotFound
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import EmailAddresses, Users


class FactorReset:
    """By whoever runs the machine, after they have made sure who asks."""

    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        emails: EmailAddresses,
        changes: FactorChanges,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._emails = emails
        self._changes = changes
        self._clock = clock

    async def reset(self, email: str) -> bool:
        """Whether there were any; the owner is told. Raises `UserNotFound` or `Malformed`."""
        key = self._emails.parse(email).key
        now = self._clock.now()
        async with self._uow.begin():
            user = await self._found(key)
            factors = await self._changes.of(user.id)
            if not factors.methods:
                return False
            bare, reset = factors.reset(now)
            await self._changes.store(user, bare, reset)
            self._uow.log(by_operator("user.factors-reset", user.id, now))
        return True

    async def _found(self, key: str) -> User:
        user = await self._users.by_email(key)
        if user is None:
            raise UserNotFound("There is no account with this e-mail address.")
        return user
