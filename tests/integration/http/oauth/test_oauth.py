"""How people let programs in, and what is refused on the way."""

import asyncio
from typing import Any
from urllib.parse import urlencode

import httpx

from shop.core.kernel.acts import by_operator
from shop.core.users.client_keeping import ClientKeeping, NewClient
from tests.kit.oauth import (
    ASHA,
    AUTHORIZE,
    BACK,
    SITE,
    VERIFIER,
    Person,
    a_client,
    address,
    answer_in,
    bearer,
    granted,
    only_form,
    own_token,
    refresh,
    refused,
    request,
    said,
    swap,
)
from tests.kit.people import PASSWORD
from tests.kit.site import Shop

# --- letting a program in --------------------------------------------------------------------


async def test_somebody_signs_in_consents_and_the_program_learns_who_it_is(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    page = await asha.sign_in(address(app.client.id))
    assert "A web app" in page.text
    assert ASHA in page.text
    told = answer_in(await asha.press(page))
    assert (told["state"], told["iss"]) == ("a state", SITE)
    assert set(told) == {"code", "state", "iss"}

    answer = await swap(shop, app, told["code"])
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 900)
    assert tokens["scope"] == "email openid profile"
    access, identity = said(tokens["access_token"]), said(tokens["id_token"])
    assert (access["client_id"], access["aud"], access["iss"]) == (app.client.id, SITE, SITE)
    assert (identity["aud"], identity["nonce"]) == (app.client.id, "a nonce")
    assert identity["sub"] == access["sub"]
    assert identity["amr"] == ["pwd"]

    info = await shop.client.get("/oauth2/userinfo", headers=bearer(tokens))
    expected = {"sub": access["sub"], "name": "Somebody", "email": ASHA, "email_verified": True}
    assert info.json() == expected
    assert (await shop.client.post("/oauth2/userinfo", headers=bearer(tokens))).json() == expected


async def test_each_page_has_one_form_whose_hidden_fields_say_their_name_first(
    app: NewClient, asha: Person
) -> None:
    first = await asha.browser.get(address(app.client.id))
    second = await asha.sign_in(address(app.client.id, prompt="login"))
    for page in (first, second):
        only_form(page)
        hidden = page.text.count('type="hidden"')
        assert hidden > 5
        assert page.text.count('<input type="hidden" name="') == hidden
        assert "unsafe" not in page.headers["content-security-policy"]
    assert {"email", "password"} <= set(only_form(first))


async def test_somebody_who_is_signed_in_only_consents(app: NewClient, asha: Person) -> None:
    await asha.sign_in(address(app.client.id))
    page = await asha.browser.get(address(app.client.id))
    assert "email" not in only_form(page)
    assert "code" in answer_in(await asha.press(page))


async def test_somebody_may_refuse(app: NewClient, asha: Person) -> None:
    page = await asha.sign_in(address(app.client.id))
    told = answer_in(await asha.press(page, decision="deny"))
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", "a state", SITE)
    assert "code" not in told


async def test_somebody_may_take_another_account(shop: Shop, app: NewClient, asha: Person) -> None:
    await shop.somebody("ravi@example.com")
    page = await asha.press(await asha.sign_in(address(app.client.id)), decision="other")
    form = only_form(page) | {"email": "ravi@example.com", "password": PASSWORD}
    consent = await asha.browser.post(AUTHORIZE, data=form)
    assert "ravi@example.com" in consent.text


async def test_a_wrong_password_shows_the_page_again(app: NewClient, asha: Person) -> None:
    page = await asha.sign_in(address(app.client.id), password="wrong")
    assert page.status_code == 401
    assert only_form(page)["email"] == ASHA
    assert "email" in only_form(await asha.browser.get(address(app.client.id)))


