"""Opening an account and proving the mailbox."""

from msgspec import Struct

from shop.core.kernel.ids import UserId
from shop.core.users.facts import UserRegistered
from shop.core.users.letters import Letters, hash_of
from shop.core.users.mail_limit import PROOF, MailLimit
from shop.core.users.model import (
    Purpose,
    TokenExpired,
    TokenInvalid,
    User,
)
from shop.core.users.policy import NewPasswords
from shop.core.users.postal import line, phone
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork, Units
from shop.ports.users import EmailAddresses, MailTokens, Users


class SignUp(Struct, frozen=True, kw_only=True):
    name: str
    email: str
    password: str
    contact: str | None = None

    def __repr__(self) -> str:
        return "SignUp()"


class Accounts:
    def __init__(
        self,
        uow: UnitOfWork,
        units: Units,
        users: Users,
        passwords: NewPasswords,
        emails: EmailAddresses,
        letters: Letters,
        limit: MailLimit,
        ids: Ids,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._units = units
        self._users = users
        self._passwords = passwords
        self._emails = emails
        self._letters = letters
        self._limit = limit
        self._ids = ids
        self._clock = clock

    async def sign_up(self, command: SignUp) -> User:
        """Raises `Malformed`, `WeakPassword`, `EmailTaken` or `Unavailable`; mails one link,
        unless the mailbox got too many of them: who opens and deletes accounts may mean others."""
        email = self._emails.parse(command.email)
        name = line(command.name, "name")
        contact = phone(command.contact) if command.contact else None
        password_hash = await self._passwords.hash(command.password, email=email.written, name=name)
        now = self._clock.now()
        user, registered = User(
            id=UserId(self._ids.new()),
            email=email,
            name=name,
            contact=contact,
            password_hash=password_hash,
            created_at=now,
        ).register()
        mails = await self._limit.welcomes(email.key)
        await self._units.run(self._add(user, registered, mails=mails))
        return user

    async def _add(self, user: User, registered: UserRegistered, *, mails: bool) -> None:
        async with self._uow.begin():
            await self._users.add(user)
            if mails:
                await self._letters.verification(user, user.created_at)
            self._uow.emit(registered)


class Verification:
    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        tokens: MailTokens,
        emails: EmailAddresses,
        letters: Letters,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._tokens = tokens
        self._emails = emails
        self._letters = letters
        self._clock = clock

    async def verify(self, secret: str) -> User:
        """The link's secret proves the mailbox it was sent to: the user's, or the one to be.

        Raises `TokenInvalid`, `TokenExpired` or, when somebody else took the new address
        meanwhile, `EmailTaken`.
        """
        token_hash = hash_of(secret)
        now = self._clock.now()
        async with self._uow.begin():
            token = await self._tokens.find(token_hash)
            if token is None:
                raise TokenInvalid("This link is not valid.")
            await self._tokens.use(token.use(Purpose.VERIFY, now))
            user = await self._users.get(token.user_id)
            if token.email == user.email.written:
                verified, proved = user.verify_email(now)
                self._uow.emit(proved)
                return await self._users.save(verified)
            if token.email != user.pending_email:
                raise TokenExpired("Another address was given meanwhile.")
            changed, moved = user.change_email(self._emails.parse(token.email), now)
            await self._letters.notice("email-changed", user, user.email.written)
            self._uow.emit(moved)
            return await self._users.save(changed)


class Resending:
    """Mails the verification link anew; the answer never tells whether there is an account."""

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

    async def resend(self, email: str) -> None:
        key = self._emails.parse(email).key
        async with self._uow.begin():
            user = await self._users.by_email(key)
            if user is None:
                return
            now = self._clock.now()
            pending = user.pending_email
            if pending is not None:
                if await self._limit.allows(PROOF, self._emails.parse(pending).key):
                    await self._letters.change(user, pending, now)
            elif user.verified_at is None and await self._limit.allows(PROOF, key):
                await self._letters.verification(user, now)
