"""The OAuth 2 endpoints of the shop's own client (RFC 6749, RFC 7009, RFC 7517)."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from litestar import Controller, MediaType, Response, get, post
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from msgspec import Struct

from shop.core.users.issuing import TokenPair
from shop.core.users.model import FIRST_PARTY, GrantInvalid
from shop.core.users.sessions import Refreshing, SignOut
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.users import Tokens

_FORM = "application/x-www-form-urlencoded"
_PRIVATE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_MOST_FIELDS = 32


class TokenAnswer(Struct):
    """`expires_in` is that of the access token, in seconds."""

    access_token: str
    token_type: str
    expires_in: int
    refresh_token: str
    scope: str

    @classmethod
    def of(cls, pair: TokenPair) -> "TokenAnswer":
        return cls(
            access_token=pair.access_token,
            token_type="Bearer",  # noqa: S106 - the name of a scheme
            expires_in=pair.expires_in,
            refresh_token=pair.refresh_token,
            scope=pair.scope,
        )


class OAuthError(Struct):
    """As in RFC 6749, section 5.2."""

    error: str
    error_description: str


class KeySet(Struct):
    keys: list[dict[str, str]]


class _Refusal(Exception):
    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status

    def answer(self) -> Response[OAuthError]:
        body = OAuthError(self.error, self.description)
        return Response(body, status_code=self.status, headers=_PRIVATE)


@dataclass
class _FormOperation(Operation):
    """Says in the documentation what the route reads by itself, to refuse it in OAuth's words."""

    def __post_init__(self) -> None:
        text = Schema(type=OpenAPIType.STRING)
        schema = Schema(
            type=OpenAPIType.OBJECT,
            required=self._fields(),
            properties={
                **dict.fromkeys(self._fields(), text),
                "client_id": Schema(type=OpenAPIType.STRING, enum=[FIRST_PARTY]),
            },
        )
        self.request_body = RequestBody(
            content={_FORM: OpenAPIMediaType(schema=schema)}, required=True
        )

    def _fields(self) -> list[str]:
        return ["token", "client_id"]


@dataclass
class _TokenOperation(_FormOperation):
    def _fields(self) -> list[str]:
        return ["grant_type", "refresh_token", "client_id"]


_REFUSED = {
    400: ResponseSpec(OAuthError, description="The request or the grant is refused."),
    401: ResponseSpec(OAuthError, description="There is no such client."),
}


class OAuthController(Controller):
    path = "/oauth2"
    tags = ("OAuth 2",)

    @post(
        "/token",
        status_code=200,
        operation_class=_TokenOperation,
        responses={200: ResponseSpec(TokenAnswer, description="New tokens.")} | _REFUSED,
    )
    @served
    async def token(self, request: HttpRequest, refreshing: Given[Refreshing]) -> Response[Any]:
        """Swap a refresh token for new tokens, once: a used one ends its session."""
        try:
            form = await _form(request)
            client = _client(form)
            grant = _needed(form, "grant_type")
            if grant != "refresh_token":
                raise _Refusal("unsupported_grant_type", "Only refresh_token is supported.")  # noqa: TRY301
            pair = await refreshing.refresh(_needed(form, "refresh_token"), client)
        except GrantInvalid as error:
            return _Refusal("invalid_grant", error.detail).answer()
        except _Refusal as refusal:
            return refusal.answer()
        return Response(TokenAnswer.of(pair), headers=_PRIVATE)

    @post(
        "/revoke",
        status_code=200,
        operation_class=_FormOperation,
        responses={200: ResponseSpec(None, description="It is worthless now.")} | _REFUSED,
    )
    @served
    async def revoke(self, request: HttpRequest, sign_out: Given[SignOut]) -> Response[Any]:
        """End the session of an access or refresh token; one that is unknown is no error."""
        try:
            form = await _form(request)
            client = _client(form)
            await sign_out.revoke(_needed(form, "token"), client)
        except _Refusal as refusal:
            return refusal.answer()
        return Response(None, media_type=MediaType.TEXT, headers=_PRIVATE)

    @get("/jwks")
    @served
    async def keys(self, tokens: Given[Tokens]) -> Response[KeySet]:
        """The public keys that access tokens are signed with."""
        found = KeySet((await tokens.jwks())["keys"])
        return Response(found, headers={"Cache-Control": "public, max-age=300"})


async def _form(request: HttpRequest) -> dict[str, str]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != _FORM:
        raise _Refusal("invalid_request", f"The body must be {_FORM}.")
    try:
        text = (await request.body()).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise _Refusal("invalid_request", "The body cannot be read.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise _Refusal("invalid_request", "A parameter was sent twice.")
    return form


def _needed(form: dict[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise _Refusal("invalid_request", f"{name} is missing.")
    return value


def _client(form: dict[str, str]) -> str:
    if form.get("client_id") != FIRST_PARTY:
        raise _Refusal("invalid_client", "There is no such client.", 401)
    return FIRST_PARTY
