"""What the tokens of programs are worth: to their owner, to a thief, and where they lead."""

import asyncio
import json

from shop.core.kernel.access import Role
from shop.core.users.client_keeping import NewClient
from shop.core.users.clients import OFFERED
from tests.kit.oauth import (
    ASHA,
    AUTHORIZE,
    SITE,
    Person,
    a_client,
    address,
    answer_in,
    bearer,
    granted,
    introspected,
    own_token,
    refresh,
    refused,
    said,
)
from tests.kit.people import PASSWORD
from tests.kit.site import Shop

# --- tokens ----------------------------------------------------------------------------------


async def test_a_program_refreshes_what_it_was_given_and_may_ask_for_less(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    tokens = await granted(shop, app, asha)
    less = (await refresh(shop, app, tokens["refresh_token"], scope="openid")).json()
    assert (less["scope"], said(less["access_token"])["scope"]) == ("openid", "openid")
    info = await shop.client.get("/oauth2/userinfo", headers=bearer(less))
    assert list(info.json()) == ["sub"]
    more = await refresh(shop, app, less["refresh_token"], scope="openid orders")
    refused(more, "invalid_scope")
    whole = (await refresh(shop, app, less["refresh_token"])).json()
    assert whole["scope"] == "email openid profile"


async def test_a_stolen_refresh_token_ends_the_session_for_thief_and_owner(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    stolen = (await granted(shop, app, asha))["refresh_token"]
    owner = (await refresh(shop, app, stolen)).json()
    shop.clock.advance(seconds=11)
    refused(await refresh(shop, app, stolen), "invalid_grant")
    refused(await refresh(shop, app, owner["refresh_token"]), "invalid_grant")
    assert (await shop.client.get("/oauth2/userinfo", headers=bearer(owner))).status_code == 401


async def test_parallel_refreshes_hold_one_token_and_not_several(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    token = (await granted(shop, app, asha))["refresh_token"]
    answers = await asyncio.gather(*(refresh(shop, app, token) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    (following,) = {answer.json()["refresh_token"] for answer in answers}
    assert (await refresh(shop, app, following)).status_code == 200


async def test_a_refresh_token_is_worth_nothing_to_another_program(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    other = await a_client(shop.container)
    token = (await granted(shop, app, asha))["refresh_token"]
    refused(await refresh(shop, other, token), "invalid_grant")
    assert (await introspected(shop, other, token)) == {"active": False}
    assert (await refresh(shop, app, token)).status_code == 200
    for strange in ("x" * 10_000, "a\0b", "", "é"):
        error = "invalid_grant" if strange else "invalid_request"
        refused(await refresh(shop, app, strange), error)


async def test_a_token_is_looked_at_and_revoked(shop: Shop, app: NewClient, asha: Person) -> None:
    tokens = await granted(shop, app, asha)
    found = await introspected(shop, app, tokens["access_token"])
    claims = said(tokens["access_token"])
    assert found == {
        "active": True,
        "scope": "email openid profile",
        "client_id": app.client.id,
        "token_type": "Bearer",
        **{name: claims[name] for name in ("exp", "iat", "sub", "aud", "iss", "jti", "sid")},
    }
    kept = await introspected(shop, app, tokens["refresh_token"])
    assert (kept["active"], kept["sub"]) == (True, claims["sub"])

    other = await a_client(shop.container)
    for thief, active in ((other, True), (app, False)):
        form = {"token": tokens["access_token"], "token_type_hint": "access_token"}
        auth = (thief.client.id, thief.secret or "")
        answer = await shop.client.post("/oauth2/revoke", data=form, auth=auth)
        assert answer.status_code == 200
        for token in (tokens["access_token"], tokens["refresh_token"]):
            assert (await introspected(shop, app, token))["active"] is active
    assert (await shop.client.get("/oauth2/userinfo", headers=bearer(tokens))).status_code == 401


async def test_a_programs_own_token_ends_when_it_is_revoked(shop: Shop, app: NewClient) -> None:
    first, second = [(await own_token(shop, app)).json() for _ in range(2)]
    assert "refresh_token" not in first
    assert said(first["access_token"])["sub"] == app.client.id
    assert (await introspected(shop, app, first["access_token"]))["active"]
    form, auth = {"token": first["access_token"]}, (app.client.id, app.secret or "")
    await shop.client.post("/oauth2/revoke", data=form, auth=auth)
    assert await introspected(shop, app, first["access_token"]) == {"active": False}
    assert (await introspected(shop, app, second["access_token"]))["active"]
    shop.clock.advance(seconds=900)
    assert not (await introspected(shop, app, second["access_token"]))["active"]


_NEVER = (
    "x" * 10_000,
    "a\0b",
    "a.b.c",
    "é",
    "null",
)


async def test_what_was_never_a_token_is_no_error(shop: Shop, app: NewClient) -> None:
    auth = (app.client.id, app.secret or "")
    for text in _NEVER:
        assert await introspected(shop, app, text) == {"active": False}
        answer = await shop.client.post("/oauth2/revoke", data={"token": text}, auth=auth)
        assert answer.status_code == 200
        header = [(b"Authorization", b"Bearer " + text.replace("\0", " ").encode())]
        assert (await shop.client.get("/oauth2/userinfo", headers=header)).status_code == 401
    refused(await shop.client.post("/oauth2/revoke", data={}, auth=auth), "invalid_request")


async def test_an_id_token_opens_nothing(shop: Shop, app: NewClient, asha: Person) -> None:
    tokens = await granted(shop, app, asha)
    header = {"Authorization": f"Bearer {tokens['id_token']}"}
    for path in ("/oauth2/userinfo", "/api/v1/me"):
        assert (await shop.client.get(path, headers=header)).status_code == 401


async def test_without_openid_there_is_no_id_token(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    tokens = await granted(shop, app, asha, scope="profile email")
    assert "id_token" not in tokens
    assert (await shop.client.get("/oauth2/userinfo", headers=bearer(tokens))).status_code == 403


async def test_whoever_signs_in_to_the_shop_may_also_ask_who_they_are(shop: Shop) -> None:
    headers = await shop.somebody("ravi@example.com")
    info = await shop.client.get("/oauth2/userinfo", headers=headers)
    assert info.json()["email"] == "ravi@example.com"
    assert (await shop.client.get("/oauth2/userinfo")).status_code == 401


async def test_the_header_counts_and_not_the_cookie(shop: Shop, asha: Person) -> None:
    app = await a_client(shop.container)
    await asha.sign_in(address(app.client.id))
    assert any("access" in name for name in asha.browser.cookies)
    ravi = await shop.somebody("ravi@example.com")
    me = await asha.browser.get("/api/v1/me", headers=ravi)
    assert me.json()["email"] == "ravi@example.com"
    for headers in ({}, {"Authorization": "Bearer x.y.z"}):
        for path in ("/api/v1/me", "/oauth2/userinfo"):
            assert (await asha.browser.get(path, headers=headers)).status_code == 401


# --- what a program may do -------------------------------------------------------------------


async def test_a_program_reaches_what_it_was_let_into_and_nothing_else(
    shop: Shop, asha: Person
) -> None:
    app = await a_client(shop.container, scope=frozenset({"openid", "cart", "orders", "addresses"}))
    doors = {
        "/api/v1/cart": "cart",
        "/api/v1/orders": "orders",
        "/api/v1/addresses": "addresses",
        "/oauth2/userinfo": "openid",
        "/api/v1/me": None,
        "/api/v1/me/sessions": None,
    }
    for scope in ("openid", "cart", "orders", "addresses"):
        tokens = await granted(shop, app, asha, scope=scope, prompt="login")
        for path, needed in doors.items():
            answer = await shop.client.get(path, headers=bearer(tokens))
            assert answer.status_code == (200 if needed == scope else 403), (scope, path)


async def test_no_program_may_touch_how_somebody_signs_in(shop: Shop, asha: Person) -> None:
    everything = frozenset(OFFERED)
    app = await a_client(shop.container, scope=everything)
    tokens = await granted(shop, app, asha, scope=" ".join(sorted(everything)))
    me = (await shop.client.get("/api/v1/me", headers=bearer(tokens))).json()
    assert me["email"] == ASHA
    session = said(tokens["access_token"])["sid"]
    for method, path, body in (
        ("PATCH", "/api/v1/updateuser", {"email": "thief@example.com"}),
        ("PATCH", "/api/v1/updateuser", {"name": "Thief"}),
        (
            "POST",
            "/api/v1/me/password",
            {"current_password": PASSWORD, "new_password": "five grey kettles"},
        ),
        ("GET", "/api/v1/me/sessions", None),
        ("DELETE", f"/api/v1/me/sessions/{session}", None),
        ("POST", "/api/v1/logout", None),
        ("POST", "/api/v1/me/factors/totp", {}),
    ):
        answer = await shop.client.request(method, path, json=body, headers=bearer(tokens))
        assert answer.status_code == 403, (path, answer.text)
    assert (await shop.client.get("/api/v1/me", headers=bearer(tokens))).json() == me


async def test_staff_lend_a_program_one_permission_and_no_other(shop: Shop) -> None:
    await shop.somebody("staff@example.com", Role.STAFF)
    staff = Person(shop.client, "staff@example.com")
    app = await a_client(shop.container, scope=frozenset({"orders:read", "emails:read"}))
    tokens = await granted(shop, app, staff, scope="orders:read")
    statuses = {
        path: (await shop.client.get(path, headers=bearer(tokens))).status_code
        for path in ("/api/v1/admin/orders", "/api/v1/admin/emails", "/api/v1/admin/users")
    }
    assert statuses.pop("/api/v1/admin/orders") in {200, 404, 405}
    assert set(statuses.values()) == {403}


async def test_a_customer_lends_a_program_no_more_than_they_have(shop: Shop, asha: Person) -> None:
    app = await a_client(shop.container, scope=frozenset({"emails:read"}))
    tokens = await granted(shop, app, asha, scope="emails:read")
    answer = await shop.client.get("/api/v1/admin/emails", headers=bearer(tokens))
    assert answer.status_code == 403


async def test_a_program_works_for_itself_as_far_as_it_was_registered_for(shop: Shop) -> None:
    app = await a_client(
        shop.container, redirect_uris=(), scope=frozenset({"emails:read", "openid"})
    )
    tokens = (await own_token(shop, app)).json()
    assert tokens["scope"] == "emails:read"
    paths = {
        "/api/v1/admin/emails": 200,
        "/api/v1/admin/users": 403,
        "/api/v1/me": 403,
        "/api/v1/orders": 403,
        "/api/v1/cart": 403,
        "/oauth2/userinfo": 403,
    }
    for path, status in paths.items():
        answer = await shop.client.get(path, headers=bearer(tokens))
        assert answer.status_code == status, path
    refused(await own_token(shop, app, scope="users:read"), "invalid_scope")
    refused(await own_token(shop, app, scope="openid"), "invalid_scope")


async def test_a_phone_may_be_answered_by_a_scheme_of_the_programs_domain(
    shop: Shop, asha: Person
) -> None:
    uri = "com.example.app:/callback"
    app = await a_client(shop.container, public=True, redirect_uris=(uri,))
    page = await asha.sign_in(address(app.client.id, redirect_uri=uri))
    assert "form-action 'self' com.example.app:" in page.headers["content-security-policy"]
    assert "code" in answer_in(await asha.press(page), uri)


# --- what the server says of itself ----------------------------------------------------------


async def test_the_server_says_what_it_can_do(shop: Shop) -> None:
    from authlib.oauth2.rfc8414 import AuthorizationServerMetadata  # noqa: PLC0415
    from authlib.oidc.discovery import OpenIDProviderMetadata  # noqa: PLC0415

    oauth2 = (await shop.client.get("/.well-known/oauth-authorization-server")).json()
    openid = (await shop.client.get("/.well-known/openid-configuration")).json()
    assert oauth2 == openid
    assert oauth2["issuer"] == SITE
    assert oauth2["authorization_response_iss_parameter_supported"] is True
    secure = json.loads(json.dumps(oauth2).replace("http://localhost:8000", "https://shop.example"))
    AuthorizationServerMetadata(secure).validate()
    OpenIDProviderMetadata(secure).validate_response_types_supported()
    for name in ("jwks_uri", "userinfo_endpoint", "authorization_endpoint"):
        path = oauth2[name].removeprefix(SITE)
        assert (await shop.client.get(path)).status_code != 404
    document = (await shop.client.get("/openapi.json")).json()["paths"]
    endpoints = {
        url.removeprefix(SITE) for name, url in oauth2.items() if name.endswith("_endpoint")
    }
    assert endpoints | {"/oauth2/jwks", "/.well-known/openid-configuration"} <= set(document)
    assert set(document[AUTHORIZE]) == {"get", "post"}
