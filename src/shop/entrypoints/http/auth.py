"""Who is asking."""

from abc import abstractmethod
from functools import lru_cache
from typing import Protocol

from shop.core.kernel.access import NOBODY, Caller
from shop.core.kernel.errors import Unauthenticated
from shop.core.users.liveness import Liveness
from shop.ports.users import Access, Standing, Tokens

_MOST = 4096


class Authenticator(Protocol):
    @abstractmethod
    async def caller(self, authorization: str | None) -> Caller:
        """Nobody without the header. Raises `Unauthenticated` for a token that does not hold."""


class JwtAuthenticator(Authenticator):
    """Takes who it is from the token, and what they may do from the session as it is today."""

    def __init__(self, tokens: Tokens, liveness: Liveness) -> None:
        self._tokens = tokens
        self._liveness = liveness
        #: Whom a token stands for, made once for each standing and not at every call.
        self._known: dict[str, tuple[Access, Standing, Caller]] = {}

    async def caller(self, authorization: str | None) -> Caller:
        if authorization is None:
            return NOBODY
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated("Only bearer tokens are understood here.")
        access = await self._tokens.verify(token.strip())
        if access.session_id is None:
            if not await self._liveness.of_program(access.client_id, access.token_id):
                raise Unauthenticated("This token was revoked.")
            return Caller(client_id=access.client_id, scope=_scope(access.scope))
        standing = await self._liveness.standing(access.session_id)
        if standing is None:
            raise Unauthenticated("This session has ended; please sign in again.")
        known = self._known.get(access.token_id)
        if known is not None and known[0] is access and known[1] is standing:
            return known[2]
        caller = Caller(
            user_id=access.user_id,
            session_id=access.session_id,
            roles=standing.roles,
            scope=_scope(access.scope),
            held_back=self._liveness.holds_back(standing),
        )
        if len(self._known) >= _MOST:
            self._known.clear()
        self._known[access.token_id] = access, standing, caller
        return caller


@lru_cache(maxsize=256)  # the same few words for everybody
def _scope(text: str) -> frozenset[str]:
    return frozenset(text.split())
