"""What a token is worth just now, and making it worth nothing."""

from datetime import datetime

from msgspec import Struct

from shop.core.kernel.errors import Unauthenticated
from shop.core.kernel.ids import SessionId, UserId
from shop.core.users.issuing import RefreshToken
from shop.core.users.liveness import Liveness
from shop.core.users.model import GrantInvalid, Session
from shop.core.users.sessions import SignOut
from shop.ports.clients import RevokedTokens
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import Sessions, Tokens


class TokenStanding(Struct, frozen=True, kw_only=True):
    """A token that holds. Only access tokens have an id."""

    client_id: str
    user_id: UserId | None
    session_id: SessionId | None
    scope: str
    issued_at: datetime
    expires_at: datetime
    token_id: str = ""


class Inspection:
    def __init__(
        self,
        uow: UnitOfWork,
        sessions: Sessions,
        tokens: Tokens,
        liveness: Liveness,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._sessions = sessions
        self._tokens = tokens
        self._liveness = liveness
        self._clock = clock

    async def look(self, text: str, client_id: str) -> TokenStanding | None:
        """None for a token that does not hold, and for another client's refresh token."""
        try:
            refresh = RefreshToken.parse(text)
        except GrantInvalid:
            return await self._access(text)
        now = self._clock.now()
        async with self._uow.begin():
            session = await self._sessions.find(refresh.session_id)
        if session is None or session.client_id != client_id or not session.alive(now):
            return None
        if session.refresh_hash != refresh.hash:
            return None
        return TokenStanding(
            client_id=session.client_id,
            user_id=session.user_id,
            session_id=session.id,
            scope=session.scope,
            issued_at=session.last_used_at,
            expires_at=session.expires_at,
        )

    async def _access(self, text: str) -> TokenStanding | None:
        try:
            access = await self._tokens.verify(text)
        except Unauthenticated:
            return None
        if access.session_id is None:
            alive = await self._liveness.of_program(access.client_id, access.token_id)
        else:
            alive = await self._liveness.standing(access.session_id) is not None
        if not alive:
            return None
        return TokenStanding(
            client_id=access.client_id,
            user_id=access.user_id,
            session_id=access.session_id,
            scope=access.scope,
            issued_at=access.issued_at,
            expires_at=access.expires_at,
            token_id=access.token_id,
        )


class Revocation:
    def __init__(
        self,
        uow: UnitOfWork,
        sessions: Sessions,
        revoked: RevokedTokens,
        tokens: Tokens,
        sign_out: SignOut,
        liveness: Liveness,
    ) -> None:
        self._uow = uow
        self._sessions = sessions
        self._revoked = revoked
        self._tokens = tokens
        self._sign_out = sign_out
        self._liveness = liveness

    async def revoke(self, text: str, client_id: str) -> None:
        """End the session of a refresh or access token of this client, or a program's own token;
        unknown ones are no error (RFC 7009)."""
        try:
            token = RefreshToken.parse(text)
        except GrantInvalid:
            await self._revoke_access(text, client_id)
            return
        async with self._uow.begin():
            session = await self._sessions.find(token.session_id)
        if session is not None and _belongs(token, session, client_id):
            await self._sign_out.revoke(session.id)

    async def _revoke_access(self, text: str, client_id: str) -> None:
        try:
            access = await self._tokens.verify(text)
        except Unauthenticated:
            return
        if access.client_id != client_id:
            return
        if access.session_id is not None:
            await self._sign_out.revoke(access.session_id)
            return
        async with self._uow.begin():
            await self._revoked.add(access.token_id, access.expires_at)
        await self._liveness.program_ended(access.token_id)


def _belongs(token: RefreshToken, session: Session, client_id: str) -> bool:
    known = token.hash in {session.refresh_hash, session.previous_hash}
    return known and session.client_id == client_id
