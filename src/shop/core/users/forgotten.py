"""Asking for the mail that lets somebody choose a new password."""

from shop.core.users.facts import PasswordResetRequested
from shop.core.users.letters import Letters
from shop.core.users.mail_limit import MailLimit
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import EmailAddresses, Users


class Forgotten:
    """The answer never tells whether there is such an account."""

    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        emails: EmailAddresses,
        letters: Letters,
        limit: MailLimit,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._emails = emails
        self._letters = letters
        self._limit = limit
        self._clock = clock

    async def ask(self, email: str) -> None:
        key = self._emails.parse(email).key
        now = self._clock.now()
        async with self._uow.begin():
            user = await self._users.by_email(key)
            if user is None:
                return
            if await self._limit.allows("reset", key, proved=user.verified_at is not None):
                await self._letters.reset(user, now)
                self._uow.emit(PasswordResetRequested(user_id=user.id, at=now))
