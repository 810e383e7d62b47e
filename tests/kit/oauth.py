"""Programs that ask to be let in, and the person in front of the browser who lets them."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from dishka import AsyncContainer

from shop.core.kernel.acts import by_operator
from shop.core.users.client_keeping import ClientDraft, ClientKeeping, NewClient
from tests.kit.people import PASSWORD
from tests.kit.storefront import forms_of

AUTHORIZE = "/oauth2/authorize"
BACK = "https://app.example.com/callback"
VERIFIER = "a-verifier-of-forty-three-characters-or-more-than-that"


def challenge(verifier: str = VERIFIER) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")


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
