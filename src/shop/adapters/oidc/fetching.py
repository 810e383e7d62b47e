"""Asking a provider's servers: briefly, little, and not when they are known to be down."""

import asyncio
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from msgspec import Struct

from shop.core.users.linked import ProviderDown
from shop.ports.system import Clock

if TYPE_CHECKING:
    import httpx

#: Seconds for a whole exchange, from the connection to the last byte.
PATIENCE = 5.0
_MOST_BYTES = 256 << 10
#: Who comes while so many wait is told at once that the provider is slow.
_AT_ONCE = 16
#: So many failures in a row, and the provider is left alone for a while.
_FAILURES = 3
_REST = timedelta(seconds=15)
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_DOWN = "The service cannot be reached right now. Please try again in a moment."


class Fetched(Struct, frozen=True):
    status: int
    body: dict[str, Any]


def is_safe(url: object, *, development: bool) -> bool:
    """Whether secrets may go there: by TLS, or in development to this very machine."""
    if not isinstance(url, str) or not url.isascii() or any(c <= " " for c in url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (development and parts.scheme == "http" and host in _LOOPBACK)


def down(cause: str) -> ProviderDown:
    return ProviderDown(_DOWN, cause=cause)


class Fetcher:
    """One for each provider, so that a slow one holds up nobody else's."""

    def __init__(self, clock: Clock, *, development: bool, patience: float = PATIENCE) -> None:
        self._clock = clock
        self._patience = patience
        self._development = development
        self._client: httpx.AsyncClient | None = None
        self._under_way = 0
        self._failures = 0
        self._rests_until: datetime | None = None

    async def get(self, url: str, *, bearer: str = "") -> Fetched:
        """Raises `ProviderDown` for everything but an object in JSON."""
        headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        return await self._asked("GET", url, headers, None)

    async def post(self, url: str, form: Mapping[str, str], headers: Mapping[str, str]) -> Fetched:
        return await self._asked("POST", url, headers, form)

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def _asked(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Fetched:
        if not is_safe(url, development=self._development):
            raise down("an address without TLS")
        if self._rests_until is not None and self._clock.now() < self._rests_until:
            raise down("failed several times, and rests")
        if self._under_way >= _AT_ONCE:
            raise down("too many wait already")
        self._under_way += 1
        try:
            found = await self._exchange(method, url, headers, form)
        except ProviderDown:
            self._failures += 1
            if self._failures >= _FAILURES:
                self._rests_until = self._clock.now() + _REST
            raise
        finally:
            self._under_way -= 1
        self._failures = 0
        self._rests_until = None
        return found

    async def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], form: Mapping[str, str] | None
    ) -> Fetched:
        import httpx  # noqa: PLC0415 - a tenth of a start, and many shops have no provider

        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=self._patience,
                follow_redirects=False,
                limits=httpx.Limits(max_connections=_AT_ONCE, max_keepalive_connections=2),
                headers={"Accept": "application/json", "User-Agent": "shop"},
            )
        try:
            async with (
                asyncio.timeout(self._patience),
                self._client.stream(method, url, headers=dict(headers), data=form) as answer,
            ):
                return Fetched(answer.status_code, _object(await _body(answer)))
        except TimeoutError:
            raise down("took too long") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise down(type(error).__name__) from error


async def _body(answer: "httpx.Response") -> bytes:
    if answer.is_server_error or answer.is_redirect:
        raise down(f"answered {answer.status_code}")
    read = bytearray()
    async for chunk in answer.aiter_bytes():
        read += chunk
        if len(read) > _MOST_BYTES:
            raise down("answered too much")
    return bytes(read)


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise down("answered no JSON") from None
    if not isinstance(found, dict):
        raise down("answered no object")
    return found
