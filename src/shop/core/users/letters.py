"""Secrets that go out by mail, and what the mails are about."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from datetime import datetime, timedelta
from hashlib import sha256

from shop.core.users.mail_limit import MailLimit
from shop.core.users.model import IdentityRules, MailToken, Purpose, TokenInvalid, User
from shop.ports.notifications import Letter, Post
from shop.ports.system import Ids
from shop.ports.users import MailTokens

_PAGES = {Purpose.VERIFY: "verify-email", Purpose.RESET: "reset-password"}


class Letters:
    """Call only inside an open unit of work."""

    def __init__(
        self, tokens: MailTokens, post: Post, limit: MailLimit, ids: Ids, rules: IdentityRules
    ) -> None:
        self._tokens = tokens
        self._post = post
        self._limit = limit
        self._ids = ids
        self._rules = rules

    async def verification(self, user: User, at: datetime) -> None:
        """Ask the mailbox of the user to prove itself."""
        lasts = self._rules.verify_lasts
        await self._secret(user, Purpose.VERIFY, "verify-email", user.email.written, at, lasts)

    async def change(self, user: User, email: str, at: datetime) -> None:
        """Ask the new mailbox to prove itself."""
        lasts = self._rules.verify_lasts
        await self._secret(user, Purpose.VERIFY, "email-change", email, at, lasts)

    async def reset(self, user: User, at: datetime) -> None:
        lasts = self._rules.reset_lasts
        await self._secret(user, Purpose.RESET, "reset-password", user.email.written, at, lasts)

    async def notice(self, template: str, user: User, to: str, **told: object) -> None:
        """Tell that something has happened to the account.

        A mailbox that nobody proved may be a stranger's, who is told of little.
        """
        if user.verified_at is None and not await self._limit.allows("notice", user.email.key):
            return
        letter = Letter(
            dedupe=f"{template}:{self._ids.new()}",
            to=to,
            template=template,
            data={"name": _called(user, proved=user.verified_at is not None), **told},
            subject_id=user.id,
        )
        await self._post.queue(letter)

    async def _secret(
        self,
        user: User,
        purpose: Purpose,
        template: str,
        to: str,
        at: datetime,
        lasts: timedelta,
    ) -> None:
        secret = self._ids.secret()
        token = MailToken(
            hash=sha256(secret).digest(),
            user_id=user.id,
            purpose=purpose,
            email=to,
            created_at=at,
            expires_at=at + lasts,
        )
        await self._tokens.void(user.id, purpose, at)  # of several links the newest alone holds
        await self._tokens.add(token)
        link = f"{self._rules.site_url}/{_PAGES[purpose]}?token={as_text(secret)}"
        proved = user.verified_at is not None and to == user.email.written
        asked: dict[str, object] = {}
        if purpose is Purpose.RESET:  # an address nobody proved: a stranger may have thought it up
            asked = {"question": user.reset_question if proved else None}
        letter = Letter(
            dedupe=f"{template}:{token.hash.hex()}",
            to=to,
            template=template,
            data={"name": _called(user, proved=proved), "link": link} | asked,
            subject_id=user.id,
        )
        await self._post.queue(letter)


def _called(user: User, *, proved: bool) -> str:
    """The name for a mailbox that was proved; to another a stranger would speak by it, and put
    links of their own there.
    """
    return user.name if proved else ""


def as_text(secret: bytes) -> str:
    return urlsafe_b64encode(secret).decode().rstrip("=")


def hash_of(text: str) -> bytes:
    """The hash by which a mailed secret is known. Raises `TokenInvalid` for text that is none."""
    return sha256(secret_of(text)).digest()


def secret_of(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Error, ValueError):
        raise TokenInvalid("This link is broken.") from None
