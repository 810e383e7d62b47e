"""The `Idempotency-Key` of a request, and what the request was."""

import hashlib
import re

from shop.core.kernel.errors import Malformed
from shop.entrypoints.http.raw import body, header
from shop.entrypoints.http.served import HttpRequest, Route
from shop.ports.idempotency import IdempotencyKey

_VISIBLE = re.compile(r"[\x21-\x7e]{1,255}")


class KeyMissing(Malformed):
    code = "idempotency-key-missing"


def key_of(request: HttpRequest, caller: str) -> IdempotencyKey | None:
    """Raises `Malformed` for a key that is not 1 to 255 visible characters."""
    key = header(request.scope, b"idempotency-key")
    if key is None:
        return None
    if not _VISIBLE.fullmatch(key):
        raise Malformed(
            "An idempotency key has 1 to 255 visible characters.",
            field="Idempotency-Key",
            kind="format",
        )
    return IdempotencyKey(key, caller)


def required_key(request: HttpRequest, caller: str) -> IdempotencyKey:
    key = key_of(request, caller)
    if key is None:
        raise KeyMissing(
            "Send an Idempotency-Key, so that a repeat cannot order twice.",
            field="Idempotency-Key",
            kind="missing",
        )
    return key


def keyed(route: Route) -> Route:
    """Refuse what has no key before its body is looked at. Put it below `served`."""
    route.before_body = lambda request: required_key(request, "")  # type: ignore[attr-defined]
    return route


async def digest_of(request: HttpRequest) -> bytes:
    """SHA-256 of method, path and raw body: another request under the same key is refused."""
    scope = request.scope
    head = f"{scope['method']} {scope['path']}\n".encode()
    return hashlib.sha256(head + await body(scope, request.receive)).digest()
