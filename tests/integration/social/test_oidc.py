"""What the shop believes of an OpenID provider, tried on one that runs as a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from shop.adapters.oidc.fetching import is_safe
from shop.adapters.oidc.providers import OidcClient, OidcProviders
from shop.core.users.linked import ProviderDown, ProviderNotFound, SocialRefused
from shop.ports.social import Asking, Claimed
from tests.kit.clock import NOON, ManualClock
from tests.kit.oidc_provider import CLIENT_ID, CLIENT_SECRET, OidcProvider

ASKING = Asking(
    state="st", nonce="no", verifier="v" * 43, callback_url="http://localhost/auth/acme/callback"
)
WELL_KNOWN = "/.well-known/openid-configuration"
NOW = NOON.timestamp()


@asynccontextmanager
async def shop_of(
    provider: OidcProvider, clock: ManualClock | None = None, **changes: Any
) -> AsyncIterator[OidcProviders]:
    patience = changes.pop("patience", 30.0)
    development = changes.pop("development", True)
    client = OidcClient(
        name="acme",
        title="Acme",
        issuer=provider.issuer,
        client_id=CLIENT_ID,
        secret=CLIENT_SECRET,
    )
    made = OidcProviders(
        [replace(client, **changes)],
        clock or ManualClock(),
        development=development,
        patience=patience,
    )
    try:
        yield made
    finally:
        await made.close()


async def whole(shop: OidcProviders, provider: OidcProvider) -> Claimed:
    """There and back."""
    answer = await back(shop, provider)
    return await shop.redeem("acme", ASKING, answer["code"], answer.get("iss"))


async def back(shop: OidcProviders, provider: OidcProvider) -> dict[str, str]:
    location = provider.visit(await shop.address("acme", ASKING))
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


async def test_who_it_is_comes_out_of_a_signed_answer(provider: OidcProvider) -> None:
    async with shop_of(provider) as shop:
        claimed = await whole(shop, provider)
    assert claimed == Claimed(
        provider="acme",
        issuer=provider.issuer,
        subject="asha-1",
        email="asha@example.com",
        email_verified=True,
        name="Asha Rao",
    )


async def test_the_browser_is_sent_with_everything_that_binds_the_answer(
    provider: OidcProvider,
) -> None:
    async with shop_of(provider) as shop:
        url = await shop.address("acme", ASKING)
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert asked["code_challenge_method"] == "S256"
    assert asked["code_challenge"] != ASKING.verifier
    assert (asked["state"], asked["nonce"]) == ("st", "no")
    assert asked["redirect_uri"] == ASKING.callback_url
    assert asked["scope"] == "openid email profile"
    assert CLIENT_SECRET not in url


@pytest.mark.parametrize(
    ("claims", "cause"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"nonce": None}, "nonce"),
        ({"aud": "somebody-else"}, "somebody else"),
        ({"aud": None}, "somebody else"),
        ({"aud": [CLIENT_ID, "another"]}, "somebody else"),
        ({"aud": [CLIENT_ID, "another"], "azp": "another"}, "somebody else"),
        ({"azp": "another"}, "somebody else"),
        ({"iss": "https://accounts.google.com"}, "another issuer"),
        ({"exp": NOW - 61}, "expired"),
        ({"exp": None}, "times"),
        ({"exp": "soon"}, "times"),
        ({"iat": NOW + 90}, "future"),
        ({"iat": True}, "times"),
        ({"sub": None}, "subject"),
        ({"sub": ""}, "subject"),
        ({"sub": 7}, "subject"),
        ({"sub": "x" * 256}, "subject"),
        ({"sub": "zwölf"}, "subject"),
    ],
)
async def test_a_claim_that_does_not_hold_is_refused(
    provider: OidcProvider, claims: dict[str, Any], cause: str
) -> None:
    provider.behave(now=NOW, claims=claims)
    async with shop_of(provider) as shop:
        with pytest.raises(SocialRefused) as refused:
            await whole(shop, provider)
    assert cause in refused.value.cause


@pytest.mark.parametrize("sign", ["none", "forged", "shared", "stranger", "garbage"])
async def test_a_signature_of_anybody_else_is_refused(provider: OidcProvider, sign: str) -> None:
    provider.behave(now=NOW, sign=sign)
    async with shop_of(provider) as shop:
        with pytest.raises(SocialRefused):
            await whole(shop, provider)


async def test_several_audiences_need_the_shop_as_the_party(provider: OidcProvider) -> None:
    provider.behave(now=NOW, claims={"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID})
    async with shop_of(provider) as shop:
        assert (await whole(shop, provider)).subject == "asha-1"


async def test_an_address_counts_as_verified_only_when_it_is_said_so(
    provider: OidcProvider,
) -> None:
    async with shop_of(provider) as shop:
        for said, counts in (
            (True, True),
            ("true", True),
            (False, False),
            ("yes", False),
            (1, False),
        ):
            provider.behave(now=NOW, claims={"email_verified": said})
            assert (await whole(shop, provider)).email_verified is counts, said
        provider.behave(now=NOW, claims={"email_verified": None})
        assert (await whole(shop, provider)).email_verified is False


async def test_what_the_token_does_not_tell_is_asked_for(provider: OidcProvider) -> None:
    left_out = {"email": None, "email_verified": None, "name": None}
    async with shop_of(provider) as shop:
        provider.behave(now=NOW, claims=left_out)
        assert (await whole(shop, provider)).email == "asha@example.com"
        provider.behave(now=NOW, claims=left_out, userinfo={"sub": "asha-1"})
        assert (await whole(shop, provider)).email is None
        provider.behave(now=NOW, claims=left_out, userinfo={"sub": "ravi-1", "email": "a@b.test"})
        with pytest.raises(SocialRefused):
            await whole(shop, provider)


async def test_a_code_counts_once_and_only_with_its_verifier(provider: OidcProvider) -> None:
    async with shop_of(provider) as shop:
        answer = await back(shop, provider)
        await shop.redeem("acme", ASKING, answer["code"], answer["iss"])
        with pytest.raises(SocialRefused):
            await shop.redeem("acme", ASKING, answer["code"], answer["iss"])
        answer = await back(shop, provider)
        with pytest.raises(SocialRefused):
            other = Asking(
                state="st", nonce="no", verifier="w" * 43, callback_url=ASKING.callback_url
            )
            await shop.redeem("acme", other, answer["code"], answer["iss"])


async def test_the_answer_must_name_its_issuer_when_the_provider_says_it_does(
    provider: OidcProvider,
) -> None:
    async with shop_of(provider) as shop:
        answer = await back(shop, provider)
        for issuer in ("https://evil.test", f"{provider.issuer}/", None):
            with pytest.raises(SocialRefused):
                await shop.redeem("acme", ASKING, answer["code"], issuer)
        assert "/token" not in provider.calls()
    provider.behave(
        now=NOW, no_iss=True, document={"authorization_response_iss_parameter_supported": False}
    )
    async with shop_of(provider) as shop:
        assert (await whole(shop, provider)).subject == "asha-1"


async def test_keys_are_fetched_once_and_again_when_they_change(provider: OidcProvider) -> None:
    clock = ManualClock()
    async with shop_of(provider, clock) as shop:
        await whole(shop, provider)
        await whole(shop, provider)
        assert provider.calls().count("/jwks") == 1
        provider.behave(now=NOW, rotate=True)
        with pytest.raises(SocialRefused):
            await whole(shop, provider)
        assert "/jwks" not in provider.calls()  # a forger's unknown keys make us ask seldom
        clock.advance(31)
        assert (await whole(shop, provider)).subject == "asha-1"
        assert provider.calls().count("/jwks") == 1


async def test_the_document_is_kept_for_an_hour_and_longer_while_nobody_answers(
    provider: OidcProvider,
) -> None:
    clock = ManualClock()
    async with shop_of(provider, clock) as shop:
        await shop.address("acme", ASKING)
        await shop.address("acme", ASKING)
        assert provider.calls() == [WELL_KNOWN]
        provider.behave(now=NOW, faults={WELL_KNOWN: "500"})
        clock.advance(3601)
        assert (await shop.address("acme", ASKING)).startswith(provider.issuer)
        provider.behave(now=NOW)
        clock.advance(31)
        await shop.address("acme", ASKING)
        assert provider.calls() == [WELL_KNOWN]


@pytest.mark.parametrize("fault", ["html", "500", "redirect", "huge", "list"])
@pytest.mark.parametrize("path", [WELL_KNOWN, "/token", "/jwks"])
async def test_nonsense_is_no_answer(provider: OidcProvider, path: str, fault: str) -> None:
    provider.behave(now=NOW, faults={path: fault})
    async with shop_of(provider) as shop:
        with pytest.raises(ProviderDown) as down:
            await whole(shop, provider)
    assert down.value.cause
    assert "/elsewhere" not in provider.calls()


async def test_a_slow_provider_is_not_waited_for(provider: OidcProvider) -> None:
    provider.behave(now=NOW, faults={WELL_KNOWN: "slow"})
    async with shop_of(provider, patience=0.1) as shop:
        with pytest.raises(ProviderDown) as down:
            await shop.address("acme", ASKING)
    assert down.value.cause


async def test_a_provider_that_fails_often_is_left_alone_for_a_while(
    provider: OidcProvider,
) -> None:
    clock = ManualClock()
    provider.behave(now=NOW, faults={WELL_KNOWN: "500"})
    async with shop_of(provider, clock) as shop:
        for _ in range(5):
            with pytest.raises(ProviderDown):
                await shop.address("acme", ASKING)
        assert provider.calls() == [WELL_KNOWN] * 3
        provider.behave(now=NOW)
        with pytest.raises(ProviderDown):
            await shop.address("acme", ASKING)
        clock.advance(16)
        await shop.address("acme", ASKING)


async def test_a_provider_that_is_not_there_is_down(provider: OidcProvider) -> None:
    async with shop_of(provider, issuer="http://127.0.0.1:9") as shop:
        with pytest.raises(ProviderDown):
            await shop.address("acme", ASKING)


async def test_a_wrong_secret_is_the_shops_fault_and_not_the_visitors(
    provider: OidcProvider,
) -> None:
    async with shop_of(provider, secret="wrong") as shop:
        with pytest.raises(ProviderDown) as down:
            await whole(shop, provider)
    assert "invalid_client" in down.value.cause


async def test_the_secret_goes_into_the_form_where_the_provider_wants_it(
    provider: OidcProvider,
) -> None:
    ways = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    provider.behave(now=NOW, document=ways)
    async with shop_of(provider) as shop:
        assert (await whole(shop, provider)).subject == "asha-1"


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://accounts.google.com"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": None},
        {"token_endpoint": "http://shop.test/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://user@keys.test/"},
    ],
)
async def test_a_document_that_leads_astray_is_no_answer(
    provider: OidcProvider, document: dict[str, Any]
) -> None:
    provider.behave(now=NOW, document=document)
    async with shop_of(provider) as shop:
        with pytest.raises(ProviderDown):
            await shop.address("acme", ASKING)


async def test_in_production_nothing_is_asked_without_tls(provider: OidcProvider) -> None:
    async with shop_of(provider, development=False) as shop:
        with pytest.raises(ProviderDown):
            await shop.address("acme", ASKING)
    assert provider.calls() == []
    assert is_safe("https://id.test/x", development=False)
    assert not is_safe("http://id.test/x", development=True)


async def test_only_configured_providers_are_known(provider: OidcProvider) -> None:
    async with shop_of(provider) as shop:
        assert [one.title for one in shop.all()] == ["Acme"]
        with pytest.raises(ProviderNotFound):
            await shop.address("other", ASKING)


def test_nothing_secret_shows() -> None:
    assert "v" * 43 not in repr(ASKING)
    client = OidcClient(name="a", title="A", issuer="i", client_id="c", secret="hidden")
    assert "hidden" not in repr(client)
