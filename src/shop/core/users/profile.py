"""What customers say about themselves."""

from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from shop.core.kernel.access import Caller, Scope
from shop.core.kernel.errors import Malformed
from shop.core.users.facts import ProfileChanged
from shop.core.users.letters import Letters
from shop.core.users.mail_limit import PROOF, MailLimit
from shop.core.users.model import EmailAddress, EmailTaken, User
from shop.core.users.passwords import ResetAnswers
from shop.core.users.postal import line, phone
from shop.core.users.presence import Presence
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import EmailAddresses, UserReads, Users


class ProfileChange(Struct, frozen=True, kw_only=True):
    """What is unset stays; `contact`, `reset_question` and `reset_answer` may be None: forget."""

    name: str | UnsetType = UNSET
    contact: str | UnsetType | None = UNSET
    email: str | UnsetType = UNSET
    reset_question: str | UnsetType | None = UNSET
    reset_answer: str | UnsetType | None = UNSET

    def __repr__(self) -> str:
        return "ProfileChange()"


class Profile:
    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        reads: UserReads,
        emails: EmailAddresses,
        answers: ResetAnswers,
        presence: Presence,
        letters: Letters,
        limit: MailLimit,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._reads = reads
        self._emails = emails
        self._answers = answers
        self._presence = presence
        self._letters = letters
        self._limit = limit
        self._clock = clock

    async def me(self, caller: Caller) -> User:
        caller.known(Scope.EMAIL)
        return await self._reads.get(caller.known(Scope.PROFILE))

    async def identity(self, caller: Caller) -> User:
        """For a program that was let in to learn who somebody is."""
        return await self._reads.get(caller.known(Scope.OPENID))

    async def update(self, caller: Caller, change: ProfileChange) -> User:
        """A new e-mail only waits: a link goes to it. Raises `Malformed`, `EmailTaken` or
        `Unauthenticated`."""
        user_id = caller.known()
        email = UNSET if change.email is UNSET else self._emails.parse(change.email)
        answer = change.reset_answer
        answer_hash = await self._answers.hash(answer) if answer else None
        async with self._uow.begin():
            await self._presence.lasts(caller)
            before = await self._users.get(user_id)
            user = _told(before, change, answer_hash)
            if user != before:
                self._uow.emit(ProfileChanged(user_id=user_id, at=self._clock.now()))
            if email is not UNSET:
                user = await self._ask(user, email)
            return user if user == before else await self._users.save(user)

    async def _ask(self, user: User, email: EmailAddress) -> User:
        if email.key == user.email.key:
            return replace(user, pending_email=None)
        if await self._users.by_email(email.key) is not None:
            raise EmailTaken("There is an account with this e-mail address already.")
        if email.written == user.pending_email:
            return user
        now = self._clock.now()
        asking, fact = user.ask_for_email(email.written, now)
        if await self._limit.allows(PROOF, email.key):  # it may be anybody's
            await self._letters.change(asking, email.written, now)
        self._uow.emit(fact)
        return asking


def _told(user: User, change: ProfileChange, answer_hash: str | None) -> User:
    if change.name is not UNSET:
        user = replace(user, name=line(change.name, "name"))
    if change.contact is not UNSET:
        user = replace(user, contact=phone(change.contact) if change.contact else None)
    if change.reset_question is not UNSET:
        question = line(change.reset_question or "", "reset_question", empty=True) or None
        user = replace(user, reset_question=question)
        if question is None:
            user = replace(user, reset_answer_hash=None)
    if change.reset_answer is not UNSET:
        user = replace(user, reset_answer_hash=answer_hash)
    if (user.reset_question is None) != (user.reset_answer_hash is None):
        raise Malformed(
            "A question needs its answer, and an answer its question.", field="reset_answer"
        )
    return user
