import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from hashlib import sha512
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import OctKey, OKPKey
from msgspec.structs import replace

from shop.adapters.memory.clients import MemorySigningKeys
from shop.adapters.memory.secrets import MemorySecrets
from shop.adapters.memory.store import MemoryStore
from shop.adapters.system.clock import Uuid7
from shop.adapters.system.secrets import DerivedSecrets
from shop.adapters.system.tokens import JoseTokens
from shop.core.kernel.access import Role
from shop.core.kernel.errors import Unauthenticated
from shop.core.kernel.ids import SessionId, UserId
from shop.ports.clients import SigningKey, SigningKeys
from shop.ports.system import Secrets
from shop.ports.users import Access, IdentityClaims
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


def _tokens(
    clock: ManualClock,
    store: MemoryStore,
    issuer: str = "http://shop",
    keys: SigningKeys | None = None,
    secrets: Secrets | None = None,
) -> JoseTokens:
    return JoseTokens(
        secrets or MemorySecrets(store, Uuid7()),
        keys or MemorySigningKeys(store),
        clock,
        issuer=issuer,
        audience=issuer,
        lasts=timedelta(minutes=15),
    )


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
    key = await _private(store)
    claims = dict(jwt.decode(text, key, algorithms=["Ed25519"]).claims)
    good = {"alg": "Ed25519", "kid": key.thumbprint(), "typ": "at+jwt"}
    bad = [
        ({**good, "typ": "JWT"}, claims),
        ({**good, "kid": "other"}, claims),
        ({"alg": "Ed25519", "typ": "at+jwt"}, claims),
        (good, {k: v for k, v in claims.items() if k != "client_id"}),
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


@pytest.mark.parametrize("alg", ["none", "None", "nOnE", ""])
async def test_an_unsigned_token_is_refused(alg: str) -> None:
    tokens = _tokens(ManualClock(), MemoryStore())
    head, body, _ = (await tokens.issue(ACCESS)).split(".")
    read = json.loads(urlsafe_b64decode(head + "=="))
    unsigned = urlsafe_b64encode(json.dumps(read | {"alg": alg}).encode()).decode().rstrip("=")
    for signature in ("", "AAAA"):
        with pytest.raises(Unauthenticated):
            await tokens.verify(f"{unsigned}.{body}.{signature}")


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "\0.\0.\0", "é.é.é", "x" * 10_000])
async def test_what_was_never_a_token_is_refused(text: str) -> None:
    with pytest.raises(Unauthenticated):
        await _tokens(ManualClock(), MemoryStore()).verify(text)


async def test_a_programs_own_token_names_the_program_and_nobody_else() -> None:
    tokens = _tokens(ManualClock(), MemoryStore())
    own = replace(ACCESS, user_id=None, session_id=None, client_id="robot", roles=frozenset())
    assert await tokens.verify(await tokens.issue(own)) == own


async def test_an_id_token_is_signed_by_the_same_key_and_opens_nothing() -> None:
    store, clock = MemoryStore(), ManualClock()
    tokens = _tokens(clock, store)
    text = await tokens.identify(
        IdentityClaims(
            user_id=ACCESS.user_id or UserId(UUID(int=9)),
            client_id="robot",
            nonce="n-0S6",
            authenticated_at=NOON,
            amr=("pwd", "otp"),
            access_token="an access token",
            issued_at=NOON,
            expires_at=NOON + timedelta(minutes=15),
        )
    )
    with pytest.raises(Unauthenticated):
        await tokens.verify(text)
    with pytest.warns(SecurityWarning):  # of the algorithm's old name
        read = jwt.decode(text, await _private(store), algorithms=["EdDSA"])
    assert read.claims == {
        "iss": "http://shop",
        "aud": "robot",
        "sub": str(ACCESS.user_id),
        "iat": int(NOON.timestamp()),
        "exp": int(NOON.timestamp()) + 900,
        "auth_time": int(NOON.timestamp()),
        "nonce": "n-0S6",
        "amr": ["pwd", "otp"],
        # The left half of the SHA-512, as OpenID Connect Core says in section 3.1.3.6.
        "at_hash": urlsafe_b64encode(sha512(b"an access token").digest()[:32]).decode().rstrip("="),
    }


