"""Access and refresh tokens for a session."""

import hmac
from hashlib import sha256
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.ids import SessionId
from shop.core.users.letters import as_text, secret_of
from shop.core.users.model import (
    GrantInvalid,
    IdentityRules,
    Session,
    SessionStarted,
    TokenInvalid,
    User,
)
from shop.ports.system import Clock, Ids, Secrets
from shop.ports.users import Access, Tokens

DEVICE = 200
SCOPE = "shop"
_ID = 16
_SECRET = 32


class TokenPair(Struct, frozen=True, kw_only=True):
    """`expires_in` is that of the access token, in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    scope: str = SCOPE

    def __repr__(self) -> str:
        return "TokenPair()"


class RefreshToken(Struct, frozen=True):
    """The session it belongs to, and a secret; used up ones are recognised by the session."""

    session_id: SessionId
    secret: bytes

    def __repr__(self) -> str:
        return f"RefreshToken({self.session_id})"

    @classmethod
    def parse(cls, text: str) -> "RefreshToken":
        """Raises `GrantInvalid` for anything that never was one."""
        try:
            raw = secret_of(text)
        except TokenInvalid:
            raw = b""
        if len(raw) != _ID + _SECRET:
            raise GrantInvalid("This refresh token is not valid.")
        return cls(SessionId(UUID(bytes=raw[:_ID])), raw[_ID:])

    @property
    def text(self) -> str:
        return as_text(self.session_id.bytes + self.secret)

    @property
    def hash(self) -> bytes:
        return sha256(self.session_id.bytes + self.secret).digest()

    def next(self, key: bytes) -> "RefreshToken":
        """Its successor, always the same: a client that asks twice holds one token, not two."""
        return RefreshToken(
            self.session_id,
            hmac.digest(key, b"next:" + self.session_id.bytes + self.secret, sha256),
        )


class Issuer:
    def __init__(
        self, tokens: Tokens, secrets: Secrets, ids: Ids, clock: Clock, rules: IdentityRules
    ) -> None:
        self._tokens = tokens
        self._secrets = secrets
        self._ids = ids
        self._clock = clock
        self._rules = rules

    def session(self, user: User, device: str) -> tuple[Session, SessionStarted, RefreshToken]:
        """A new session, to be stored by the caller."""
        now = self._clock.now()
        refresh = RefreshToken(SessionId(self._ids.new()), self._ids.secret(_SECRET))
        session, started = Session(
            id=refresh.session_id,
            user_id=user.id,
            refresh_hash=refresh.hash,
            device=device[:DEVICE],
            created_at=now,
            last_used_at=now,
            expires_at=now + self._rules.refresh_lasts,
        ).start()
        return session, started, refresh

    async def successor(self, used: RefreshToken) -> RefreshToken:
        return used.next(await self._secrets.get("refresh-tokens"))

    async def pair(self, user: User, refresh: RefreshToken) -> TokenPair:
        now = self._clock.now()
        access = Access(
            user_id=user.id,
            session_id=refresh.session_id,
            token_id=str(self._ids.new()),
            roles=user.roles,
            scope=SCOPE,
            issued_at=now,
            expires_at=now + self._rules.access_lasts,
        )
        return TokenPair(
            access_token=await self._tokens.issue(access),
            refresh_token=refresh.text,
            expires_in=int(self._rules.access_lasts.total_seconds()),
        )
