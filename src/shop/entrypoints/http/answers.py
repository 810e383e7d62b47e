"""Answers that are cheap to give, for the routes that many call at once."""

from typing import Any

import msgspec
from litestar.types import Receive, Scope, Send

from shop.entrypoints.http.asgi import Header

_encode = msgspec.json.Encoder().encode
_JSON = (b"content-type", b"application/json")
_PRIVATE = (b"cache-control", b"no-store")
_REPLAYED = (b"idempotent-replayed", b"true")


class Answer:
    """A JSON answer as bytes: what a framework's response class adds costs more than many routes.

    Litestar sends it as it is (any ASGI app may be a route's answer); the route declares its
    body by `responses=`.
    """

    __slots__ = ("_body", "_headers", "_status")

    def __init__(self, body: bytes, *headers: Header, status: int = 200) -> None:
        self._body = body
        self._status = status
        length = (b"content-length", str(len(body)).encode())
        self._headers = [_JSON, length, _PRIVATE, *headers]

    @classmethod
    def of(cls, view: Any, *headers: Header, status: int = 200) -> "Answer":
        return cls(_encode(view), *headers, status=status)

    @classmethod
    def once(cls, body: bytes, *, replayed: bool, status: int = 200) -> "Answer":
        """To a request with an idempotency key: `replayed` says that it was answered before."""
        return cls(body, *([_REPLAYED] if replayed else []), status=status)

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        await send(
            {"type": "http.response.start", "status": self._status, "headers": self._headers}
        )
        body = b"" if scope.get("method") == "HEAD" else self._body
        await send({"type": "http.response.body", "body": body, "more_body": False})
