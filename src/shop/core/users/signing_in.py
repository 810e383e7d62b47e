"""Signing in with e-mail and password."""

from msgspec import Struct

from shop.core.kernel.access import Role
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import UserId
from shop.core.users.admission import Admission, Admitted, SignedIn
from shop.core.users.browsers import KnownBrowsers
from shop.core.users.factors import SecondFactorRequired
from shop.core.users.model import BadCredentials, User, WeakPassword
from shop.core.users.policy import LONGEST, NewPasswords
from shop.core.users.throttle import Throttle
from shop.ports.uow import UnitOfWork, Units
from shop.ports.users import EmailAddresses, Passwords, UserReads, Users


class LogIn(Struct, frozen=True, kw_only=True):
    """`address` is where the call comes from; `device` what the browser says it is; `marks` what
    `KnownBrowsers` gave it when it was here before."""

    email: str
    password: str
    address: str = ""
    device: str = ""
    marks: str = ""

    def __repr__(self) -> str:
        return "LogIn()"


class Credentials:
    """Who has which password."""

    def __init__(
        self,
        reads: UserReads,
        passwords: Passwords,
        emails: EmailAddresses,
        policy: NewPasswords,
        throttle: Throttle,
        browsers: KnownBrowsers,
    ) -> None:
        self._reads = reads
        self._passwords = passwords
        self._emails = emails
        self._policy = policy
        self._throttle = throttle
        self._browsers = browsers

    async def check(self, email: str, password: str, address: str, marks: str = "") -> User:
        """Raises `BadCredentials` or `TooManyFailures`; unknown e-mails take as long as known.

        Raises `WeakPassword` for a right one that protects nobody, if more than a customer's
        account hangs on it: such came in under former rules, or became known since.
        """
        try:
            key = self._emails.parse(email).key
        except Malformed:
            key = email.casefold()
        user = await self._reads.by_email(key)
        browser = "" if user is None else await self._browsers.find(marks, user)
        right = await self._right(user, key, password, address, browser)
        if user is None or not right:
            raise BadCredentials("The e-mail address or the password is wrong.")
        if user.roles - {Role.CUSTOMER} and await self._policy.known_to_all(user, password):
            raise WeakPassword(
                "This password is too easy to guess for an account with more than a customer's "
                "rights. Please ask for a mail to set a new one."
            )
        return user

    async def confirm(self, user_id: UserId, password: str, address: str) -> User:
        """The same for somebody who is signed in already, who is no stranger here.

        Whoever acts on it asks `User.still_as` in the unit of work that does.
        """
        user = await self._reads.get(user_id)
        if not await self._right(user, user.email.key, password, address, "signed in"):
            raise BadCredentials("The present password is wrong.")
        return user

    async def _right(
        self, user: User | None, key: str, password: str, address: str, browser: str
    ) -> bool:
        hashed = user.password_hash if user and len(password) <= LONGEST else None

        async def check() -> bool:
            return await self._passwords.verify(password[:LONGEST], hashed)

        return await self._throttle.attempt(key, address, check, browser)

    async def renewed(self, user: User, password: str) -> str | None:
        """A hash with today's parameters, where the stored one has others."""
        if user.password_hash is None or not self._passwords.outdated(user.password_hash):
            return None
        return await self._passwords.hash(password)


class SignIn:
    def __init__(
        self,
        uow: UnitOfWork,
        units: Units,
        users: Users,
        credentials: Credentials,
        admission: Admission,
    ) -> None:
        self._uow = uow
        self._units = units
        self._users = users
        self._credentials = credentials
        self._admission = admission

    async def log_in(self, command: LogIn) -> SignedIn:
        """Raises `BadCredentials`, `TooManyFailures`, `WeakPassword`, `Unavailable` or, when it was
        right and there is more to show, `SecondFactorRequired`: `SecondSteps` go on from there."""
        known = await self._credentials.check(
            command.email, command.password, command.address, command.marks
        )
        renewed = await self._credentials.renewed(known, command.password)
        outcome = await self._units.run(self._admit(known, renewed, command.device))
        return await self._admission.answer(outcome)

    async def _admit(
        self, known: User, renewed: str | None, device: str
    ) -> Admitted | SecondFactorRequired:
        async with self._uow.begin():
            user = await self._users.get(known.id)
            user.still_as(known)
            if renewed is not None:
                user = await self._users.save(user.rehash(renewed))
            return await self._admission.admit(user, device)
