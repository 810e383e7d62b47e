"""What the storefront answers with: pages and redirects, as plain ASGI apps."""

from http.cookies import Morsel
from typing import Any
from urllib.parse import quote

from litestar.types import Receive, Scope, Send

from shop.entrypoints.http.asgi import Header

#: Everything that has a meaning in an address, and what is encoded already.
_URL = "/:?#[]@!$&'()*+,;=%~"


class Reply:
    """An answer whose headers can still be added to."""

    def __init__(self, status: int, body: bytes = b"", *headers: Header) -> None:
        self.status = status
        self.body = body
        self.headers = list(headers)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        length = (b"content-length", str(len(self.body)).encode())
        await send(
            {
                "type": "http.response.start",
                "status": self.status,
                "headers": [*self.headers, length],
            }
        )
        head = scope.get("method") == "HEAD"
        body = b"" if head else self.body
        await send({"type": "http.response.body", "body": body, "more_body": False})


def html(body: bytes, *, status: int = 200, form_action: str = "", keep: bool = False) -> Reply:
    """A page. `form_action` names other origins that its forms may lead to: the gateway's.

    Everything a page needs comes from the shop itself, but for pictures of imported products.
    """
    policy = (
        "default-src 'self'; img-src 'self' https:; object-src 'none'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self' {form_action}"
    )
    cache = b"private, no-cache" if keep else b"no-store"
    return Reply(
        status,
        body,
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-security-policy", policy.strip().encode()),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cache-control", cache),
    )


def see(location: str) -> Reply:
    """Go there with GET. What a header cannot hold is written in percent signs."""
    where = quote(location, safe=_URL).encode()
    return Reply(303, b"", (b"location", where), (b"cache-control", b"no-store"))


def cookie(name: str, value: str, *, secure: bool, lasts: int | None = None) -> Header:
    """Only the shop's own pages send it back, and no script can read it. 0 deletes it."""
    made: Morsel[Any] = Morsel()
    made.set(name, value, value)
    made["path"] = "/"
    made["httponly"] = True
    made["samesite"] = "Lax"
    if secure:
        made["secure"] = True
    if lasts is not None:
        made["max-age"] = str(lasts)
    return b"set-cookie", made.OutputString().encode()
