"""The API document as a page for people: made on the server, so that it needs nothing from outside.

Swagger UI, with its buttons to try calls, stands beside it where its package is installed.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from litestar import Request, Router
from litestar.datastructures import ResponseHeader
from litestar.openapi.plugins import OpenAPIRenderPlugin
from msgspec import Struct

from shop.entrypoints.http.swagger import swagger_folder
from shop.entrypoints.http.web.rendering import Look

Json = dict[str, Any]

_SCHEMAS = "#/components/schemas/"
_METHODS = ("get", "post", "put", "patch", "delete")
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)


class Field(Struct, frozen=True):
    """A parameter, header or property. `link` is the schema that `kind` names, if any."""

    name: str
    kind: str
    link: str
    needed: bool
    text: str


class Body(Struct, frozen=True):
    kind: str
    link: str
    example: str


class Answer(Struct, frozen=True):
    status: str
    text: str
    bodies: list[Body]


class Operation(Struct, frozen=True):
    id: str
    method: str
    path: str
    text: str
    signed_in: bool
    parameters: list[Field]
    bodies: list[Body]
    answers: list[Answer]
    refusals: list[str]


class Schema(Struct, frozen=True):
    name: str
    text: str
    fields: list[Field]


class Reference(OpenAPIRenderPlugin):
    """Rendered once: the document does not change while a process lives."""

    def __init__(self, look: Look) -> None:
        super().__init__(path="/")
        self._look = look
        self._page: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: Json) -> bytes:  # noqa: ARG002
        if self._page is None:
            self._page = self._look.render("docs.html", **page_of(openapi_schema))
        return self._page

    def receive_router(self, router: Router) -> None:
        router.response_headers = [ResponseHeader(name="content-security-policy", value=POLICY)]


def page_of(document: Json) -> Json:
    """What the template shows."""
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                made = _operation(document, path, method, methods[method])
                for tag in methods[method]["tags"] or ["More"]:
                    groups.setdefault(tag, []).append(made)
    schemas = document["components"]["schemas"]
    return {
        "shop": document["info"]["title"],
        "version": document["info"]["version"],
        "about": document["info"]["description"].strip().split("\n\n"),
        "groups": sorted(groups.items()),
        "schemas": [_schema(name, schemas[name]) for name in sorted(schemas)],
        "swagger": swagger_folder() is not None,
    }


def _operation(document: Json, path: str, method: str, told: Json) -> Operation:
    answers, refusals = [], []
    for status, answer in told["responses"].items():
        if "$ref" in answer:
            refusals.append(status)
        else:
            bodies = list(_bodies(answer))
            answers.append(Answer(status, answer["description"], bodies))
    return Operation(
        id=told["operationId"],
        method=method.upper(),
        path=path,
        text=told.get("description") or told["summary"],
        signed_in={"bearer": []} in told["security"],
        parameters=[_parameter(_known(document, one)) for one in told["parameters"]],
        bodies=list(_bodies(told.get("requestBody", {}))),
        answers=answers,
        refusals=refusals,
    )


def _known(document: Json, one: Json) -> Json:
    if "$ref" not in one:
        return one
    _, _, kind, name = one["$ref"].split("/")
    found: Json = document["components"][kind][name]
    return found


def _parameter(one: Json) -> Field:
    kind, link = kind_of(one["schema"])
    where = "" if one["in"] == "query" else f"in the {one['in']}. "
    text = where + one.get("description", "")
    return Field(one["name"], kind, link, one.get("required", False), text)


def _bodies(holder: Json) -> Iterator[Body]:
    for medium, told in holder.get("content", {}).items():
        kind, link = kind_of(told["schema"])
        example = told.get("example")
        text = "" if example is None else _pretty(example)
        yield Body(f"{medium}: {kind}" if kind else medium, link, text)


def _pretty(example: Any) -> str:
    return msgspec.json.format(msgspec.json.encode(example), indent=2).decode()


def _schema(name: str, told: Json) -> Schema:
    needed = set(told.get("required", ()))
    fields = []
    for field, schema in told.get("properties", {}).items():
        kind, link = kind_of(schema)
        fields.append(Field(field, kind, link, field in needed, schema.get("description", "")))
    return Schema(name, told.get("description", ""), fields)


def kind_of(schema: Json) -> tuple[str, str]:
    """How the type is called, and the schema it leads to, if any."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_SCHEMAS)
        return name, name
    choices = schema.get("anyOf") or schema.get("oneOf")
    if choices:
        found = [kind_of(one) for one in choices]
        links = [link for _, link in found if link]
        return " or ".join(kind for kind, _ in found), links[0] if links else ""
    if "enum" in schema:
        return " or ".join(f'"{value}"' for value in schema["enum"]), ""
    kind = schema.get("type", "anything")
    if kind == "array":
        inner, link = kind_of(schema.get("items", {}))
        return f"list of {inner}", link
    named = " or ".join(kind) if isinstance(kind, list) else str(kind)
    limits = [schema["format"]] if "format" in schema else []
    limits += [
        f"{sign} {schema[limit]}"
        for limit, sign in (("minimum", "≥"), ("maximum", "≤"), ("maxLength", "length ≤"))
        if limit in schema
    ]
    return f"{named} ({', '.join(limits)})" if limits else named, ""
