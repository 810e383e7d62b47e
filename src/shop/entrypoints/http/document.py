"""The OpenAPI document: what the framework reads off the routes, and what it cannot know.

The framework finds paths, parameters and bodies. Added here, in one place for all routes, are the
schemas as msgspec enforces them (the framework's own lose bounds and forbid nothing), headers,
who must be signed in, the refusals with their bodies, and examples.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from typing import Any

import msgspec
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import OpenAPI
from litestar.plugins import ReceiveRoutePlugin
from litestar.response import Response
from litestar.routes import BaseRoute, HTTPRoute
from msgspec import Struct

from shop.entrypoints.http.document_examples import example_of
from shop.entrypoints.http.problems import PROBLEM_JSON, Problem

Json = dict[str, Any]

#: Programs call these; pages, pictures and files are for browsers.
_PUBLISHED = ("/api/", "/oauth2/", "/payments/", "/webhooks/", "/.well-known/")
_JSON = "application/json"
_FORM = "multipart/form-data"
_READ = frozenset({"get", "head"})
_REF = "#/components/schemas/{name}"

_REFUSALS = {
    400: "The request is malformed; `errors` names the fields.",
    401: "Nobody is signed in, or the token does not hold.",
    403: "The permission is missing.",
    404: "There is no such thing, or it is not yours.",
    405: "The path is right and the method is not; see `Allow`.",
    409: "The present state forbids it; `code` says what.",
    410: "It was there, and is used up.",
    413: "The body is too large.",
    415: "The content type is not understood.",
    422: "The business forbids it; `code` says why.",
    429: "Too often; see `Retry-After`.",
    503: "Not now; see `Retry-After`.",
}
#: Parameters that mean the same wherever they stand.
_MEANINGS = {
    "limit": "At most so many items.",
    "cursor": "`next_cursor` of the page before; without it the list begins.",
    "product": "The product's id or slug.",
    "q": "How the number or the e-mail address begins.",
    "brand": "Only of this brand, as it is written.",
    "tag": "Only with this tag.",
    "min_rating": "Only rated so well on average, 1 to 5.",
    "in_stock": "Only what can be sold now, or only what cannot.",
    "sort": "The order of the list; `newest` by default, with `q` it is `relevance`.",
    "facets": "Also count brands, categories, tags and options among what is found.",
    "status": "Only those in this state.",
    "recipient": "Only to this e-mail address.",
    "since": "Only from this day on, in UTC.",
    "until": "Only up to this day, itself included.",
    "placed_from": "Only placed on this day or later.",
    "placed_until": "Only placed up to this day, itself included.",
}
_ALWAYS = frozenset({400, 405, 429, 503})
_OF_WRITES = frozenset({404, 409, 413, 415, 422})
_OF_CALLERS = frozenset({401, 403, 404})


def _text(description: str, **more: Any) -> Json:
    return {"description": description, "schema": {"type": "string", **more}}


_HEADERS: dict[str, Json] = {
    "X-Request-Id": _text("Names this request: the one that was sent, or a new one."),
    "Retry-After": {
        "description": "Seconds to wait.",
        "schema": {"type": "integer", "minimum": 0},
    },
    "RateLimit-Policy": _text('The quota, such as `"cart";q=600;w=60`.'),
    "RateLimit": _text('What is left of it, such as `"cart";r=599;t=60`.'),
    "WWW-Authenticate": _text("How to sign in."),
    "Allow": _text("The methods that this path has."),
    "ETag": _text("A hash of the bytes: the same on every replica."),
    "X-Cart-Token": _text("Opens the guest's cart that this call made."),
    "Idempotent-Replayed": _text("`true` when this is the first answer again.", enum=["true"]),
    "Location": _text("Where to go."),
}
_PARAMETERS: dict[str, Json] = {
    "CartToken": {
        "name": "X-Cart-Token",
        "in": "header",
        **_text("A guest's cart; not looked at when somebody is signed in."),
    },
    "OrderToken": {
        "name": "X-Order-Token",
        "in": "header",
        **_text("The `order_token` of a guest's checkout: opens that order."),
    },
    "OrderTokenInQuery": {
        "name": "order_token",
        "in": "query",
        **_text("The same as `X-Order-Token`, for links."),
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        **_text(
            "The same key and body give the first answer again.",
            minLength=1,
            maxLength=255,
            pattern="^[!-~]+$",
            examples=["order-1f0c"],
        ),
    },
    "IfNoneMatch": {"name": "If-None-Match", "in": "header", **_text("The `ETag` known so far.")},
    "LastEventId": {
        "name": "Last-Event-ID",
        "in": "header",
        **_text("Go on after this event.", pattern="^[0-9]{1,9}$"),
    },
    "Signature": {
        "name": "X-Razorpay-Signature",
        "in": "header",
        "required": True,
        **_text("HMAC-SHA256 of the body, in hexadecimal."),
    },
    "EventId": {"name": "X-Razorpay-Event-Id", "in": "header", **_text("Repeats have the same.")},
}

_CART = ("/api/v1/cart", "/api/v1/checkout", "/api/v1/shipping-methods", "/api/v1/payment-methods")
_ORDER = ("/api/v1/orders/{order_id}", "/api/v1/payments/{payment_id}")
_SIGNED_IN = ("/api/v1/admin/", "/api/v1/me", "/api/v1/addresses", "/api/v1/orders")
_SIGNED_IN_ONLY = frozenset({"/api/v1/updateuser", "/api/v1/logout", "/oauth2/userinfo"})
_CACHED = frozenset(
    {
        *("/api/v1/categories", "/api/v1/products", "/api/v1/products/{product}"),
        "/api/v1/search/suggest",
    }
)
#: POSTs that place an order, move money or stock.
_ONCE = (
    *("/checkout", "/cancel", "/refunds", "/adjustments", "/resend", "/payment-link", "/returns"),
    *("/pack", "/ship", "/deliver", "/tracking-events"),
)
_ALSO = {
    "/verify-email": 410,
    "/resetpassword/confirm": 410,
    "/login": 401,
    "/razorpay": 401,
    "/login/second-factor": 401,
    "/second-factor/options": 401,
    "/login/passkey": 401,
}

#: Where a guest's cart goes along.
_SIGN_IN = ("/login", "/login/second-factor", "/login/passkey")
_CALLBACK = "/payments/razorpay/callback"
_WEBHOOK = "/webhooks/razorpay"
_BACK = (
    *("razorpay_payment_id", "razorpay_payment_link_id", "razorpay_payment_link_reference_id"),
    *("razorpay_payment_link_status", "razorpay_signature"),
)
#: Bodies that routes read by themselves.
_READ_BY_THE_ROUTE: dict[str, Json] = {
    "/api/v1/me": {
        "type": "object",
        "properties": {"current_password": {"type": "string", "minLength": 1, "maxLength": 1024}},
        "additionalProperties": False,
    },
    _WEBHOOK: {
        "type": "object",
        "required": ["event"],
        "properties": {"event": {"type": "string"}, "payload": {"type": "object"}},
    },
    "/api/v1/admin/orders/{order_id}/cancel": {
        "type": "object",
        "properties": {"reason": {"type": "string", "maxLength": 200}},
        "additionalProperties": False,
    },
}


class Description(ReceiveRoutePlugin):
    """Gathers the routes, and completes what the framework made of them."""

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str], HTTPRouteHandler] = {}

    def receive_route(self, route: BaseRoute) -> None:
        if not isinstance(route, HTTPRoute) or not route.path_format.startswith(_PUBLISHED):
            return
        for handler in route.route_handlers:
            if not handler.resolve_include_in_schema():
                continue
            # Examples made by chance explain nothing and take seconds.
            specs = (handler.responses or {}).items()
            handler.responses = {at: replace(spec, generate_examples=False) for at, spec in specs}
            for method in handler.http_methods:
                self._handlers[route.path_format, method.lower()] = handler

    def complete(self, plain: Json) -> Json:
        """The whole document, made of what builtins JSON has."""
        document: Json = msgspec.to_builtins(plain)
        document["openapi"] = "3.1.0"
        components = document["components"]
        schemas = self._schemas(components.get("schemas", {}))
        paths = document["paths"]
        document["paths"] = {
            path: {
                method: self._operation(path, method, operation, schemas)
                for method, operation in sorted(paths[path].items())
                if (path, method) in self._handlers
            }
            for path in sorted(paths)
            if path.startswith(_PUBLISHED)
        }
        components["schemas"] = dict(sorted(schemas.items()))
        components["headers"] = _HEADERS
        components["parameters"] = _PARAMETERS
        components["responses"] = {f"Refusal{at}": _refusal(at, schemas) for at in _REFUSALS}
        operations = [one for item in document["paths"].values() for one in item.values()]
        tags = {tag for operation in operations for tag in operation["tags"]}
        document["tags"] = [{"name": tag} for tag in sorted(tags)]
        return document

    def _schemas(self, known: Json) -> Json:
        """As msgspec enforces them; what it does not know stays as the framework says."""
        kinds = {Problem, *(kind for one in self._handlers.values() for kind in _structs(one))}
        _, ours = msgspec.json.schema_components(
            sorted(kinds, key=lambda kind: kind.__name__), ref_template=_REF
        )
        for schema in ours.values():
            for name, field in schema.get("properties", {}).items():
                if name == "at" or name.endswith("_at"):
                    _as_time(field)
        return known | ours

    def _operation(self, path: str, method: str, operation: Json, schemas: Json) -> Json:
        handler = self._handlers[path, method]
        body = operation.get("requestBody")
        made: Json = {
            "operationId": _name(path, method),
            "tags": operation.get("tags", []),
            "summary": operation["summary"],
        }
        if text := operation.get("description"):
            made["description"] = text
            made["summary"] = text.partition(".")[0].partition(";")[0].partition(":")[0]
        given = [_parameter(one, handler) for one in operation.get("parameters") or []]
        made["parameters"] = [*given, *_more_parameters(path, method)]
        schema = _READ_BY_THE_ROUTE.get(path) if method not in _READ else None
        if schema is not None:
            body = {"required": path == _WEBHOOK, "content": {_JSON: {"schema": schema}}}
        elif (json_body := getattr(handler.fn, "json_body", None)) is not None:
            schema = {"$ref": _REF.format(name=json_body.kind.__name__)}
            body = {"required": True, "content": {_JSON: {"schema": schema}}}
        if body is not None:
            made["requestBody"] = _with_examples(body, schemas)
        made["security"] = security = _security(path, method)
        answers = {
            at: _answer(path, method, spec, schemas)
            for at, spec in operation["responses"].items()
            if PROBLEM_JSON not in spec.get("content", {}) and not _stock(at, spec)
        }
        if path == _CALLBACK:
            headers = _refs("Location", "X-Request-Id")
            answers = {"303": {"description": "On to the order's page.", "headers": headers}}
        if method == "get" and path in _CACHED:
            headers = _refs("ETag", "X-Request-Id")
            answers["304"] = {"description": "It is as you know it.", "headers": headers}
        for at in _refusals(path, method, guarded=bool(security)):
            answers.setdefault(str(at), {"$ref": f"#/components/responses/Refusal{at}"})
        made["responses"] = dict(sorted(answers.items()))
        return made


@dataclass
class DocumentConfig(OpenAPIConfig):
    """Makes the framework publish the completed document, whichever page asks for it."""

    description_of: Description | None = None

    def to_openapi_schema(self) -> OpenAPI:
        plain = super().to_openapi_schema()
        given = {field.name: getattr(plain, field.name) for field in fields(plain)}
        return _Document(**given, description_of=self.description_of)


@dataclass
class _Document(OpenAPI):
    description_of: Description | None = None

    def to_schema(self) -> Json:
        made: Json | None = self.__dict__.get("_made")
        if made is None:
            given = {field.name: getattr(self, field.name) for field in fields(OpenAPI)}
            assert self.description_of is not None  # noqa: S101 - the config says which
            made = self.__dict__["_made"] = self.description_of.complete(
                OpenAPI(**given).to_schema()
            )
        return deepcopy(made)


def _structs(handler: HTTPRouteHandler) -> Iterator[type[Struct]]:
    """The bodies that a route takes and gives."""
    kinds: list[Any] = [spec.data_container for spec in (handler.responses or {}).values()]
    signature = handler.parsed_fn_signature
    given = signature.return_type
    if given.is_subclass_of(Response):
        kinds += [inner.annotation for inner in given.inner_types]
    else:
        kinds.append(given.annotation)
    if (json_body := getattr(handler.fn, "json_body", None)) is not None:
        kinds.append(json_body.kind)
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, Struct):
            yield kind


def _as_time(field: Json) -> None:
    """All our times have a zone, which msgspec declares only where it checks it."""
    for one in (field, *field.get("anyOf", ())):
        if one.get("type") == "string":
            one["format"] = "date-time"


def _name(path: str, method: str) -> str:
    """`get_orders_by_order_id_tracking`: what generated clients call the operation."""
    plain = path.removeprefix("/api/v1").strip("/").replace("{", "by_").replace("}", "")
    return "_".join([method, *plain.replace("-", "_").replace(".", "_").split("/")])


def _security(path: str, method: str) -> list[Json]:
    if path.startswith(_ORDER) or path.startswith(_CART):
        return [{"bearer": []}, {}]
    signed_in = path.startswith(_SIGNED_IN) or path in _SIGNED_IN_ONLY
    if signed_in or (method == "post" and path.endswith("/reviews")):
        return [{"bearer": []}]
    return []


def _parameter(given: Json, handler: HTTPRouteHandler) -> Json:
    """Without `null`, which no query string can hold, and with all bounds."""
    schema: Json = dict(given["schema"])
    options = [one for one in schema.pop("oneOf", []) if one.get("type") != "null"]
    if options:
        schema = {**options[0], **schema}
    field = handler.parsed_fn_signature.parameters.get(given["name"])
    lowest = getattr(field and field.kwarg_definition, "ge", None)
    if lowest is not None:
        schema["minimum"] = lowest
    for bound in ("minimum", "maximum"):
        if schema.get("type") == "integer" and bound in schema:
            schema[bound] = int(schema[bound])
    schema.pop("description", None)
    if "$ref" in schema:
        schema = {"$ref": schema["$ref"]}
    made = {"name": given["name"], "in": given["in"], "required": given["required"]}
    if text := given.get("description") or _described(given["name"]):
        made["description"] = text
    return {**made, "schema": schema}


def _described(name: str) -> str:
    """What every route means by a parameter of that name."""
    if name.endswith("_id"):
        return f"The id of the {name.removesuffix('_id').replace('_', ' ')}."
    return _MEANINGS.get(name, "")


def _more_parameters(path: str, method: str) -> list[Json]:
    names: list[str] = []
    if path.startswith(_CART) or path.endswith(_SIGN_IN):
        names.append("CartToken")
    if path.startswith(_ORDER):
        names.append("OrderToken")
        if method == "get":
            names.append("OrderTokenInQuery")
    if method == "get" and path in _CACHED:
        names.append("IfNoneMatch")
    if path.endswith("/events") and method == "get":
        names.append("LastEventId")
    if path == _WEBHOOK:
        names += ["Signature", "EventId"]
    made: list[Json] = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    if path.endswith("/checkout"):
        made.append({**_PARAMETERS["IdempotencyKey"], "required": True})
    elif method == "post" and path.endswith(_ONCE) and "/verify-email" not in path:
        made.append({"$ref": "#/components/parameters/IdempotencyKey"})
    if path == _CALLBACK:
        made += [
            {"name": name, "in": "query", "required": True, "schema": {"type": "string"}}
            for name in _BACK
        ]
    return made


def _refusals(path: str, method: str, *, guarded: bool) -> set[int]:
    """Any route may be refused with any of these, as far as it knows of such a thing."""
    found = set(_ALWAYS)
    if method not in _READ:
        found |= _OF_WRITES
    if guarded:
        found |= _OF_CALLERS
    if "{" in path or path == _CALLBACK:
        found.add(404)
    if path.endswith(".pdf"):
        found.add(409)
    return found | {code for tail, code in _ALSO.items() if path.endswith(tail)}


def _answer(path: str, method: str, spec: Json, schemas: Json) -> Json:
    names = ["X-Request-Id"]
    if method == "get" and path in _CACHED:
        names.append("ETag")
    if path.startswith("/api/v1/cart"):
        names.append("X-Cart-Token")
    if method == "post" and path.endswith(_ONCE):
        names.append("Idempotent-Replayed")
    if path.startswith(_CART):
        names += ["RateLimit-Policy", "RateLimit"]
    made = {"description": spec["description"], "headers": _refs(*names)}
    return (
        _with_examples(made | {"content": spec["content"]}, schemas) if "content" in spec else made
    )


def _refusal(at: int, schemas: Json) -> Json:
    names = ["X-Request-Id"]
    if at in {429, 503}:
        names.append("Retry-After")
    if at == 429:  # noqa: PLR2004
        names += ["RateLimit-Policy", "RateLimit"]
    if at == 401:  # noqa: PLR2004
        names.append("WWW-Authenticate")
    if at == 405:  # noqa: PLR2004
        names.append("Allow")
    schema = {"$ref": _REF.format(name="Problem")}
    example = example_of(schema, schemas) | {"status": at}
    content = {PROBLEM_JSON: {"schema": schema, "example": example}}
    return {"description": _REFUSALS[at], "headers": _refs(*names), "content": content}


def _with_examples(holder: Json, schemas: Mapping[str, Json]) -> Json:
    content = {}
    for kind, medium in holder["content"].items():
        content[kind] = {"schema": medium["schema"]}
        if kind == _JSON or kind.endswith("urlencoded"):
            content[kind]["example"] = example_of(medium["schema"], schemas)
    return {**holder, "content": content}


def _refs(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _stock(at: str, spec: Json) -> bool:
    """The framework's own idea of a 400, which is not how we refuse."""
    schema = spec.get("content", {}).get(_JSON, {}).get("schema", {})
    return at == "400" and "status_code" in schema.get("properties", {})
