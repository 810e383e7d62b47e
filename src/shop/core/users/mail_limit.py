"""Keeps strangers from filling somebody's mailbox."""

from shop.core.users.model import IdentityRules
from shop.ports.cache import RateLimiter

_HOUR = 3600.0
#: The kind of mails with a link that proves the mailbox.
PROOF = "proof"
#: Mails of each kind that a mailbox gets at most because somebody asked for them.
MAILS_AN_HOUR = 5


class MailLimit:
    """Limits mails that anybody may cause to whatever address they please.

    Each kind for itself, so that nobody is kept from a reset by who asks for something else in
    their name. Who asked is not told: they learn nothing of others, and the mail they want has
    come a few times already.
    """

    def __init__(self, limiter: RateLimiter, rules: IdentityRules) -> None:
        self._limiter = limiter
        self._on = rules.throttled

    async def allows(self, kind: str, email_key: str) -> bool:
        if not self._on:
            return True
        name, _, domain = email_key.rpartition("@")
        mailbox = f"{name.partition('+')[0] or name}@{domain}"  # most drop what follows a plus
        verdict = await self._limiter.hit(f"mail:{kind}:{mailbox}", MAILS_AN_HOUR, _HOUR)
        return verdict.wait == 0
