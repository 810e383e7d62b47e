"""Browsers that have signed in to an account before, by a mark that each of them keeps."""

import hmac
from hashlib import sha256

from shop.core.users.letters import as_text
from shop.core.users.model import User
from shop.core.users.tickets import mark_of
from shop.ports.system import Ids, Secrets

_NONCE = 12
_PROOF = 16
#: The last so many accounts of one browser are known.
_MOST = 3
_BETWEEN = "~"


class KnownBrowsers:
    """A mark opens nothing: it only tells the owner's browser from strangers who guess. It ends
    with the password, which whoever has got marks by then may have known."""

    def __init__(self, secrets: Secrets, ids: Ids) -> None:
        self._secrets = secrets
        self._ids = ids

    async def marked(self, marks: str, user: User) -> str:
        """The marks of a browser, with one for that account, which it has just proved."""
        others = [m for m in marks.split(_BETWEEN) if m and not await self._fits(m, user)]
        nonce = as_text(self._ids.secret(_NONCE))
        new = f"{nonce}.{await self._proof(nonce, user)}"
        return _BETWEEN.join([new, *others[: _MOST - 1]])

    async def find(self, marks: str, user: User) -> str:
        """What tells this browser from others, or "" when it never was in that account."""
        if not marks:
            return ""
        for mark in marks.split(_BETWEEN)[:_MOST]:
            if await self._fits(mark, user):
                return mark.partition(".")[0]
        return ""

    async def _fits(self, mark: str, user: User) -> bool:
        nonce, _, proof = mark.partition(".")
        expected = await self._proof(nonce, user)
        return hmac.compare_digest(proof.encode(errors="replace"), expected.encode())

    async def _proof(self, nonce: str, user: User) -> str:
        key = await self._secrets.get("known-browsers")
        told = nonce.encode(errors="replace") + user.id.bytes + mark_of(user)
        return as_text(hmac.digest(key, told, sha256)[:_PROOF])
