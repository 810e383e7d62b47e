"""Sends the sandbox's webhooks to the shop, again and again until they arrive."""

import asyncio
import ssl
from datetime import timedelta
from urllib.parse import urlsplit

from msgspec.structs import replace

from shop.adapters.sandbox.gateway import SandboxGateway
from shop.ports.sandbox import SandboxBooks, SandboxHook
from shop.ports.system import Clock, Ids

_BATCH = 32
_TIMEOUT = 5.0
#: So long they are this process's to deliver: all of a batch are sent at once.
_HELD = timedelta(seconds=2 * _TIMEOUT)
_LONGEST_PAUSE = 60.0
#: About a day of trying.
_TRIES = 1_500
_STATUS_LINE = 1_024


class SandboxWebhooks:
    """`url` is the shop's own webhook address."""

    def __init__(
        self, books: SandboxBooks, gateway: SandboxGateway, clock: Clock, ids: Ids, url: str
    ) -> None:
        self._books = books
        self._gateway = gateway
        self._clock = clock
        self._ids = ids
        self._url = url

    async def deliver_due(self) -> int:
        """Returns how many arrived; those that did not are tried again after a growing pause."""
        now = self._clock.now()
        if not await self._books.due(now, 1):  # a look costs less than a write
            return 0
        due = await self._books.take_due(now, now + _HELD, _BATCH)
        arrived = await asyncio.gather(*(self._deliver(hook) for hook in due))
        done = [hook.id for hook, there in zip(due, arrived, strict=True) if there]
        again = [self._later(hook) for hook, there in zip(due, arrived, strict=True) if not there]
        given_up = [hook.id for hook in again if hook.attempts >= _TRIES]
        await self._books.sent(
            [*done, *given_up], [hook for hook in again if hook.attempts < _TRIES]
        )
        return len(done)

    async def _deliver(self, hook: SandboxHook) -> bool:
        headers = {
            "Content-Type": "application/json",
            "X-Razorpay-Signature": self._gateway.sign(hook.body),
            "x-razorpay-event-id": hook.id,
        }
        try:
            async with asyncio.timeout(_TIMEOUT):
                status = await post(self._url, hook.body, headers)
        except (OSError, TimeoutError, ValueError):
            return False
        return 200 <= status < 300  # noqa: PLR2004 - any success

    def _later(self, hook: SandboxHook) -> SandboxHook:
        longest = min(_LONGEST_PAUSE, 0.25 * 2.0 ** min(hook.attempts, 16))
        pause = longest * (0.5 + self._ids.secret(1)[0] / 510)
        later = self._clock.now() + timedelta(seconds=pause)
        return replace(hook, attempts=hook.attempts + 1, next_try_at=later)


async def post(url: str, body: bytes, headers: dict[str, str]) -> int:
    """One HTTP/1.1 POST on a connection of its own; returns the status of the answer."""
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    reader, writer = await asyncio.open_connection(
        parts.hostname, port, ssl=ssl.create_default_context() if secure else None
    )
    try:
        lines = [
            f"POST {parts.path or '/'} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        writer.write("\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body)
        await writer.drain()
        first = await reader.readline()
        version, status, *_ = [*first[:_STATUS_LINE].split(maxsplit=2), b"", b""]
        if not version.startswith(b"HTTP/1."):
            raise ValueError(first)
        return int(status)
    finally:
        writer.close()
