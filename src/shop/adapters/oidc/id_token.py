"""ID tokens (OpenID Connect Core 1.0, sections 2 and 3.1.3.7)."""

import hmac
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry
from joserfc.util import urlsafe_b64decode

from shop.core.users.linked import SocialRefused

#: What may sign, and with what kind of key: never a shared secret, and never nothing.
ALGORITHMS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "Ed25519": "OKP",
}
_LONGEST = 16_384
_LONGEST_SUBJECT = 255
#: Clocks of others may be off by so many seconds.
_LEEWAY = 60

Keys = list[Mapping[str, Any]]


def refused(cause: str) -> SocialRefused:
    return SocialRefused(
        "The answer of the service could not be verified. Please try again.", cause=cause
    )


def header_of(token: str) -> dict[str, Any]:
    """The unverified header, to find the key by. Raises `SocialRefused`."""
    if not token.isascii() or len(token) > _LONGEST:
        raise refused("no ID token")
    try:
        header = json.loads(urlsafe_b64decode(token.partition(".")[0].encode()))
    except (ValueError, RecursionError):
        raise refused("an ID token without header") from None
    if not isinstance(header, dict) or header.get("alg") not in ALGORITHMS:
        raise refused("an ID token signed with another algorithm")
    return header


def key_for(header: Mapping[str, Any], keys: Keys) -> Mapping[str, Any] | None:
    """The key that is named, or the only one that could have signed."""
    algorithm = header["alg"]
    fitting = [
        key
        for key in keys
        if key.get("kty") == ALGORITHMS[algorithm]
        and key.get("use") in {None, "sig"}
        and key.get("alg") in {None, algorithm}
        and header.get("kid") in {None, key.get("kid")}
    ]
    return fitting[0] if len(fitting) == 1 else None


def verified(
    token: str,
    key: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str,
    now: datetime,
) -> dict[str, Any]:
    """The claims. Raises `SocialRefused` when any of them does not hold."""
    algorithm = header_of(token)["alg"]
    try:
        public = JWKRegistry.import_key(dict(key))
        claims = jwt.decode(token, public, algorithms=[algorithm]).claims
    except (JoseError, ValueError, TypeError) as error:
        raise refused(f"an ID token that does not hold ({type(error).__name__})") from error
    _check_audience(claims, client_id)
    if claims.get("iss") != issuer:
        raise refused("an ID token of another issuer")
    _check_times(claims, now.timestamp())
    told = claims.get("nonce")
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise refused("an ID token with another nonce")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= _LONGEST_SUBJECT:
        raise refused("an ID token without subject")
    if not subject.isascii():
        raise refused("an ID token without subject")
    return claims


def _check_audience(claims: Mapping[str, Any], client_id: str) -> None:
    audience = claims.get("aud")
    all_of_it = audience if isinstance(audience, list) else [audience]
    if client_id not in all_of_it:
        raise refused("an ID token for somebody else")
    party = claims.get("azp", client_id if len(all_of_it) == 1 else None)
    if party != client_id:
        raise refused("an ID token for somebody else")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    if _moment(claims.get("exp")) <= now - _LEEWAY:
        raise refused("an ID token that has expired")
    if _moment(claims.get("iat")) > now + _LEEWAY:
        raise refused("an ID token from the future")


def _moment(claim: object) -> float:
    """Seconds since 1970, by a NumericDate (RFC 7519, section 2)."""
    if isinstance(claim, bool) or not isinstance(claim, int | float):
        raise refused("an ID token without times")
    return claim
