"""Every refusal as an RFC 9457 problem document."""

import re
from typing import Any

import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap
from msgspec import UNSET, Struct, UnsetType

from shop.core.kernel import errors
from shop.core.kernel.context import correlation
from shop.core.kernel.errors import ShopError
from shop.entrypoints.http.wording import readable

log = structlog.get_logger()

_MISSING = re.compile(r"missing required field `([^`]+)`")

STATUS: dict[type[ShopError], int] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Denied: 403,
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.Conflict: 409,
    errors.Invalid: 422,
    errors.Limited: 429,
    errors.Unavailable: 503,
    ShopError: 400,
}
#: What the framework refuses before a route is reached.
CODES = {
    400: "validation-failed",
    401: "unauthenticated",
    403: "denied",
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "unsupported-media-type",
    429: "rate-limited",
    503: "unavailable",
}
#: A bug, and a refusal of the framework that has no code above.
INTERNAL = "internal-error"
OTHER = "http-error"
PROBLEM_JSON = "application/problem+json"
#: Seconds after which a client may try again when the shop is too busy to answer.
RETRY_AFTER = 1


class FieldError(Struct):
    field: str
    code: str
    message: str


class Problem(Struct, omit_defaults=True):
    """`code` is stable; `detail` is for people and may change; `facts` are for programs."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    instance: str = ""
    request_id: str = ""
    facts: dict[str, Any] | UnsetType = UNSET
    errors: list[FieldError] | UnsetType = UNSET


def status_of(error: ShopError) -> int:
    return status_of_kind(type(error))


def status_of_kind(kind: type[ShopError]) -> int:
    return next(STATUS[one] for one in kind.__mro__ if one in STATUS)


def expected(request: Request[Any, Any, Any], error: ShopError) -> Response[Problem]:
    fields: list[FieldError] | UnsetType = UNSET
    if isinstance(error, errors.Malformed):
        fields = [FieldError(error.field, error.kind, error.detail)]
    headers: dict[str, str] = {}
    if isinstance(error, errors.Limited):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, errors.Unavailable):
        headers["Retry-After"] = str(RETRY_AFTER)
    elif isinstance(error, errors.Unauthenticated):
        headers["WWW-Authenticate"] = "Bearer"
    problem = problem_of(request, status_of(error), error.code, error.detail)
    problem.facts = error.facts or UNSET
    problem.errors = fields
    return _answer(problem, headers)


def refused(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    status = error.status_code
    if status >= 500:  # noqa: PLR2004 - a framework error that is ours to mend
        return unexpected(request, error)
    problem = problem_of(request, status, CODES.get(status, OTHER), error.detail)
    if isinstance(error, ValidationException):
        problem.detail = "The request is not well-formed."
        found = [_field(one) for one in error.extra or [] if isinstance(one, dict)]
        problem.errors = found or UNSET
    return _answer(problem, dict(error.headers or {}))


def unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    # Never the path: it may hold the token of an order.
    log.error("unhandled", route=request.scope.get("path_template", ""), exc_info=error)
    sorry = "Something went wrong on our side."
    return _answer(problem_of(request, 500, INTERNAL, sorry), {})


def problem_of(request: Request[Any, Any, Any], status: int, code: str, detail: str) -> Problem:
    return Problem(
        type=f"/problems/{code}",
        title=code.replace("-", " ").capitalize(),
        status=status,
        code=code,
        detail=detail,
        instance=request.scope["path"],
        request_id=correlation.get(),
    )


def _field(one: dict[str, Any]) -> FieldError:
    message = str(one.get("message", ""))
    if missing := _MISSING.search(message):  # the framework names the form, and not its field
        return FieldError(field=missing[1], code="missing", message=readable(message))
    return FieldError(field=str(one.get("key", "")), code="value", message=readable(message))


def _answer(problem: Problem, headers: dict[str, str]) -> Response[Problem]:
    return Response(
        problem,
        status_code=problem.status,
        media_type=PROBLEM_JSON,
        headers=headers,
    )


PROBLEMS: ExceptionHandlersMap = {
    ShopError: expected,
    HTTPException: refused,
    Exception: unexpected,
}
