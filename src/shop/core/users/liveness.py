"""Whether somebody is still signed in, asked at every call."""

from datetime import timedelta
from functools import lru_cache

from shop.core.kernel.access import GRANTS, Role
from shop.core.kernel.ids import SessionId
from shop.core.users.model import IdentityRules
from shop.ports.cache import Cache
from shop.ports.clients import ClientReads
from shop.ports.system import Clock
from shop.ports.users import Standing, UserReads

_ENDED = b"ended"
_CHANGED = b"changed"
_ALIVE = b"alive:"
_PROVED = b"proved:"  # alive, and begun with two factors
#: Outlasts every "alive" that a slow reader may still be about to store.
_MARKED = timedelta(minutes=1)


class Liveness:
    """Believes the cache for a moment; what it does not know it asks the database."""

    def __init__(
        self,
        cache: Cache,
        reads: UserReads,
        clients: ClientReads,
        clock: Clock,
        rules: IdentityRules,
    ) -> None:
        self._cache = cache
        self._reads = reads
        self._clients = clients
        self._clock = clock
        self._lasts = rules.alive_lasts
        self._strict = rules.staff_second_factor

    async def standing(self, session_id: SessionId) -> Standing | None:
        """That of today of whoever is signed in; None when the session is not alive."""
        key = _key(session_id)
        kept = await self._cache.get(key)
        if kept == _ENDED:
            return None
        if kept is not None and kept != _CHANGED:
            return _decoded(kept)
        standing = await self._reads.standing(session_id, self._clock.now())
        # The session may have ended while the database was asked.
        if await self._cache.get(key) == _ENDED:
            return None
        if standing is not None and self._lasts:  # and never in place of what was announced
            await self._cache.add(key, _encoded(standing), self._lasts)
        return standing

    def holds_back(self, standing: Standing) -> bool:
        """Whether the permissions wait until a second factor is shown."""
        if not self._strict or standing.two_factors:
            return False
        return any(GRANTS[role] for role in standing.roles)

    async def of_program(self, client_id: str, token_id: str) -> bool:
        """Whether a program's own token holds: the program is registered, the token not revoked."""
        key = _token_key(token_id)
        kept = await self._cache.get(key)
        if kept is not None:
            return kept != _ENDED
        alive = await self._clients.standing(client_id, token_id)
        if await self._cache.get(key) == _ENDED:
            return False
        if alive and self._lasts:
            await self._cache.add(key, _ALIVE, self._lasts)
        return alive

    async def program_ended(self, token_id: str) -> None:
        """Like `ended`."""
        await self._cache.announce([_token_key(token_id)], _ENDED, _MARKED, stale=self._lasts)

    async def ended(self, *sessions: SessionId) -> None:
        """To be told after the end is committed: it bites at once, wherever the cache is shared."""
        keys = [_key(session_id) for session_id in sessions]
        await self._cache.announce(keys, _ENDED, _MARKED, stale=self._lasts)

    async def changed(self, *sessions: SessionId) -> None:
        """The next calls ask the database."""
        keys = [_key(session_id) for session_id in sessions]
        await self._cache.announce(keys, _CHANGED, _MARKED, stale=self._lasts)


def _encoded(standing: Standing) -> bytes:
    start = _PROVED if standing.two_factors else _ALIVE
    return start + " ".join(standing.roles).encode()


@lru_cache(maxsize=256)  # few ways to stand, and asked at every call
def _decoded(kept: bytes) -> Standing:
    start, _, roles = kept.partition(b":")
    return Standing(frozenset(map(Role, roles.decode().split())), start + b":" == _PROVED)


def _token_key(token_id: str) -> str:
    return f"token:{token_id}"


@lru_cache(maxsize=4096)  # to write the id out takes as long as to look it up
def _key(session_id: SessionId) -> str:
    return f"session:{session_id.hex}"