async def test_nobody_consents_by_a_link_or_another_sites_form(
    app: NewClient, asha: Person
) -> None:
    page = await asha.sign_in(address(app.client.id))
    form = only_form(page)
    assert "code=" not in (await asha.browser.get(AUTHORIZE, params=form)).headers.get(
        "location", ""
    )
    for changes in ({"csrf": "wrong"}, {"csrf": ""}):
        assert (await asha.browser.post(AUTHORIZE, data=form | changes)).status_code == 403
    elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    stranger = await asha.browser.post(AUTHORIZE, data=form, headers=elsewhere)
    assert stranger.status_code == 403


async def test_a_program_may_begin_with_a_form_of_its_own(app: NewClient, asha: Person) -> None:
    elsewhere = {"Origin": "https://app.example.com", "Sec-Fetch-Site": "cross-site"}
    asks = request(app.client.id, state="a & b #1")
    for who in ("nobody", "asha"):
        there = await asha.browser.post(AUTHORIZE, data=asks, headers=elsewhere)
        assert there.status_code == 303
        assert "set-cookie" not in there.headers
        page = await asha.browser.get(there.headers["location"])
        assert ("email" in only_form(page)) == (who == "nobody")
        if who == "nobody":
            await asha.sign_in(there.headers["location"])
    told = answer_in(await asha.press(await asha.browser.get(address(app.client.id))))
    assert "code" in told
    twice = urlencode([*asks.items(), ("nonce", "another")]).encode()
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    there = await asha.browser.post(AUTHORIZE, content=twice, headers=form)
    told = answer_in(await asha.browser.get(there.headers["location"]))
    assert told["error"] == "invalid_request"
    long = await asha.browser.post(AUTHORIZE, data=asks | {"x": "y" * 10_000})
    assert long.status_code == 400


