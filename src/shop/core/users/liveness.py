"""Whether somebody is still signed in, asked at every call."""

from datetime import timedelta

from shop.core.kernel.access import Role
from shop.core.kernel.ids import SessionId
from shop.core.users.model import IdentityRules
from shop.ports.cache import Cache
from shop.ports.system import Clock
from shop.ports.users import UserReads

_ENDED = b"ended"
_ALIVE = b"alive:"
#: Outlasts every "alive" that a slow reader may still be about to store.
_MARKED = timedelta(minutes=1)


class Liveness:
    """Believes the cache for a moment; what it does not know it asks the database."""

    def __init__(self, cache: Cache, reads: UserReads, clock: Clock, rules: IdentityRules) -> None:
        self._cache = cache
        self._reads = reads
        self._clock = clock
        self._lasts = rules.alive_lasts

    async def roles(self, session_id: SessionId) -> frozenset[Role] | None:
        """The roles of today of whoever is signed in; None when the session is not alive."""
        key = _key(session_id)
        kept = await self._cache.get(key)
        if kept == _ENDED:
            return None
        if kept is not None:
            return frozenset(map(Role, kept.removeprefix(_ALIVE).decode().split()))
        roles = await self._reads.standing(session_id, self._clock.now())
        # The session may have ended while the database was asked.
        if await self._cache.get(key) == _ENDED:
            return None
        if roles is not None and self._lasts:
            await self._cache.put(key, _ALIVE + " ".join(roles).encode(), self._lasts)
        return roles

    async def ended(self, *sessions: SessionId) -> None:
        """To be told after the end is committed: it bites at once, wherever the cache is shared."""
        for session_id in sessions:
            await self._cache.put(_key(session_id), _ENDED, _MARKED)

    async def changed(self, *sessions: SessionId) -> None:
        """The next call asks the database."""
        await self._cache.drop(*map(_key, sessions))


def _key(session_id: SessionId) -> str:
    return f"session:{session_id}"
