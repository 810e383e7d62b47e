"""What OAuth's endpoints read, who sends it, and how they refuse."""

from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from litestar import Request, Response
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.types import ExceptionHandlersMap
from msgspec import Struct

from shop.core.kernel.errors import ShopError
from shop.core.users.clients import (
    Client,
    ClientInvalid,
    ClientUnauthorized,
    ScopeInvalid,
)
from shop.core.users.granting import ClientAuthentication
from shop.core.users.model import GrantInvalid
from shop.entrypoints.http.raw import body, header
from shop.entrypoints.http.served import HttpRequest

FORM = "application/x-www-form-urlencoded"
PRIVATE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_MOST_FIELDS = 32
_CODES: dict[type[ShopError], str] = {
    ClientInvalid: "invalid_client",
    ClientUnauthorized: "unauthorized_client",
    GrantInvalid: "invalid_grant",
    ScopeInvalid: "invalid_scope",
}


class OAuthError(Struct):
    """As in RFC 6749, section 5.2."""

    error: str
    error_description: str


class Refusal(Exception):
    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status

    @classmethod
    def of(cls, error: ShopError) -> "Refusal":
        """In the words of RFC 6749."""
        code = _CODES[type(error)]
        return cls(code, error.detail, 401 if code == "invalid_client" else 400)

    def answer(self) -> Response[Any]:
        headers = PRIVATE
        if self.status == 401:  # noqa: PLR2004
            headers = PRIVATE | {"WWW-Authenticate": 'Basic realm="shop"'}
        body = OAuthError(self.error, self.description)
        return Response(body, status_code=self.status, headers=headers)


def _in_oauths_words(_: Request[Any, Any, Any], error: Any) -> Response[Any]:
    return (error if isinstance(error, Refusal) else Refusal.of(error)).answer()


#: How the endpoints' refusals, and those of the core, are answered.
HANDLERS: ExceptionHandlersMap = dict.fromkeys((Refusal, *_CODES), _in_oauths_words)
REFUSALS = {
    400: ResponseSpec(OAuthError, description="The request or the grant is refused."),
    401: ResponseSpec(OAuthError, description="There is no such client, or it proved nothing."),
}


@dataclass
class FormOperation(Operation):
    """Says in the documentation what the route reads by itself, to refuse it in OAuth's words."""

    required_fields: ClassVar[tuple[str, ...]] = ("token",)
    more_fields: ClassVar[tuple[str, ...]] = ("token_type_hint", "client_id", "client_secret")

    def __post_init__(self) -> None:
        names = (*self.required_fields, *self.more_fields)
        schema = Schema(
            type=OpenAPIType.OBJECT,
            required=list(self.required_fields),
            properties={name: Schema(type=OpenAPIType.STRING) for name in names},
        )
        self.request_body = RequestBody(
            content={FORM: OpenAPIMediaType(schema=schema)}, required=True
        )


async def read(request: HttpRequest) -> dict[str, str]:
    """The form; a field without a value is as good as left out. Raises `Refusal`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != FORM:
        raise Refusal("invalid_request", f"The body must be {FORM}.")
    try:
        text = (await body(request.scope, request.receive)).decode()
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Refusal("invalid_request", "The body cannot be read.") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise Refusal("invalid_request", "A parameter was sent twice.")
    return {name: value for name, value in form.items() if value}


def needed(form: dict[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise Refusal("invalid_request", f"{name} is missing.")
    return value


async def client_of(
    request: HttpRequest, form: dict[str, str], clients: ClientAuthentication
) -> Client:
    """Who sends it, by Basic header or by the form. Raises `Refusal` or `ClientInvalid`."""
    given = header(request.scope, b"authorization") or ""
    if given.partition(" ")[0].lower() != "basic":
        name = form.get("client_id")
        if name is None:
            raise Refusal("invalid_client", "Say who you are: client_id is missing.", 401)
        return await clients.check(name, form.get("client_secret"))
    from shop.entrypoints.http import oauth_grammar  # noqa: PLC0415 - dear to import

    found = oauth_grammar.basic(given)
    if found is None:
        raise Refusal("invalid_client", "The Authorization header cannot be read.", 401)
    if "client_secret" in form or form.get("client_id", found[0]) != found[0]:
        raise Refusal("invalid_request", "Say only once who you are.")
    return await clients.check(*found)
