"""JSON Web Tokens signed with Ed25519 (RFC 8037, RFC 9864): access tokens (RFC 9068) and ID tokens.

The keys follow from the shop's secrets, one for each number that `SigningKeys` holds. Number 0 is
there from the beginning; the newest signs, and an older one verifies until what it signed has
run out.
"""

from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwa import EdDSAAlgorithm
from joserfc.jwk import Key, KeySet, OKPKey
from joserfc.jws import JWSRegistry
from msgspec import Struct

from shop.core.kernel.access import Role
from shop.core.kernel.errors import Unauthenticated
from shop.core.kernel.ids import SessionId, UserId
from shop.ports.clients import SigningKeys
from shop.ports.system import Clock, Secrets
from shop.ports.users import Access, IdentityClaims, Tokens

ALGORITHM = "Ed25519"
#: The same signature by the name that clients of OpenID Connect know.
IDENTITY_ALGORITHM = "EdDSA"
_TYPE = "at+jwt"
#: To verify a signature takes 137 µs, to look it up 0.5 µs.
_REMEMBERED = timedelta(seconds=60)
_MOST = 10_000
_LONGEST = 4096
#: How long a process may go on with the key that was the newest.
_LOOKED_AT = timedelta(milliseconds=200)
#: An old key outlives its last token by this: clocks of replicas differ.
_SLACK = timedelta(seconds=60)


class _Named(EdDSAAlgorithm):
    security_warning = ""  # RFC 9864 deprecates the name; clients know no other yet


class _ForClients(JWSRegistry):
    algorithms = {IDENTITY_ALGORITHM: _Named()}  # noqa: RUF012 - the library's own shape


_IDENTITIES = _ForClients(algorithms=[IDENTITY_ALGORITHM])


class _Ring(Struct, frozen=True):
    """The keys that verify, the newest last, and the kid of the one that signs."""

    keys: KeySet
    looked_at: datetime

    @property
    def signer(self) -> OKPKey:
        key = self.keys.keys[-1]
        assert isinstance(key, OKPKey)  # noqa: S101 - this module makes no other
        return key


class JoseTokens(Tokens):
    def __init__(
        self,
        secrets: Secrets,
        signing_keys: SigningKeys,
        clock: Clock,
        *,
        issuer: str,
        audience: str,
        lasts: timedelta,
    ) -> None:
        self._secrets = secrets
        self._signing_keys = signing_keys
        self._clock = clock
        self._issuer = issuer
        self._audience = audience
        self._verifies = lasts + _SLACK
        self._made: dict[int, OKPKey] = {}
        self._ring: _Ring | None = None
        self._searched_at: datetime | None = None
        self._verified: OrderedDict[str, tuple[Access, datetime]] = OrderedDict()

    async def issue(self, access: Access) -> str:
        signer = (await self._newest()).signer
        header = {"alg": ALGORITHM, "kid": signer.kid, "typ": _TYPE}
        claims: dict[str, Any] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": str(access.user_id or access.client_id),
            "client_id": access.client_id,
            "jti": access.token_id,
            "iat": int(access.issued_at.timestamp()),
            "exp": int(access.expires_at.timestamp()),
            "roles": sorted(access.roles),
            "scope": access.scope,
        }
        if access.session_id is not None:
            claims["sid"] = str(access.session_id)
        return jwt.encode(header, claims, signer, algorithms=[ALGORITHM])

    async def identify(self, claims: IdentityClaims) -> str:
        from authlib.oidc.core.util import create_half_hash  # noqa: PLC0415 - dear to import

        signer = (await self._newest()).signer
        said: dict[str, Any] = {
            "iss": self._issuer,
            "aud": claims.client_id,
            "sub": str(claims.user_id),
            "iat": int(claims.issued_at.timestamp()),
            "exp": int(claims.expires_at.timestamp()),
            "auth_time": int(claims.authenticated_at.timestamp()),
            "at_hash": create_half_hash(claims.access_token, IDENTITY_ALGORITHM).decode(),
        }
        if claims.nonce:
            said["nonce"] = claims.nonce
        if claims.amr:
            said["amr"] = list(claims.amr)
        header = {"alg": IDENTITY_ALGORITHM, "kid": signer.kid}
        return jwt.encode(header, said, signer, registry=_IDENTITIES)

    async def verify(self, token: str) -> Access:
        now = self._clock.now()
        known = self._verified.get(token)
        if known is not None and now < known[1]:
            self._verified.move_to_end(token)
            return known[0]
        self._verified.pop(token, None)
        access = await self._read(token)
        if now >= access.expires_at:
            raise Unauthenticated("The access token has expired.")
        self._verified[token] = access, min(access.expires_at, now + _REMEMBERED)
        if len(self._verified) > _MOST:
            self._verified.popitem(last=False)
        return access

    async def _read(self, token: str) -> Access:
        refused = Unauthenticated("The access token is not valid.")
        if len(token) > _LONGEST:
            raise refused
        try:
            read = await self._decoded(token)
            header, claims = read.header, read.claims
            if not header.get("kid") or header.get("typ") != _TYPE:
                raise refused
            if (claims["iss"], claims["aud"]) != (self._issuer, self._audience):
                raise refused
            session = claims.get("sid")
            return Access(
                user_id=None if session is None else UserId(UUID(claims["sub"])),
                session_id=None if session is None else SessionId(UUID(session)),
                client_id=claims["client_id"],
                token_id=claims["jti"],
                roles=frozenset(map(Role, claims["roles"])),
                scope=claims["scope"],
                issued_at=datetime.fromtimestamp(claims["iat"], UTC),
                expires_at=datetime.fromtimestamp(claims["exp"], UTC),
            )
        except (JoseError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise refused from error

    async def _decoded(self, token: str) -> jwt.Token:
        ring = self._ring or await self._newest()
        try:
            return jwt.decode(token, ring.keys, algorithms=[ALGORITHM])
        except InvalidKeyIdError:
            # Another process may have signed with a key that is newer than our last look.
            now = self._clock.now()
            if self._searched_at is not None and now < self._searched_at + _LOOKED_AT:
                raise
            self._searched_at = now
            ring = await self._look(now)
            return jwt.decode(token, ring.keys, algorithms=[ALGORITHM])

    async def jwks(self) -> dict[str, Any]:
        ring = await self._newest()
        return {"keys": [{**key.as_dict(private=False), "use": "sig"} for key in ring.keys]}

    async def _newest(self) -> _Ring:
        now = self._clock.now()
        if self._ring is None or now >= self._ring.looked_at + _LOOKED_AT:
            return await self._look(now)
        return self._ring

    async def _look(self, now: datetime) -> _Ring:
        numbers = [0]
        for rotated in await self._signing_keys.all():
            if now >= rotated.made_at + self._verifies:
                numbers.clear()  # what came before it has signed nothing that still holds
            numbers.append(rotated.number)
        self._made = {number: await self._key(number) for number in numbers}
        keys: list[Key] = [*self._made.values()]
        self._ring = _Ring(KeySet(keys), now)
        return self._ring

    async def _key(self, number: int) -> OKPKey:
        if number in self._made:
            return self._made[number]
        seed = await self._secrets.get(f"access-tokens-{number}" if number else "access-tokens")
        key = OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(seed))
        key.ensure_kid()
        return key
