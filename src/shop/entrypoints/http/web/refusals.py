"""Refusals in words for people."""

from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ASGIApp, ExceptionHandlersMap, Scope
from msgspec import Struct

from shop.core.kernel.errors import Limited, ShopError, Unavailable
from shop.entrypoints.http import asgi, edge
from shop.entrypoints.http.problems import PROBLEMS, status_of
from shop.entrypoints.http.web.rendering import Look
from shop.entrypoints.http.web.replies import html

_TITLES = {
    400: "That did not work",
    401: "Please sign in",
    403: "Not allowed",
    404: "We cannot find this page",
    405: "Nothing to see here",
    410: "This link is used up",
    429: "A little too fast",
    500: "Something went wrong",
    503: "One moment, please",
}
_WORDS = {
    400: "The address or the form is not complete.",
    404: "It may have moved, or the link is not quite right.",
    405: "This address only takes a form. Please go back to the page that you filled in.",
    500: "The fault is ours and has been noted. Please try again.",
    503: "The shop is busy right now. Please try again in a moment.",
}
#: Paths whose callers are programs.
_PROGRAMS = ("/api/", "/oauth2/", "/webhooks/", "/.well-known/", "/media/", "/static/", "/docs")
_OURS = 500


class Told(Struct, frozen=True):
    status: int
    title: str
    words: str
    retry_after: int = 0


def refusal(error: ShopError) -> Told:
    status = status_of(error)
    wait = 0
    if isinstance(error, Limited):
        wait = error.retry_after
    elif isinstance(error, Unavailable):
        wait = 1
    return told(status, error.detail, wait)


def told(status: int, detail: str = "", wait: int = 0) -> Told:
    title = _TITLES.get(status, "That did not work")
    return Told(status, title, _WORDS.get(status, detail), wait)


def _for_people(scope: Scope | asgi.Scope) -> bool:
    if scope["path"].startswith(_PROGRAMS):
        return False
    return any(b"text/html" in value for name, value in scope["headers"] if name == b"accept")


def make_page(look: Look, shop: str) -> edge.Page:
    """What the edge tells people whom it lets no further."""

    def page(scope: asgi.Scope, status: int, detail: str) -> tuple[list[asgi.Header], bytes] | None:
        if not _for_people(scope):
            return None
        body = look.render("bare.html", told=told(status, detail), shop=shop)
        return html(body, status=status).headers, body

    return page


def _page_or_problem(kind: type[Exception]) -> Any:
    problem: Any = PROBLEMS[kind]

    def handler(request: Request[Any, Any, Any], error: Any) -> Response[Any] | ASGIApp:
        answer: Response[Any] = problem(request, error)  # it also writes the log
        if not _for_people(request.scope):
            return answer
        status = answer.status_code or _OURS
        detail = error.detail if isinstance(error, (ShopError, HTTPException)) else ""
        front = request.app.state.get("front")
        body = request.app.state.look.render(
            "bare.html", told=told(status, detail), shop=front.shop_name if front else "Shop"
        )
        page = html(body, status=status)
        kept = (b"allow", b"retry-after")
        headers = {k.decode(): v.decode() for k, v in page.headers}
        headers |= {k: v for k, v in (answer.headers or {}).items() if k.lower().encode() in kept}
        return Response(body, status_code=status, headers=headers, media_type="text/html")

    return handler


#: In place of `PROBLEMS`: the same answers for programs, pages for people.
REFUSALS: ExceptionHandlersMap = {kind: _page_or_problem(kind) for kind in PROBLEMS}  # type: ignore[arg-type]
