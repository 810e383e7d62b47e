"""What a program asks for at the authorization endpoint, read without trusting any of it."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode

from msgspec import Struct

from shop.core.kernel.access import Permission, Scope
from shop.core.kernel.errors import Malformed
from shop.core.users.authorizing import Asked, Authorizing
from shop.core.users.clients import Client, ScopeInvalid
from shop.entrypoints.http.oauth_forms import FORM
from shop.entrypoints.http.raw import body as raw_body
from shop.entrypoints.http.served import HttpRequest

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VISIBLE = re.compile(r"[ -~]*")
#: What a program may send, in the order of RFC 6749, RFC 7636 and OpenID Connect.
NEEDED = ("response_type", "client_id", "redirect_uri", "code_challenge", "code_challenge_method")
MORE = ("scope", "state", "nonce", "response_mode", "prompt", "max_age", "login_hint")
#: What the shop itself adds: only who has signed in since then is asked for consent.
SINCE = "signed_in_since"
_UNSUPPORTED = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}
#: What else is sent is ignored; a hint may be in any script.
_CHECKED = frozenset({*NEEDED, *MORE}) - {"login_hint"}
_LONGEST = {"state": 2000, "nonce": 500}
_ANEW = frozenset({"login", "select_account"})
_PATH = "/oauth2/authorize"
_MOST = 64
#: What a browser and everything on its way take as an address.
_LONGEST_QUERY = 6000
#: What a program is let into, in words.
_WORDS: dict[str, str] = {
    Scope.OPENID: "Know that it is you",
    Scope.PROFILE: "See your name and phone number",
    Scope.EMAIL: "See your e-mail address",
    Scope.CART: "Fill your cart and order for you",
    Scope.ORDERS: "See your orders and cancel them",
    Scope.ADDRESSES: "See and change your addresses",
    Permission.CATALOG_WRITE: "Back office: change products",
    Permission.INVENTORY_WRITE: "Back office: change stock",
    Permission.ORDERS_READ: "Back office: see all orders",
    Permission.ORDERS_WRITE: "Back office: move orders on",
    Permission.REFUNDS_WRITE: "Back office: refund payments",
    Permission.EMAILS_READ: "Back office: read mails that were sent",
    Permission.EMAILS_WRITE: "Back office: send mails again",
    Permission.USERS_READ: "Back office: see accounts",
    Permission.LOG_READ: "Back office: read the log",
}


class AskRefused(Exception):
    """What is told to the program, as in RFC 6749, section 4.1.2.1."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(error)
        self.error = error
        self.description = description


class Ask(Struct, frozen=True):
    """A request that is in order. `given` is what goes along from page to page."""

    client: Client
    asked: Asked
    state: str
    prompts: frozenset[str]
    max_age: timedelta | None
    given: Mapping[str, str]
    since: datetime | None = None

    @property
    def scopes(self) -> list[str]:
        words = [words for scope, words in _WORDS.items() if scope in self.asked.scope]
        return words + sorted(self.asked.scope - _WORDS.keys())

    @property
    def anew(self) -> bool:
        """Whether it takes a sign-in of its own."""
        return bool(self.prompts & _ANEW) or self.max_age is not None or self.since is not None

    def way(self, since: str) -> str:
        """The address that asks the same of whoever comes back to it from signing in elsewhere.

        What asks for a new sign-in would ask for another one there, and another; `since` stands
        for it, a moment that the session must be newer than.
        """
        if not self.anew:
            return f"{_PATH}?{urlencode(self.given)}"
        dropped = {"prompt", "max_age", SINCE}
        given = {name: value for name, value in self.given.items() if name not in dropped}
        if rest := self.prompts - _ANEW:
            given["prompt"] = " ".join(sorted(rest))
        return f"{_PATH}?{urlencode(given | {SINCE: since})}"


def checked(given: dict[str, str], client: Client, authorizing: Authorizing) -> Ask:
    """Raises `AskRefused`."""
    _check_values(given)
    if "response_type" not in given:
        raise AskRefused("invalid_request", "response_type is missing.")
    if given["response_type"] != "code":
        raise AskRefused("unsupported_response_type", "Only code is supported.")
    if given.get("response_mode", "query") != "query":
        raise AskRefused("invalid_request", "Only response_mode query is supported.")
    if given.get("code_challenge_method") != "S256":
        raise AskRefused("invalid_request", "PKCE is required: code_challenge_method must be S256.")
    if not _CHALLENGE.fullmatch(given.get("code_challenge", "")):
        raise AskRefused("invalid_request", "code_challenge must be the one of RFC 7636 for S256.")
    prompts = frozenset(given.get("prompt", "").split())
    if "none" in prompts and len(prompts) > 1:
        raise AskRefused("invalid_request", "prompt none stands alone.")
    try:
        scope = authorizing.scope(client, frozenset(given.get("scope", "").split()))
    except ScopeInvalid as no:
        raise AskRefused("invalid_scope", no.detail) from None
    return Ask(
        client=client,
        asked=Asked(
            client_id=client.id,
            redirect_uri=given["redirect_uri"],
            scope=scope,
            challenge=given["code_challenge"],
            nonce=given.get("nonce", ""),
        ),
        state=given.get("state", ""),
        prompts=prompts,
        max_age=_seconds(given.get("max_age")),
        given={name: value for name, value in given.items() if name in {*NEEDED, *MORE, SINCE}},
    )


def _check_values(given: Mapping[str, str]) -> None:
    for name, value in given.items():
        if name in _CHECKED and readable(value, name) is None:
            raise AskRefused("invalid_request", f"{name} is too long, or is no plain text.")
        if name in _UNSUPPORTED:
            raise AskRefused(_UNSUPPORTED[name], f"{name} is not supported.")


def _seconds(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):  # noqa: PLR2004 - 31 years
        raise AskRefused("invalid_request", "max_age is a number of seconds.")
    return timedelta(seconds=int(text))


def readable(value: str, name: str) -> str | None:
    """The value if it can be sent back as it came, or None."""
    fits = len(value) <= _LONGEST.get(name, 1000) and _VISIBLE.fullmatch(value)
    return value if fits else None


async def asked_by_post(request: HttpRequest) -> str:
    """The request in a form, as a query: both are written alike. Raises `Malformed`."""
    body = await raw_body(request.scope, request.receive)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM or len(body) > _LONGEST_QUERY:
        raise Malformed("This request is too long, or is no plain form.", field="", kind="format")
    return body.decode()


def query(request: HttpRequest) -> list[tuple[str, str]]:
    """Raises `Malformed`."""
    text = request.scope.get("query_string", b"").decode("latin-1")
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST)
    except ValueError:
        raise Malformed("This address cannot be read.", field="", kind="format") from None
