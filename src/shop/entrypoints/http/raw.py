"""A request as it came: what a framework's views of it would cost more than many a route."""

from litestar.exceptions import ClientException
from litestar.types import Receive, Scope

_BODY = "shop.body"


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name, which is given in lower case."""
    for key, value in scope["headers"]:
        if key == name:
            return value.decode("latin-1")
    return None


async def body(scope: Scope, receive: Receive) -> bytes:
    """The whole body; read once, however often asked for. The edge bounds its size."""
    kept: bytes | None = scope.get(_BODY)  # type: ignore[assignment]
    if kept is not None:
        return kept
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientException("The body broke off.")
        parts.append(message["body"])
        if not message["more_body"]:
            break
    whole = parts[0] if len(parts) == 1 else b"".join(parts)
    scope[_BODY] = whole  # type: ignore[literal-required]
    return whole