async def test_a_program_may_ask_for_a_fresh_sign_in(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    await asha.sign_in(address(app.client.id))
    shop.clock.advance(seconds=120)
    for asked in ({"prompt": "login"}, {"max_age": "60"}, {"prompt": "select_account"}):
        assert "email" in only_form(await asha.browser.get(address(app.client.id, **asked)))
    page = await asha.browser.get(address(app.client.id, max_age="600"))
    assert "email" not in only_form(page)
    # The consent page of an old sign-in does not help to get around it.
    shop.clock.advance(seconds=600)
    stale = await asha.browser.post(AUTHORIZE, data=only_form(page))
    assert "email" in only_form(stale)


async def test_a_program_may_ask_without_disturbing_anybody(app: NewClient, asha: Person) -> None:
    silent = address(app.client.id, prompt="none")
    assert answer_in(await asha.browser.get(silent))["error"] == "login_required"
    await asha.sign_in(address(app.client.id))
    assert answer_in(await asha.browser.get(silent))["error"] == "consent_required"


async def test_a_hint_fills_in_the_address(app: NewClient, asha: Person) -> None:
    page = await asha.browser.get(address(app.client.id, login_hint="மீ@example.com"))
    assert only_form(page)["email"] == "மீ@example.com"


# --- requests that are not in order ----------------------------------------------------------


_WRONG = (
    ({"response_type": None}, "invalid_request"),
    ({"response_type": "token"}, "unsupported_response_type"),
    ({"response_type": "code id_token"}, "unsupported_response_type"),
    ({"response_mode": "fragment"}, "invalid_request"),
    ({"code_challenge": None}, "invalid_request"),
    ({"code_challenge": "short"}, "invalid_request"),
    ({"code_challenge_method": None}, "invalid_request"),
    ({"code_challenge_method": "plain"}, "invalid_request"),
    ({"scope": "king"}, "invalid_scope"),
    ({"scope": "shop"}, "invalid_scope"),
    ({"scope": "orders"}, "invalid_scope"),
    ({"prompt": "none login"}, "invalid_request"),
    ({"max_age": "soon"}, "invalid_request"),
    ({"max_age": "-1"}, "invalid_request"),
    ({"max_age": "9" * 30}, "invalid_request"),
    ({"request": "e30.e30."}, "request_not_supported"),
    ({"request_uri": "https://app.example.com/r"}, "request_uri_not_supported"),
    ({"nonce": "x" * 10_000}, "invalid_request"),
    ({"nonce": "a\0b"}, "invalid_request"),
    ({"scope": "openid\0"}, "invalid_request"),
    ({"scope": "x" * 10_000}, "invalid_request"),
)


async def test_the_program_is_told_what_is_wrong_with_its_request(
    app: NewClient, asha: Person
) -> None:
    for changes, error in _WRONG:
        told = answer_in(await asha.browser.get(address(app.client.id, **changes)))
        assert (told["error"], told["state"], told["iss"]) == (error, "a state", SITE), changes


_STATES = (
    "x" * 10_000,
    "a\0b",
    "a\nb",
)


async def test_a_state_that_no_header_should_hold_is_not_sent_back(
    app: NewClient, asha: Person
) -> None:
    for state in _STATES:
        told = answer_in(await asha.browser.get(address(app.client.id, state=state)))
        assert told["error"] == "invalid_request"
        assert "state" not in told


async def test_a_parameter_that_came_twice_is_refused(app: NewClient, asha: Person) -> None:
    told = answer_in(await asha.browser.get(f"{address(app.client.id)}&scope=openid"))
    assert told["error"] == "invalid_request"
    for twice in (f"client_id={app.client.id}", "redirect_uri=https://evil.example"):
        reply = await asha.browser.get(f"{address(app.client.id)}&{twice}")
        assert (reply.status_code, "location" in reply.headers) == (400, False)


_ELSEWHERE = (
    f"{BACK}/more",
    f"{BACK}?more=1",
    f"{BACK}#more",
    f"{BACK}/",
    f"{BACK}x",
    f"{BACK}/../evil",
    f"{BACK}%2f..%2fevil",
    BACK.replace("app.", "app.evil."),
    BACK.replace("https://", "https://evil.example@"),
    BACK.replace(".com", ".com.evil.example"),
    BACK.replace(".com", ".com:444"),
    BACK.replace("https", "http"),
    BACK.upper(),
    f"{BACK}\0",
    f" {BACK}",
    f"{BACK}\r\nLocation: https://evil.example",
    "https://evil.example/callback",
    "//app.example.com/callback",
    "javascript:alert(1)",
    "x" * 10_000,
    "",
)


async def test_nobody_is_sent_to_an_address_that_is_not_registered(
    app: NewClient, asha: Person
) -> None:
    form = only_form(await asha.sign_in(address(app.client.id)))
    for uri in _ELSEWHERE:
        asked = await asha.browser.get(address(app.client.id, redirect_uri=uri))
        granted = await asha.browser.post(AUTHORIZE, data=form | {"redirect_uri": uri})
        for reply in (asked, granted):
            assert (reply.status_code, "location" in reply.headers) == (400, False), uri


_NAMES = (
    "",
    "nobody",
    "x" * 10_000,
    "a\0b",
    "é",
    "shop",
    "' or 1=1",
)


async def test_an_unknown_program_is_told_nothing(shop: Shop, asha: Person) -> None:
    for name in _NAMES:
        reply = await asha.browser.get(address(name))
        assert (reply.status_code, "location" in reply.headers) == (400, False), name
        form = {"grant_type": "client_credentials", "client_id": name, "client_secret": "x"}
        refused(await shop.client.post("/oauth2/token", data=form), "invalid_client", 401)


async def test_a_program_on_the_persons_machine_may_take_any_port(shop: Shop, asha: Person) -> None:
    native = await a_client(
        shop.container, public=True, redirect_uris=("http://127.0.0.1/cb", "http://[::1]/cb")
    )
    for uri in ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb", "http://[::1]:8080/cb"):
        page = await asha.sign_in(address(native.client.id, redirect_uri=uri, prompt="login"))
        assert "code" in answer_in(await asha.press(page), uri)
    for uri in (
        *("http://127.0.0.1:51004/cb/more", "https://127.0.0.1:51004/cb", "http://127.0.0.1:0/cb"),
        *("http://localhost:51004/cb", "http://127.0.0.2:51004/cb", "http://127.0.0.1:x/cb"),
        *("http://a@127.0.0.1:51004/cb", "http://127.0.0.1:51004@evil.example/cb"),
    ):
        reply = await asha.browser.get(address(native.client.id, redirect_uri=uri))
        assert (reply.status_code, "location" in reply.headers) == (400, False), uri
    web = await a_client(shop.container, redirect_uris=("http://127.0.0.1/cb",))
    reply = await asha.browser.get(address(web.client.id, redirect_uri="http://127.0.0.1:5/cb"))
    assert reply.status_code == 400


# --- codes -----------------------------------------------------------------------------------


async def test_a_code_used_twice_ends_what_it_gave(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    code = (await asha.consent(app.client.id))["code"]
    tokens = (await swap(shop, app, code)).json()
    assert (await shop.client.get("/oauth2/userinfo", headers=bearer(tokens))).status_code == 200
    refused(await swap(shop, app, code), "invalid_grant")
    assert (await shop.client.get("/oauth2/userinfo", headers=bearer(tokens))).status_code == 401
    refused(await refresh(shop, app, tokens["refresh_token"]), "invalid_grant")
    refused(await swap(shop, app, code), "invalid_grant")


async def test_of_parallel_swaps_one_wins_and_then_loses_what_it_won(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    code = (await asha.consent(app.client.id))["code"]
    answers = await asyncio.gather(*(swap(shop, app, code) for _ in range(4)))
    won = [answer.json() for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    info = await shop.client.get("/oauth2/userinfo", headers=bearer(won[0]))
    assert info.status_code == 401


_WITHOUT = (
    ({"code_verifier": VERIFIER + "x"}, "invalid_grant"),
    ({"code_verifier": None}, "invalid_request"),
    ({"code_verifier": "short"}, "invalid_request"),
    ({"code_verifier": "x" * 10_000}, "invalid_request"),
    ({"code_verifier": "é" * 50}, "invalid_request"),
    ({"code_verifier": "\0" * 50}, "invalid_request"),
    ({"redirect_uri": BACK + "/"}, "invalid_grant"),
    ({"redirect_uri": None}, "invalid_request"),
    ({"code": None}, "invalid_request"),
    ({"code": ""}, "invalid_request"),
    ({"code": "x" * 10_000}, "invalid_grant"),
    ({"code": "a\0b"}, "invalid_grant"),
    ({"grant_type": None}, "invalid_request"),
    ({"grant_type": "password"}, "unsupported_grant_type"),
    ({"grant_type": "implicit"}, "unsupported_grant_type"),
)


async def test_a_code_is_worth_nothing_without_what_belongs_to_it(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    code = (await asha.consent(app.client.id))["code"]
    for changes, error in _WITHOUT:
        refused(await swap(shop, app, code, **changes), error)
    assert (await swap(shop, app, code)).status_code == 200  # its owner loses nothing by that


async def test_a_code_is_worth_nothing_to_another_program(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    other = await a_client(shop.container)
    code = (await asha.consent(app.client.id))["code"]
    refused(await swap(shop, other, code), "invalid_grant")
    assert (await swap(shop, app, code)).status_code == 200


async def test_a_code_lasts_a_minute(shop: Shop, app: NewClient, asha: Person) -> None:
    code = (await asha.consent(app.client.id))["code"]
    shop.clock.advance(seconds=60)
    refused(await swap(shop, app, code), "invalid_grant")


async def test_a_code_is_worth_nothing_once_its_giver_has_signed_out(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    code = (await asha.consent(app.client.id))["code"]
    page = await asha.browser.get(address(app.client.id))
    await asha.browser.post("/sign-out", data={"csrf": only_form(page)["csrf"]})
    refused(await swap(shop, app, code), "invalid_grant")


# --- who a program is ------------------------------------------------------------------------


async def test_a_program_proves_who_it_is_by_header_or_form(shop: Shop, app: NewClient) -> None:
    name, secret = app.client.id, app.secret or ""
    own = {"grant_type": "client_credentials"}
    in_form = {"client_id": name, "client_secret": secret}

    async def ask(form: dict[str, str], **kwargs: Any) -> httpx.Response:
        return await shop.client.post("/oauth2/token", data=own | form, **kwargs)

    assert (await ask(in_form)).status_code == 200
    assert (await ask({}, auth=(name, secret))).status_code == 200
    assert (await ask({"client_id": name}, auth=(name, secret))).status_code == 200
    for form, kwargs in (
        ({}, {}),
        ({"client_id": name}, {}),
        ({"client_id": name, "client_secret": secret + "x"}, {}),
        ({"client_id": name, "client_secret": "x" * 10_000}, {}),
        ({"client_id": name, "client_secret": "\0"}, {}),
        ({}, {"auth": (name, "wrong")}),
        ({}, {"auth": (name, "")}),
        ({}, {"headers": {"Authorization": "Basic !!!"}}),
        ({}, {"headers": {"Authorization": "Basic /w=="}}),
        ({}, {"headers": {"Authorization": "Basic"}}),
    ):
        answer = await ask(form, **kwargs)
        refused(answer, "invalid_client", 401)
        assert answer.headers["www-authenticate"].startswith("Basic")
    refused(await ask(in_form, auth=(name, secret)), "invalid_request")
    refused(await ask({"client_id": "other"}, auth=(name, secret)), "invalid_request")


async def test_a_public_program_has_no_secret_and_no_token_of_its_own(
    shop: Shop, asha: Person
) -> None:
    public = await a_client(shop.container, public=True)
    assert public.secret is None
    tokens = await granted(shop, public, asha)
    again = await refresh(shop, public, tokens["refresh_token"])
    assert again.status_code == 200
    own = {"grant_type": "client_credentials", "client_id": public.client.id}
    refused(await shop.client.post("/oauth2/token", data=own), "unauthorized_client")
    spoofed = await refresh(shop, public, again.json()["refresh_token"], client_secret="a")
    refused(spoofed, "invalid_client", 401)
    look = {"token": tokens["access_token"], "client_id": public.client.id}
    refused(await shop.client.post("/oauth2/introspect", data=look), "invalid_client", 401)


async def test_a_secret_is_kept_only_as_a_hash(app: NewClient) -> None:
    assert app.secret is not None
    assert app.secret not in repr(app)
    assert app.secret.encode() not in (app.client.secret_hash or b"")
    assert len(app.client.secret_hash or b"") == 32


async def test_a_removed_program_is_shut_out_at_once(
    shop: Shop, app: NewClient, asha: Person
) -> None:
    hers = await shop.somebody("ravi@example.com")
    tokens = await granted(shop, app, asha)
    own = (await own_token(shop, app)).json()
    page = await asha.browser.get(address(app.client.id))
    code = answer_in(await asha.press(page))["code"]
    async with shop.container() as scope:
        await (await scope.get(ClientKeeping)).remove(app.client.id, by_operator)
    for held in (tokens, own):
        assert (await shop.client.get("/oauth2/userinfo", headers=bearer(held))).status_code == 401
    for answer in (await swap(shop, app, code), await refresh(shop, app, tokens["refresh_token"])):
        refused(answer, "invalid_client", 401)
    assert (await asha.browser.get(address(app.client.id))).status_code == 400
    assert (await shop.client.get("/api/v1/me", headers=hers)).status_code == 200
