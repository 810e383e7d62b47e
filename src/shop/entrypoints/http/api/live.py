"""An order's timeline as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import msgspec

from shop.core.kernel.ids import OrderId
from shop.core.orders.model import TimelineEntry
from shop.entrypoints.http.api.views import TimelineView
from shop.entrypoints.http.edge import LameDuck
from shop.ports.orders import OrderReads

PAUSE = 0.5
_BEATS = 30  # looks without news after which a comment keeps proxies from hanging up
_LOOKS = 600  # then the browser connects anew and goes on where it was

_encode = msgspec.json.Encoder().encode


async def follow(
    reads: OrderReads,
    order_id: OrderId,
    after: int,
    duck: LameDuck,
    *,
    pause: float = PAUSE,
    looks: int = _LOOKS,
) -> AsyncIterator[bytes]:
    """What happened after entry number `after`, then what happens, as it is stored.

    It ends when the server begins to stop: the browser then connects anew, to another replica or
    to the next process, and misses nothing.
    """
    yield b"retry: 1000\n\n"
    quiet = 0
    for look in range(looks):
        if look:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await duck.begun()
        if duck.active:
            return
        order = await reads.get(order_id)
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
