from datetime import timedelta
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from msgspec.structs import replace

from shop.adapters.memory.secrets import MemorySecrets
from shop.adapters.memory.store import MemoryStore
from shop.adapters.system.clock import Uuid7
from shop.adapters.system.tokens import JoseTokens
from shop.core.kernel.access import Role
from shop.core.kernel.errors import Unauthenticated
from shop.core.kernel.ids import SessionId, UserId
from shop.ports.users import Access
from tests.kit.clock import NOON, ManualClock

ACCESS = Access(
    user_id=UserId(UUID(int=1)),
    session_id=SessionId(UUID(int=2)),
    token_id="one",
    roles=frozenset({Role.CUSTOMER}),
    scope="shop",
    issued_at=NOON,
    expires_at=NOON + timedelta(minutes=15),
)


def _tokens(clock: ManualClock, store: MemoryStore, issuer: str = "http://shop") -> JoseTokens:
    secrets = MemorySecrets(store, Uuid7())
    return JoseTokens(secrets, clock, issuer=issuer, audience=issuer)


async def test_a_token_says_what_was_put_in() -> None:
    store, clock = MemoryStore(), ManualClock()
    text = await _tokens(clock, store).issue(ACCESS)
    assert await _tokens(clock, store).verify(text) == ACCESS  # another process, the same key
    assert '"alg":"Ed25519"' in _head(text)


async def test_a_remembered_token_expires_all_the_same() -> None:
    clock = ManualClock()
    tokens = _tokens(clock, MemoryStore())
    text = await tokens.issue(ACCESS)
    assert await tokens.verify(text) == await tokens.verify(text)
    clock.advance(seconds=15 * 60)
    with pytest.raises(Unauthenticated):
        await tokens.verify(text)


async def test_tokens_of_other_shops_are_refused() -> None:
    clock = ManualClock()
    tokens = _tokens(clock, MemoryStore())
    with pytest.raises(Unauthenticated):
        await tokens.verify(await _tokens(clock, MemoryStore()).issue(ACCESS))
    store = MemoryStore()
    with pytest.raises(Unauthenticated):
        await _tokens(clock, store).verify(await _tokens(clock, store, "http://x").issue(ACCESS))


async def test_the_public_key_signs_nothing() -> None:
    """The classic mistake: a symmetric signature with what everybody can download."""
    store, clock = MemoryStore(), ManualClock()
    tokens = _tokens(clock, store)
    (public,) = (await tokens.jwks())["keys"]
    claims = {"sub": str(UUID(int=1)), "sid": str(UUID(int=2))}
    header = {"alg": "HS256", "kid": public["kid"], "typ": "at+jwt"}
    forged = jwt.encode(header, claims, OctKey.import_key(public["x"]))
    with pytest.raises(Unauthenticated):
        await tokens.verify(forged)


async def test_a_signature_of_ours_on_other_things_is_no_access_token() -> None:
    store, clock = MemoryStore(), ManualClock()
    tokens = _tokens(clock, store)
    text = await tokens.issue(ACCESS)
    signer = await tokens._signer()  # noqa: SLF001 - the key must be the real one
    key: OKPKey = signer.key
    claims = dict(jwt.decode(text, key, algorithms=["Ed25519"]).claims)
    good = {"alg": "Ed25519", "kid": signer.kid, "typ": "at+jwt"}
    bad = [
        ({**good, "typ": "JWT"}, claims),
        ({**good, "kid": "other"}, claims),
        (good, {**claims, "aud": "http://x"}),
        (good, {**claims, "sub": "nobody"}),
        (good, {**claims, "roles": ["king"]}),
        (good, {**claims, "exp": "soon"}),
        (good, {k: v for k, v in claims.items() if k != "exp"}),
    ]
    for header, body in bad:
        forged = jwt.encode(header, body, key, algorithms=["Ed25519"])
        with pytest.raises(Unauthenticated):
            await tokens.verify(forged)


async def test_what_is_remembered_is_only_the_signature() -> None:
    clock = ManualClock()
    tokens = _tokens(clock, MemoryStore())
    short = replace(ACCESS, expires_at=NOON + timedelta(seconds=30))
    text = await tokens.issue(short)
    await tokens.verify(text)
    clock.advance(seconds=30)
    with pytest.raises(Unauthenticated):
        await tokens.verify(text)


def _head(token: str) -> str:
    from base64 import urlsafe_b64decode  # noqa: PLC0415 - only this test looks inside

    return urlsafe_b64decode(token.partition(".")[0] + "==").decode()
