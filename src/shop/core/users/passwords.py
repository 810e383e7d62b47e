"""Changing a password, knowing the old one or reading the mailbox."""

import unicodedata
from datetime import datetime

from msgspec import Struct

from shop.core.kernel.access import Caller
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import SessionId
from shop.core.users.facts import SessionEnded
from shop.core.users.letters import Letters, hash_of
from shop.core.users.liveness import Liveness
from shop.core.users.model import (
    MailToken,
    Purpose,
    ResetAnswerWrong,
    TokenExpired,
    TokenInvalid,
    User,
)
from shop.core.users.policy import NewPasswords
from shop.core.users.reclaiming import Reclaiming
from shop.core.users.signing_in import Credentials
from shop.core.users.throttle import Throttle
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import MailTokens, Passwords, Sessions, Users

_LONGEST_ANSWER = 200


class ChangePassword(Struct, frozen=True, kw_only=True):
    current_password: str
    new_password: str
    address: str = ""

    def __repr__(self) -> str:
        return "ChangePassword()"


class ConfirmReset(Struct, frozen=True, kw_only=True):
    token: str
    new_password: str
    reset_answer: str | None = None

    def __repr__(self) -> str:
        return "ConfirmReset()"


class NewPassword:
    """What each change of a password brings with it."""

    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        sessions: Sessions,
        tokens: MailTokens,
        passwords: NewPasswords,
        letters: Letters,
    ) -> None:
        self._uow = uow
        self._users = users
        self._sessions = sessions
        self._tokens = tokens
        self._passwords = passwords
        self._letters = letters

    async def hash(self, password: str, user: User) -> str:
        """Raises `WeakPassword` or `Unavailable`."""
        return await self._passwords.hash(password, email=user.email.written, name=user.name)

    async def store(
        self, user: User, password_hash: str, at: datetime, *, but: SessionId | None = None
    ) -> tuple[User, list[SessionId]]:
        """Call only inside an open unit of work; returns the user and the sessions this ends.

        Links to reset the old password are worthless from now on, and the owner is told.
        """
        changed, fact = user.change_password(password_hash, at)
        saved = await self._users.save(changed)
        await self._tokens.void(user.id, Purpose.RESET, at)
        self._uow.emit(fact)
        ended = await self._sessions.end_all(user.id, at, but=but)
        for session in ended:
            self._uow.emit(
                SessionEnded(
                    user_id=user.id, session_id=session.id, reason="password changed", at=at
                )
            )
        await self._letters.notice("password-changed", changed, changed.email.written)
        return saved, [session.id for session in ended]


class PasswordChange:
    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        credentials: Credentials,
        new: NewPassword,
        liveness: Liveness,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._credentials = credentials
        self._new = new
        self._liveness = liveness
        self._clock = clock

    async def change(self, caller: Caller, command: ChangePassword) -> None:
        """The caller's other sessions end. Raises `BadCredentials` or `WeakPassword`."""
        known = await self._credentials.confirm(
            caller.known(), command.current_password, command.address
        )
        password_hash = await self._new.hash(command.new_password, known)
        async with self._uow.begin():
            user = await self._users.get(known.id)
            user.still_as(known)
            _, ended = await self._new.store(
                user, password_hash, self._clock.now(), but=caller.session_id
            )
        await self._liveness.ended(*ended)


class PasswordReset:
    """For those who forgot theirs and still read their mail."""

    def __init__(
        self,
        uow: UnitOfWork,
        users: Users,
        tokens: MailTokens,
        answers: "ResetAnswers",
        new: NewPassword,
        reclaiming: Reclaiming,
        liveness: Liveness,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._users = users
        self._tokens = tokens
        self._answers = answers
        self._reclaiming = reclaiming
        self._new = new
        self._liveness = liveness
        self._clock = clock

    async def question(self, token: str) -> str | None:
        """What `confirm` will want an answer to. Raises `TokenInvalid` or `TokenExpired`."""
        async with self._uow.begin():
            _, user = await self._open(hash_of(token))
        return None if user.verified_at is None else user.reset_question

    async def confirm(self, command: ConfirmReset) -> None:
        """All sessions of the user end, and of an account that nobody had proved yet the rest.

        Raises `TokenInvalid`, `TokenExpired`, `ResetAnswerWrong`, `TooManyFailures` or
        `WeakPassword`; after each of them but the first two the link still holds.
        """
        token_hash = hash_of(command.token)
        async with self._uow.begin():
            _, known = await self._open(token_hash)
        await self._answers.check(known, command.reset_answer)
        password_hash = await self._new.hash(command.new_password, known)
        now = self._clock.now()
        async with self._uow.begin():
            used, user = await self._open(token_hash)
            await self._tokens.use(used)
            user = await self._reclaiming.reclaim(user, now)
            _, ended = await self._new.store(user, password_hash, now)
        await self._liveness.ended(*ended)

    async def _open(self, token_hash: bytes) -> tuple[MailToken, User]:
        token = await self._tokens.find(token_hash)
        if token is None:
            raise TokenInvalid("This link is not valid.")
        used = token.use(Purpose.RESET, self._clock.now())
        user = await self._users.get(token.user_id)
        if user.email.written != token.email:
            raise TokenExpired("The account has another e-mail address by now.")
        return used, user


class ResetAnswers:
    """The answer some customers want to be asked for, besides the link in the mail."""

    def __init__(self, passwords: Passwords, throttle: Throttle) -> None:
        self._passwords = passwords
        self._throttle = throttle

    async def hash(self, answer: str) -> str:
        """Raises `Malformed` for one that nobody could give, or `Unavailable`."""
        plain = _plain(answer)
        if not plain or len(plain) > _LONGEST_ANSWER:
            raise Malformed(
                f"The answer needs 1 to {_LONGEST_ANSWER} characters.", field="reset_answer"
            )
        return await self._passwords.hash(plain)

    async def check(self, user: User, answer: str | None) -> None:
        """Raises `ResetAnswerWrong` or `TooManyFailures`.

        While the address is unproved, the question may be a stranger's: the mailbox decides.
        """
        if user.reset_answer_hash is None or user.verified_at is None:
            return
        hashed, given = user.reset_answer_hash, _plain(answer or "")

        async def right() -> bool:
            return len(given) <= _LONGEST_ANSWER and await self._passwords.verify(given, hashed)

        if not given or not await self._throttle.attempt(f"answer {user.id}", "", right):
            raise ResetAnswerWrong(
                "The answer to the security question is needed, and must be right.",
                question=user.reset_question,
            )


def _plain(answer: str) -> str:
    """People do not remember how they spaced or capitalised it, and keyboards differ."""
    return " ".join(unicodedata.normalize("NFKC", answer).casefold().split())
