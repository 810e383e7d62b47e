"""What checks second factors: sealed secrets, codes of apps, passkeys."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from shop.adapters.factors.codes import OtpCodes
from shop.adapters.factors.passkeys import WebauthnPasskeys
from shop.adapters.factors.vault import AesVault
from shop.adapters.system.clock import Uuid7
from shop.core.kernel.ids import PasskeyId, UserId
from shop.core.users.factors import Passkey, PasskeyRefused
from shop.core.users.model import EmailAddress, User
from shop.ports.vault import VaultShut
from tests.kit.authenticator import Authenticator, b64, unb64

SITE = "http://localhost:8000"
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
ASHA = User(
    id=UserId(UUID(int=7)),
    email=EmailAddress("asha@example.com", "asha@example.com"),
    name="Asha",
    password_hash=None,
    created_at=NOON,
)
CEREMONIES = WebauthnPasskeys(SITE, "Tea & Co")
CHALLENGE = bytes(range(32))
OTHER = bytes(32)


# --- the vault ---


def test_what_was_sealed_opens_with_its_key_and_context_alone() -> None:
    vault = AesVault(b"k" * 32, Uuid7())
    sealed = vault.seal(b"secret", b"asha")
    assert b"secret" not in sealed
    assert vault.open(sealed, b"asha") == b"secret"
    assert vault.seal(b"secret", b"asha") != sealed
    for other, context in ((vault, b"ravi"), (AesVault(b"j" * 32, Uuid7()), b"asha")):
        with pytest.raises(VaultShut):
            other.open(sealed, context)


@pytest.mark.parametrize("spoilt", [b"", b"\x01", b"\x02" + bytes(40), b"\x01" + bytes(40)])
def test_what_was_never_sealed_does_not_open(spoilt: bytes) -> None:
    with pytest.raises(VaultShut):
        AesVault(b"k" * 32, Uuid7()).open(spoilt, b"asha")


# --- codes of apps ---


def test_codes_are_those_of_the_rfc() -> None:
    codes = OtpCodes("Tea & Co")
    secret = codes.secret(b"12345678901234567890")
    # RFC 6238, appendix B, of whose eight digits apps show the last six.
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (20000000000, "353130")):
        assert codes.at(secret, seconds // 30) == code


def test_the_uri_names_shop_and_account() -> None:
    uri = OtpCodes("Tea & Co").uri("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "asha@example.com")
    assert uri == (
        "otpauth://totp/Tea%20%26%20Co:asha%40example.com"
        "?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Tea%20%26%20Co"
    )


# --- passkeys ---


def _made(authenticator: Authenticator) -> Passkey:
    answer = authenticator.create(CEREMONIES.creation(ASHA, CHALLENGE, ()))
    new = CEREMONIES.created(answer, CHALLENGE)
    return Passkey(
        id=PasskeyId(UUID(int=1)),
        credential_id=new.credential_id,
        public_key=new.public_key,
        sign_count=new.sign_count,
        transports=new.transports,
        name="Phone",
        created_at=NOON,
    )


def _asked(passkey: Passkey, *, alone: bool = False) -> dict[str, Any]:
    return CEREMONIES.request(CHALLENGE, (passkey,), alone=alone)


def test_a_passkey_is_made_and_used() -> None:
    authenticator = Authenticator()
    passkey = _made(authenticator)
    assert passkey.transports == ("internal",)
    answer = authenticator.get(_asked(passkey))
    assert CEREMONIES.shown(answer).credential_id == passkey.credential_id
    assert CEREMONIES.shown(answer).user_handle == ASHA.id.bytes
    assert CEREMONIES.asserted(answer, CHALLENGE, passkey, alone=True) == 1


def test_the_options_say_what_the_browser_needs() -> None:
    passkey = _made(Authenticator())
    made = CEREMONIES.creation(ASHA, CHALLENGE, (passkey,))
    assert made["rp"] == {"name": "Tea & Co", "id": "localhost"}
    assert unb64(made["user"]["id"]) == ASHA.id.bytes
    assert [one["id"] for one in made["excludeCredentials"]] == [b64(passkey.credential_id)]
    asked = _asked(passkey)
    assert unb64(asked["challenge"]) == CHALLENGE
    assert asked["userVerification"] == "preferred"
    assert asked["allowCredentials"][0]["transports"] == ["internal"]
    alone = CEREMONIES.request(CHALLENGE, (), alone=True)
    assert (alone["userVerification"], alone["allowCredentials"]) == ("required", [])


@pytest.mark.parametrize("wrong", ["origin", "site", "challenge"])
def test_a_passkey_made_elsewhere_is_refused(wrong: str) -> None:
    authenticator = Authenticator()
    if wrong == "origin":
        authenticator.origin = "http://localhost:8000.evil.example"
    elif wrong == "site":
        authenticator.site = "evil.example"
    answer = authenticator.create(CEREMONIES.creation(ASHA, CHALLENGE, ()))
    with pytest.raises(PasskeyRefused):
        CEREMONIES.created(answer, OTHER if wrong == "challenge" else CHALLENGE)


@pytest.mark.parametrize("wrong", ["origin", "site", "challenge", "signature", "count", "other"])
def test_an_answer_that_is_not_the_keys_own_is_refused(wrong: str) -> None:
    authenticator, challenge = Authenticator(), CHALLENGE
    passkey = _made(authenticator)
    match wrong:
        case "origin":
            authenticator.origin = "https://localhost:8000"
        case "site":
            authenticator.site = "example.com"
        case "challenge":
            challenge = OTHER
        case "signature":
            authenticator.key = Authenticator(number=2).key
        case "count":
            passkey = passkey.use(5, NOON)  # a copy of the key was used meanwhile
        case "other":
            passkey = _made(Authenticator(number=3))
    answer = authenticator.get(_asked(passkey))
    with pytest.raises(PasskeyRefused):
        CEREMONIES.asserted(answer, challenge, passkey, alone=False)


def test_alone_a_passkey_must_have_checked_the_person() -> None:
    authenticator = Authenticator()
    passkey = _made(authenticator)
    authenticator.verifies = False
    answer = authenticator.get(_asked(passkey))
    assert CEREMONIES.asserted(answer, CHALLENGE, passkey, alone=False) == 1
    with pytest.raises(PasskeyRefused):
        CEREMONIES.asserted(answer, CHALLENGE, passkey, alone=True)


@pytest.mark.parametrize(
    "nonsense",
    [{}, {"id": 1}, {"id": "x", "rawId": "x", "type": "public-key", "response": {}}, {"é": "\0"}],
)
def test_nonsense_is_refused_like_a_wrong_key(nonsense: dict[str, Any]) -> None:
    passkey = _made(Authenticator())
    with pytest.raises(PasskeyRefused):
        CEREMONIES.created(nonsense, CHALLENGE)
    with pytest.raises(PasskeyRefused):
        CEREMONIES.shown(nonsense)
    with pytest.raises(PasskeyRefused):
        CEREMONIES.asserted(nonsense, CHALLENGE, passkey, alone=False)


def test_broken_bytes_are_refused_in_every_field() -> None:
    authenticator = Authenticator()
    passkey = _made(authenticator)
    for field in ("clientDataJSON", "authenticatorData", "signature"):
        for broken in ("", "AAAA", "*", 5, {"a": 1}, "A" * 5000):
            answer = authenticator.get(_asked(passkey))
            answer["response"][field] = broken
            with pytest.raises(PasskeyRefused):
                CEREMONIES.asserted(answer, CHALLENGE, passkey, alone=False)
