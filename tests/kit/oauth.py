"""Programs that ask to be let in, and the person in front of the browser who lets them."""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from dishka import AsyncContainer

from shop.core.kernel.acts import by_operator
from shop.core.users.client_keeping import ClientDraft, ClientKeeping, NewClient
from tests.kit.people import PASSWORD
from tests.kit.site import Shop
from tests.kit.storefront import forms_of

ASHA = "asha@example.com"
SITE = "http://localhost:8000"
AUTHORIZE = "/oauth2/authorize"
BACK = "https://app.example.com/callback"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-than-that"


def challenge() -> str:
    return urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).decode().rstrip("=")


async def a_client(container: AsyncContainer, **changes: Any) -> NewClient:
    """A web application, unless told otherwise."""
    given = {"name": "A web app", "redirect_uris": (BACK,)} | changes
    async with container() as scope:
        keeping: ClientKeeping = await scope.get(ClientKeeping)
        return await keeping.add(ClientDraft(**given), by_operator)


def request(client_id: str, **changes: str | None) -> dict[str, str]:
    """What a well-behaved program sends; None leaves a parameter out."""
    usual: dict[str, str | None] = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": BACK,
        "scope": "openid profile email",
        "state": "a state",
        "nonce": "a nonce",
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (usual | changes).items() if value is not None}


def address(client_id: str, **changes: str | None) -> str:
    return f"{AUTHORIZE}?{urlencode(request(client_id, **changes))}"


def only_form(page: httpx.Response) -> dict[str, str]:
    """The fields of the page's one form."""
    [form] = forms_of(page)
    assert (form.action, form.method) == (AUTHORIZE, "post")
    return form.fields


def answer_in(reply: httpx.Response, redirect_uri: str = BACK) -> dict[str, str]:
    """What the program is told."""
    assert reply.status_code == 303, reply.text
    where = reply.headers["location"]
    assert where.startswith(f"{redirect_uri}?")
    told = parse_qs(urlsplit(where).query)
    assert all(len(values) == 1 for values in told.values())
    return {name: values[0] for name, values in told.items()}


class Person:
    """Somebody at a browser without scripts, which keeps cookies and follows nothing by itself."""

    def __init__(self, browser: httpx.AsyncClient, email: str) -> None:
        self.browser = browser
        self.email = email

    async def sign_in(self, where: str, password: str = PASSWORD) -> httpx.Response:
        page = await self.browser.get(where)
        assert page.status_code == 200, page.text
        typed = {"email": self.email, "password": password}
        return await self.browser.post(AUTHORIZE, data=only_form(page) | typed)

    async def press(self, page: httpx.Response, **pressed: str) -> httpx.Response:
        """A button of the page; the first one says nothing more."""
        return await self.browser.post(AUTHORIZE, data=only_form(page) | pressed)

    async def consent(self, client_id: str, **changes: str | None) -> dict[str, str]:
        """Sign in and let the program in; what it is told."""
        page = await self.sign_in(address(client_id, **changes))
        assert page.status_code == 200, page.text
        return answer_in(await self.press(page), changes.get("redirect_uri") or BACK)


async def swap(shop: Shop, app: NewClient, code: str, /, **changes: str | None) -> httpx.Response:
    """The token request of a well-behaved program."""
    form: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
        "client_id": app.client.id,
        "client_secret": app.secret,
    }
    sent = {name: value for name, value in (form | changes).items() if value is not None}
    return await shop.client.post("/oauth2/token", data=sent)


async def granted(
    shop: Shop, app: NewClient, asha: Person, **changes: str | None
) -> dict[str, Any]:
    told = await asha.consent(app.client.id, **changes)
    answer = await swap(shop, app, told["code"])
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def refresh(shop: Shop, app: NewClient, token: str, **changes: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": app.client.id}
    secret = {} if app.secret is None else {"client_secret": app.secret}
    return await shop.client.post("/oauth2/token", data=form | secret | changes)


async def introspected(shop: Shop, app: NewClient, token: str) -> dict[str, Any]:
    answer = await shop.client.post(
        "/oauth2/introspect", data={"token": token}, auth=(app.client.id, app.secret or "")
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def refused(answer: httpx.Response, error: str, status: int = 400) -> None:
    assert (answer.status_code, answer.json()["error"]) == (status, error), answer.text
    assert answer.headers["cache-control"] == "no-store"


def said(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    found: dict[str, Any] = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return found


async def own_token(shop: Shop, app: NewClient, **form: str) -> httpx.Response:
    given = {"grant_type": "client_credentials"} | form
    auth = (app.client.id, app.secret or "")
    return await shop.client.post("/oauth2/token", data=given, auth=auth)
