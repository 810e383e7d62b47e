"""Keeps strangers from filling somebody's mailbox."""

from shop.core.users.model import IdentityRules
from shop.ports.cache import RateLimiter

_HOUR = 3600.0
#: The kind of mails with a link that proves the mailbox.
PROOF = "proof"
#: Mails of each kind that a mailbox gets at most because somebody asked for them.
MAILS_AN_HOUR = 5
#: The same of accounts that are opened with addresses of one mailbox: a family, or whoever tries
#: the shop out, has many behind a plus.
SIGN_UPS_AN_HOUR = 50


class MailLimit:
    """Limits mails that anybody may cause to whatever address they please.

    Each kind for itself, so that nobody is kept from a reset by who asks for something else in
    their name. Who asked is not told: they learn nothing of others, and the mail they want has
    come a few times already.
    """

    def __init__(self, limiter: RateLimiter, rules: IdentityRules) -> None:
        self._limiter = limiter
        self._on = rules.throttled

    async def allows(self, kind: str, email_key: str, *, proved: bool = False) -> bool:
        """A proved address counts for itself: what is mailed to others of its mailbox, which
        anybody may have opened accounts with, is no fault of its owner."""
        mailbox = f"proved {email_key}" if proved else _mailbox(email_key)
        return await self._hit(kind, mailbox, MAILS_AN_HOUR)

    async def welcomes(self, email_key: str) -> bool:
        """Whether a new account gets its mail. Counted by address, since one may be opened and
        deleted over and over, and generously by mailbox."""
        again = await self._hit("sign-up", email_key, MAILS_AN_HOUR)
        return again and await self._hit("sign-ups", _mailbox(email_key), SIGN_UPS_AN_HOUR)

    async def _hit(self, kind: str, mailbox: str, most: int) -> bool:
        if not self._on:
            return True
        verdict = await self._limiter.hit(f"mail:{kind}:{mailbox}", most, _HOUR)
        return verdict.wait == 0


def _mailbox(email_key: str) -> str:
    """Most drop what follows a plus."""
    name, _, domain = email_key.rpartition("@")
    return f"{name.partition('+')[0] or name}@{domain}"
