"""Signing in with e-mail and password."""

from msgspec import Struct

from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import UserId
from shop.core.users.admission import Admission, SignedIn
from shop.core.users.model import BadCredentials, User
from shop.core.users.throttle import Throttle
from shop.ports.uow import UnitOfWork
from shop.ports.users import EmailAddresses, Passwords, UserReads, Users


class LogIn(Struct, frozen=True, kw_only=True):
    """`address` is where the call comes from; `device` what the browser says it is."""

    email: str
    password: str
    address: str = ""
    device: str = ""

    def __repr__(self) -> str:
        return "LogIn()"


class Credentials:
    """Who has which password."""

    def __init__(
        self, reads: UserReads, passwords: Passwords, emails: EmailAddresses, throttle: Throttle
    ) -> None:
        self._reads = reads
        self._passwords = passwords
        self._emails = emails
        self._throttle = throttle

    async def check(self, email: str, password: str, address: str) -> User:
        """Raises `BadCredentials` or `TooManyFailures`; unknown e-mails take as long as known."""
        try:
            key = self._emails.parse(email).key
        except Malformed:
            key = email.casefold()
        await self._throttle.check(key, address)
        user = await self._reads.by_email(key)
        right = await self._passwords.verify(password, user.password_hash if user else None)
        if user is None or not right:
            await self._throttle.failed(key, address)
            raise BadCredentials("The e-mail address or the password is wrong.")
        await self._throttle.cleared(key, address)
        return user

    async def confirm(self, user_id: UserId, password: str, address: str) -> User:
        """The same for somebody who is signed in already."""
        user = await self._reads.get(user_id)
        return await self.check(user.email.written, password, address)

    async def renewed(self, user: User, password: str) -> str | None:
        """A hash with today's parameters, where the stored one has others."""
        if user.password_hash is None or not self._passwords.outdated(user.password_hash):
            return None
        return await self._passwords.hash(password)


class SignIn:
    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        credentials: Credentials,
        admission: Admission,
    ) -> None:
        self._uow = uow
        self._users = users
        self._credentials = credentials
        self._admission = admission

    async def log_in(self, command: LogIn) -> SignedIn:
        """Raises `BadCredentials`, `TooManyFailures`, `Unavailable` or, when the password was
        right and there is more to show, `SecondFactorRequired`: `SecondSteps` go on from there."""
        known = await self._credentials.check(command.email, command.password, command.address)
        renewed = await self._credentials.renewed(known, command.password)
        async with self._uow.begin():
            user = await self._users.get(known.id)
            if user.password_hash != known.password_hash:
                raise BadCredentials("The password was changed a moment ago.")
            if renewed is not None:
                user = await self._users.save(user.rehash(renewed))
            outcome = await self._admission.admit(user, command.device)
        return await self._admission.answer(outcome)