async def test_after_a_rotation_the_new_key_signs_and_the_old_one_still_verifies() -> None:
    store, clock = MemoryStore(), ManualClock()
    here, there = _tokens(clock, store), _tokens(clock, store)
    old = await here.issue(ACCESS)
    await there.verify(old)
    await MemorySigningKeys(store).add(SigningKey(1, clock.now()))
    clock.advance(seconds=1)
    new = await here.issue(ACCESS)
    assert _head(new) != _head(old)
    assert await there.verify(new) == ACCESS  # another process, that has not looked since
    assert await _tokens(clock, store).verify(old) == ACCESS
    assert len((await there.jwks())["keys"]) == 2


async def test_a_new_key_is_known_everywhere_at_once() -> None:
    """Also to a process that has looked a moment ago."""
    store, clock = MemoryStore(), ManualClock()
    there = _tokens(clock, store)
    await there.jwks()
    await MemorySigningKeys(store).add(SigningKey(1, clock.now()))
    assert await there.verify(await _tokens(clock, store).issue(ACCESS)) == ACCESS


async def test_unknown_keys_do_not_make_it_look_again_and_again() -> None:
    clock = ManualClock()
    keys = CountedKeys(MemoryStore())
    tokens = _tokens(clock, MemoryStore(), keys=keys)
    strange = await _tokens(clock, MemoryStore()).issue(ACCESS)
    await tokens.jwks()
    for _ in range(5):
        with pytest.raises(Unauthenticated):
            await tokens.verify(strange)
    assert keys.looks == 2


async def test_an_old_key_goes_when_all_that_it_signed_has_run_out() -> None:
    store, clock = MemoryStore(), ManualClock()
    tokens = _tokens(clock, store)
    old = (await tokens.jwks())["keys"]
    await MemorySigningKeys(store).add(SigningKey(1, clock.now()))
    clock.advance(seconds=15 * 60)
    assert len((await tokens.jwks())["keys"]) == 2
    clock.advance(seconds=61)
    (only,) = (await tokens.jwks())["keys"]
    assert only not in old
    lasting = replace(ACCESS, expires_at=NOON + timedelta(days=1))
    forged = jwt.encode(
        {"alg": "Ed25519", "kid": old[0]["kid"], "typ": "at+jwt"},
        dict(
            jwt.decode(
                await tokens.issue(lasting), await _private(store, 1), algorithms=["Ed25519"]
            ).claims
        ),
        await _private(store),
        algorithms=["Ed25519"],
    )
    with pytest.raises(Unauthenticated):
        await tokens.verify(forged)


async def test_keys_that_follow_from_a_setting_can_be_rotated_as_well() -> None:
    store, clock = MemoryStore(), ManualClock()
    given = DerivedSecrets("a secret of thirty-two characters")
    tokens = _tokens(clock, store, secrets=given)
    old = await tokens.issue(ACCESS)
    await MemorySigningKeys(store).add(SigningKey(1, clock.now()))
    clock.advance(seconds=1)
    assert _head(await tokens.issue(ACCESS)) != _head(old)
    assert await _tokens(clock, store, secrets=given).verify(old) == ACCESS


class CountedKeys(MemorySigningKeys):
    looks = 0

    async def all(self) -> list[SigningKey]:
        self.looks += 1
        return await super().all()


async def _private(store: MemoryStore, number: int = 0) -> OKPKey:
    name = f"access-tokens-{number}" if number else "access-tokens"
    seed = await MemorySecrets(store, Uuid7()).get(name)
    return OKPKey.import_key(Ed25519PrivateKey.from_private_bytes(seed))


def _head(token: str) -> str:
    return urlsafe_b64decode(token.partition(".")[0] + "==").decode()
