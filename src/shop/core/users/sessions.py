"""Staying signed in, and ending it."""

from datetime import datetime

from shop.core.kernel.access import Caller
from shop.core.kernel.ids import SessionId
from shop.core.users.clients import ScopeInvalid
from shop.core.users.issuing import Issuer, RefreshToken, TokenPair
from shop.core.users.liveness import Liveness
from shop.core.users.model import GrantInvalid, IdentityRules, Session, SessionNotFound
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork
from shop.ports.users import Sessions, UserReads, Users

#: More than anybody reads; older ones still can be ended by changing the password.
LISTED = 100


class Refreshing:
    """Swaps a refresh token for a new pair, once."""

    def __init__(
        self,
        uow: UnitOfWork,
        sessions: Sessions,
        users: Users,
        issuer: Issuer,
        liveness: Liveness,
        clock: Clock,
        rules: IdentityRules,
    ) -> None:
        self._uow = uow
        self._sessions = sessions
        self._users = users
        self._issuer = issuer
        self._liveness = liveness
        self._clock = clock
        self._rules = rules

    async def refresh(
        self, text: str, client_id: str, asked: frozenset[str] = frozenset()
    ) -> TokenPair:
        """`asked` narrows the access token's scope. Raises `GrantInvalid` or `ScopeInvalid`.

        A token that was used before ends its session: somebody has a copy, and nobody can tell
        which of the two is the thief. One that never was a token of the session ends nothing.
        """
        used = RefreshToken.parse(text)
        following = self._issuer.successor(used)
        now = self._clock.now()
        stolen = False
        async with self._uow.begin():
            session = await self._sessions.find(used.session_id)
            if session is None or session.client_id != client_id or not self._lives(session, now):
                raise GrantInvalid("This refresh token is not valid any more.")
            if not asked <= frozenset(session.scope.split()):
                raise ScopeInvalid("More was asked for than was granted.")
            if session.refresh_hash == used.hash:
                rotated = session.rotate(following.hash, now, self._rules)
                await self._sessions.save(rotated)
            elif not session.repeats(used.hash, now):
                if used.hash != session.previous_hash and not self._issuer.issued(used):
                    raise GrantInvalid("This refresh token is not valid.")
                ended, fact = session.end("refresh token used twice", now)
                await self._sessions.save(ended)
                self._uow.emit(fact)
                stolen = True
            user = await self._users.get(session.user_id)
        if stolen:
            await self._liveness.ended(session.id)
            raise GrantInvalid("This refresh token was used before; please sign in again.")
        scope = " ".join(sorted(asked)) or session.scope
        return await self._issuer.pair(user, following, client_id=client_id, scope=scope)

    def _lives(self, session: Session, now: datetime) -> bool:
        """Also by the rules of today, which may be stricter than those it began under."""
        today = self._rules.expiry(session.created_at, session.last_used_at)
        return session.alive(now) and now < today


class SignOut:
    def __init__(
        self,
        uow: UnitOfWork,
        sessions: Sessions,
        reads: UserReads,
        liveness: Liveness,
        clock: Clock,
    ) -> None:
        self._uow = uow
        self._sessions = sessions
        self._reads = reads
        self._liveness = liveness
        self._clock = clock

    async def log_out(self, caller: Caller) -> None:
        """End the session of the call: its tokens are refused from now on."""
        caller.known()
        if caller.session_id is not None:
            await self._end(caller.session_id, "signed out")

    async def mine(self, caller: Caller) -> list[Session]:
        """Where the caller is signed in, the one used last first."""
        return await self._reads.sessions(caller.known(), self._clock.now(), LISTED)

    async def end(self, caller: Caller, session_id: SessionId) -> None:
        """Raises `SessionNotFound`, also for somebody else's."""
        mine = caller.known()
        async with self._uow.begin():
            session = await self._sessions.find(session_id)
        if session is None or session.user_id != mine or not session.alive(self._clock.now()):
            raise SessionNotFound("There is no such session.")
        await self._end(session_id, "ended by its owner")

    async def revoke(self, session_id: SessionId) -> None:
        """End it for a client that showed a token of it."""
        await self._end(session_id, "revoked")

    async def _end(self, session_id: SessionId, reason: str) -> None:
        now = self._clock.now()
        async with self._uow.begin():
            session = await self._sessions.find(session_id)
            if session is not None and session.ended_at is None:
                ended, fact = session.end(reason, now)
                await self._sessions.save(ended)
                self._uow.emit(fact)
        await self._liveness.ended(session_id)
