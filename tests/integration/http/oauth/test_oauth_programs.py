"""Programs as they are: Authlib and requests-oauthlib, unmodified, against the real binary."""

import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.jwk import KeySet
from requests_oauthlib import OAuth2Session as RequestsOAuth2Session

from tests.kit.oauth import AUTHORIZE, only_form
from tests.kit.process import PASSWORD, Shop, until

ASHA = "asha@example.com"
BACK = "http://127.0.0.1:9999/callback"
SCOPE = "openid profile email"


class Registered:
    """What `shop oauth-client add` printed."""

    def __init__(self, shop: Shop, *words: str) -> None:
        done = shop.command("oauth-client", "add", "--name", "A program", *words)
        assert done.returncode == 0, done.stderr
        told = dict(line.split(": ") for line in done.stdout.splitlines())
        self.id = told["client_id"]
        self.secret: str | None = told.get("client_secret")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with Shop(tmp_path_factory.mktemp("shop"), OAUTHLIB_INSECURE_TRANSPORT="1") as shop:
        shop.run()
        body = {"name": "Asha Rao", "email": ASHA, "password": PASSWORD}
        assert shop.client().post("/api/v1/signup", json=body).status_code == 201
        yield shop


@pytest.fixture(autouse=True)
def plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both libraries want https unless told that this is a test."""
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture
def metadata(shop: Shop) -> dict[str, Any]:
    found: dict[str, Any] = shop.client().get("/.well-known/openid-configuration").json()
    return found


def consent(shop: Shop, url: str) -> str:
    """Somebody goes where the program sends them; where they are sent back to."""
    browser = shop.client()
    page = browser.get(url)
    page = browser.post(AUTHORIZE, data=only_form(page) | {"email": ASHA, "password": PASSWORD})
    reply = browser.post(AUTHORIZE, data=only_form(page))
    assert reply.status_code == 303, reply.text
    return reply.headers["location"]


def identity(
    metadata: dict[str, Any], token: dict[str, Any], client_id: str, nonce: str
) -> CodeIDToken:
    """The ID token as Authlib checks it, with the keys that the server publishes."""
    keys = KeySet.import_key_set(httpx.get(metadata["jwks_uri"], trust_env=False).json())
    algorithms = metadata["id_token_signing_alg_values_supported"]
    with pytest.warns(match="EdDSA"):
        read = jwt.decode(token["id_token"], keys, algorithms=algorithms)
    claims = CodeIDToken(
        read.claims,
        read.header,
        {"iss": {"values": [metadata["issuer"]]}},
        {"client_id": client_id, "nonce": nonce, "access_token": token["access_token"]},
    )
    claims.validate()
    return claims


@pytest.mark.parametrize("proof", ["client_secret_basic", "client_secret_post", "none"])
def test_authlib_signs_somebody_in(shop: Shop, metadata: dict[str, Any], proof: str) -> None:
    public = ["--public"] if proof == "none" else []
    app = Registered(shop, "--redirect-uri", BACK, *public)
    verifier, nonce = secrets.token_urlsafe(48), secrets.token_urlsafe(16)
    with OAuth2Session(
        app.id,
        app.secret,
        token_endpoint_auth_method=proof,
        redirect_uri=BACK,
        scope=SCOPE,
        code_challenge_method="S256",
        token_endpoint=metadata["token_endpoint"],
    ) as client:
        client.trust_env = False
        url, state = client.create_authorization_url(
            metadata["authorization_endpoint"], nonce=nonce, code_verifier=verifier
        )
        back = consent(shop, url)
        assert parse_qs(urlsplit(back).query)["iss"] == [metadata["issuer"]]
        token = client.fetch_token(authorization_response=back, state=state, code_verifier=verifier)
        claims = identity(metadata, token, app.id, nonce)
        info = client.get(metadata["userinfo_endpoint"]).json()
        assert info == {
            "sub": claims["sub"],
            "name": "Asha Rao",
            "email": ASHA,
            "email_verified": False,
        }

        again = client.refresh_token(metadata["token_endpoint"])
        assert again["refresh_token"] != token["refresh_token"]
        if app.secret is not None:
            found = client.introspect_token(
                metadata["introspection_endpoint"], again["access_token"]
            ).json()
            assert (found["active"], found["sub"]) == (True, claims["sub"])
        revoked = client.revoke_token(metadata["revocation_endpoint"], again["refresh_token"])
        assert revoked.status_code == 200
        assert client.get(metadata["userinfo_endpoint"]).status_code == 401


def test_authlib_gets_a_token_for_the_program_itself(shop: Shop, metadata: dict[str, Any]) -> None:
    app = Registered(shop, "--scope", "emails:read")
    with OAuth2Session(app.id, app.secret) as client:
        client.trust_env = False
        token = client.fetch_token(
            metadata["token_endpoint"], grant_type="client_credentials", scope="emails:read"
        )
        assert token["scope"] == "emails:read"
        assert client.get(f"{shop.url}/api/v1/admin/emails").status_code == 200
        assert client.get(f"{shop.url}/api/v1/admin/users").status_code == 403


@pytest.mark.parametrize("kind", ["confidential", "public"])
def test_requests_oauthlib_signs_somebody_in(
    shop: Shop, metadata: dict[str, Any], kind: str
) -> None:
    public = kind == "public"
    app = Registered(shop, "--redirect-uri", BACK, *(["--public"] if public else []))
    refreshed: list[dict[str, Any]] = []
    with RequestsOAuth2Session(
        app.id, redirect_uri=BACK, scope=sorted(SCOPE.split()), pkce="S256"
    ) as client:
        client.trust_env = False
        url, _ = client.authorization_url(metadata["authorization_endpoint"])
        token = client.fetch_token(
            metadata["token_endpoint"],
            authorization_response=consent(shop, url),
            client_secret=app.secret,
            include_client_id=public,
        )
        assert token["token_type"] == "Bearer"
        assert client.get(metadata["userinfo_endpoint"]).json()["email"] == ASHA
        secret = {} if app.secret is None else {"client_secret": app.secret}
        refreshed.append(
            client.refresh_token(metadata["token_endpoint"], client_id=app.id, **secret)
        )
        assert client.get(metadata["userinfo_endpoint"]).status_code == 200
    assert refreshed[0]["refresh_token"] != token["refresh_token"]


def test_keys_are_rotated_under_a_running_shop(shop: Shop, metadata: dict[str, Any]) -> None:
    web = shop.client()

    def kids() -> list[str]:
        return [key["kid"] for key in web.get(metadata["jwks_uri"]).json()["keys"]]

    def logged_in() -> str:
        answer = web.post("/api/v1/login", json={"email": ASHA, "password": PASSWORD})
        token: str = answer.json()["access_token"]
        return token

    def works(token: str) -> bool:
        header = {"Authorization": f"Bearer {token}"}
        return web.get("/api/v1/me", headers=header).status_code == 200

    before, old = kids(), logged_in()
    assert shop.command("keys", "rotate").returncode == 0
    assert until(lambda: len(kids()) == len(before) + 1)
    new = logged_in()
    assert _kid(new) not in before
    assert (works(old), works(new)) == (True, True)
    assert _kid(old) in kids()


def _kid(token: str) -> str:
    from joserfc import jws  # noqa: PLC0415 - only here

    kid: str = jws.extract_compact(token.encode()).headers()["kid"]
    return kid


def test_programs_are_listed_and_removed(shop: Shop) -> None:
    app = Registered(shop, "--redirect-uri", BACK)
    listed = shop.command("oauth-client", "list").stdout
    assert (app.id in listed, BACK in listed) == (True, True)
    assert (app.secret or "") not in listed
    assert shop.command("oauth-client", "remove", app.id).returncode == 0
    assert app.id not in shop.command("oauth-client", "list").stdout
    again = shop.command("oauth-client", "remove", app.id)
    assert (again.returncode, again.stderr) == (1, "shop: There is no such client.\n")
    bad = shop.command("oauth-client", "add", "--name", "x", "--redirect-uri", "http://a.example/")
    assert bad.returncode == 1
    assert "https://" in bad.stderr
