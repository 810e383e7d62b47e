"""Access and refresh tokens for a session."""

import hmac
from hashlib import sha256
from typing import NewType
from uuid import UUID

from msgspec import Struct

from shop.core.kernel.access import Scope
from shop.core.kernel.ids import SessionId
from shop.core.users.facts import SessionStarted
from shop.core.users.letters import as_text, secret_of
from shop.core.users.model import (
    FIRST_PARTY,
    GrantInvalid,
    IdentityRules,
    Session,
    TokenInvalid,
    User,
)
from shop.ports.system import Clock, Ids
from shop.ports.users import Access, IdentityClaims, Tokens

DEVICE = 200
SCOPE = Scope.SHOP.value
_ID = 16
_SECRET = 32
_RANDOM = 16  # of the secret; the rest shows that it is ours

#: Of which refresh tokens are made.
RefreshKey = NewType("RefreshKey", bytes)


class TokenPair(Struct, frozen=True, kw_only=True):
    """`expires_in` is that of the access token, in seconds."""

    access_token: str
    refresh_token: str
    expires_in: int
    scope: str = SCOPE

    def __repr__(self) -> str:
        return "TokenPair()"


class OwnToken(Struct, frozen=True, kw_only=True):
    """A program's own access token."""

    access_token: str
    expires_in: int
    scope: str

    def __repr__(self) -> str:
        return "OwnToken()"


class RefreshToken(Struct, frozen=True):
    """The session it belongs to, and a secret; used up ones are recognised by the session.

    Half of the secret is a MAC of the rest, so that a token that was used up generations ago can
    be told from one that never was: whoever read a session's id somewhere must not end it.
    """

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

    @classmethod
    def make(cls, session_id: SessionId, random: bytes, key: bytes) -> "RefreshToken":
        return cls(session_id, random + _mac(key, session_id, random))

    def made_with(self, key: bytes) -> bool:
        """Those of former versions, which were random or without MAC, are none of them."""
        random, mac = self.secret[:_RANDOM], self.secret[_RANDOM:]
        return hmac.compare_digest(_mac(key, self.session_id, random), mac)

    @property
    def text(self) -> str:
        return as_text(self.session_id.bytes + self.secret)

    @property
    def hash(self) -> bytes:
        return sha256(self.session_id.bytes + self.secret).digest()

    def next(self, key: bytes) -> "RefreshToken":
        """Its successor, always the same: a client that asks twice holds one token, not two."""
        digest = hmac.digest(key, b"next:" + self.session_id.bytes + self.secret, sha256)
        return self.make(self.session_id, digest[:_RANDOM], key)


def _mac(key: bytes, session_id: SessionId, random: bytes) -> bytes:
    return hmac.digest(key, b"ours:" + session_id.bytes + random, sha256)[:_RANDOM]


class Issuer:
    def __init__(
        self, tokens: Tokens, key: RefreshKey, ids: Ids, clock: Clock, rules: IdentityRules
    ) -> None:
        self._tokens = tokens
        self._key = key
        self._ids = ids
        self._clock = clock
        self._rules = rules

    def session(
        self,
        user: User,
        device: str,
        *,
        amr: str = "",
        client_id: str = FIRST_PARTY,
        scope: str = SCOPE,
    ) -> tuple[Session, SessionStarted, RefreshToken]:
        """A new session, to be stored by the caller; `amr` says how it was begun."""
        now = self._clock.now()
        session_id = SessionId(self._ids.new())
        refresh = RefreshToken.make(session_id, self._ids.secret(_RANDOM), self._key)
        session, started = Session(
            id=refresh.session_id,
            user_id=user.id,
            refresh_hash=refresh.hash,
            device=device[:DEVICE],
            client_id=client_id,
            scope=scope,
            amr=amr,
            created_at=now,
            last_used_at=now,
            expires_at=self._rules.expiry(now, now),
        ).start()
        return session, started, refresh

    def successor(self, used: RefreshToken) -> RefreshToken:
        return used.next(self._key)

    def issued(self, token: RefreshToken) -> bool:
        return token.made_with(self._key)

    async def pair(
        self,
        user: User,
        refresh: RefreshToken,
        *,
        client_id: str = FIRST_PARTY,
        scope: str = SCOPE,
    ) -> TokenPair:
        now = self._clock.now()
        access = Access(
            user_id=user.id,
            session_id=refresh.session_id,
            client_id=client_id,
            token_id=str(self._ids.new()),
            roles=user.roles,
            scope=scope,
            issued_at=now,
            expires_at=now + self._rules.access_lasts,
        )
        return TokenPair(
            access_token=await self._tokens.issue(access),
            refresh_token=refresh.text,
            expires_in=int(self._rules.access_lasts.total_seconds()),
            scope=scope,
        )

    async def own(self, client_id: str, scope: str) -> OwnToken:
        """For a program that acts for itself: nothing to refresh, it can ask again."""
        now = self._clock.now()
        access = Access(
            user_id=None,
            session_id=None,
            client_id=client_id,
            token_id=str(self._ids.new()),
            roles=frozenset(),
            scope=scope,
            issued_at=now,
            expires_at=now + self._rules.access_lasts,
        )
        return OwnToken(
            access_token=await self._tokens.issue(access),
            expires_in=int(self._rules.access_lasts.total_seconds()),
            scope=scope,
        )

    async def identity(
        self, user: User, client_id: str, *, nonce: str, begun: Session, access_token: str
    ) -> str:
        """The ID token for what somebody consented to in a session of their browser."""
        now = self._clock.now()
        return await self._tokens.identify(
            IdentityClaims(
                user_id=user.id,
                client_id=client_id,
                nonce=nonce,
                authenticated_at=begun.created_at,
                amr=tuple(begun.amr.split()),
                access_token=access_token,
                issued_at=now,
                expires_at=now + self._rules.access_lasts,
            )
        )
