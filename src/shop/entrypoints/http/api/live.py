"""An order's timeline as server-sent events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import msgspec

from shop.core.kernel.errors import ShopError, Unavailable
from shop.core.orders.model import Order, TimelineEntry
from shop.entrypoints.http.api.views import TimelineView
from shop.entrypoints.http.edge import LameDuck

PAUSE = 0.5
_BEATS = 30  # looks without news after which a comment keeps proxies from hanging up
_LOOKS = 600  # then the browser connects anew and goes on where it was

_encode = msgspec.json.Encoder().encode


class Streams:
    """Keeps streams a part of all requests: each looks twice a second for minutes, and one order is
    enough to open as many as there are connections.
    """

    def __init__(self, most: int = 1_000) -> None:
        self._most = most
        self._open = 0

    def room(self) -> None:
        """Raises `Unavailable` where there is none for another."""
        if self._open >= self._most:
            raise Unavailable("Too many watch their orders; please try again.")

    async def counted(self, stream: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            async for part in stream:
                yield part
        finally:
            self._open -= 1


async def follow(
    look: Callable[[], Awaitable[Order]],
    after: int,
    duck: LameDuck,
    *,
    pause: float = PAUSE,
    looks: int = _LOOKS,
) -> AsyncIterator[bytes]:
    """What happened after entry number `after`, then what happens, as it is stored.

    `look` is asked each time whether this may be seen still: where a session has ended, so has the
    stream. It ends too when the server begins to stop: the browser then connects anew, to another
    replica or to the next process, and misses nothing.
    """
    yield b"retry: 1000\n\n"
    quiet = 0
    for turn in range(looks):
        if turn:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await duck.begun()
        if duck.active:
            return
        try:
            order = await look()
        except ShopError:
            return  # whoever connects anew is told why
        news = [entry for entry in order.timeline if entry.seq > after]
        for entry in news:
            after = entry.seq
            yield _frame(entry)
        quiet = 0 if news else quiet + 1
        if quiet == _BEATS:
            quiet = 0
            yield b": still here\n\n"


def _frame(entry: TimelineEntry) -> bytes:
    data = _encode(TimelineView.of(entry))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.seq, entry.kind.encode(), data)
