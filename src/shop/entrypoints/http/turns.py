"""Room for others, between those who keep the event loop busy for long."""

import asyncio
from collections import deque

#: Seconds that the loop may be busy before it looks around again, about.
_LONG = 0.01
_LEAST, _MOST = 4, 64


class Turns:
    """Lets about as many requests begin in one turn of the event loop as end in ten milliseconds,
    judging by the last ones; the others queue for the next. What goes on after it has waited for
    something is not counted.

    Otherwise all who came meanwhile would be answered before anything else is looked at: with a
    thousand pages to make the loop hears for a second neither of new requests nor of what the
    database answered, and changes of the catalogue count as unknown.
    """

    def __init__(self) -> None:
        self._fit = self._left = 2 * _LEAST
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False
        self._since = 0.0

    async def take(self) -> None:
        """Wait for a place; who came first goes first."""
        loop = asyncio.get_running_loop()
        if not self._turning:
            self._turn_next(loop)
        if self._left and not self._waiting:
            self._left -= 1
            return
        place: asyncio.Future[None] = loop.create_future()
        self._waiting.append(place)
        await place

    def _turn_next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._turning, self._since = True, loop.time()
        loop.call_soon(self._turn, loop)

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        if begun := self._fit - self._left:
            each = (loop.time() - self._since) / begun
            fit = int(_LONG / each) if each * _MOST > _LONG else _MOST
            self._fit = max(_LEAST, min(fit, 2 * self._fit))
        self._left = self._fit
        while self._waiting and self._left:
            place = self._waiting.popleft()
            if not place.done():  # else its request was given up
                place.set_result(None)
                self._left -= 1
        self._turning = False
        if self._waiting or self._left < self._fit:
            self._turn_next(loop)
