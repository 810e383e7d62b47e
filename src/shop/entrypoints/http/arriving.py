"""Bodies of requests have a time to arrive in."""

import asyncio
from typing import Any

from shop.entrypoints.http.asgi import Message, Receive

#: A body has so many seconds, and one more for each so many bytes of it.
PATIENCE = 30.0
_SLOWEST = 16 * 1024
_LOOK = 1.0
_BROKE_OFF: Message = {"type": "http.disconnect"}


class Arriving:
    """Requests whose bodies are still to come. One that takes too long breaks off.

    There is one timer for all: one for each would cost every request with a body more than its
    reading does.
    """

    def __init__(self, patience: float) -> None:
        self._patience = patience
        #: Seconds that each may still wait.
        self._left: dict[asyncio.Task[Any], float] = {}
        self._looking = False

    def __len__(self) -> int:
        return len(self._left)

    def in_time(self, receive: Receive, size: int) -> Receive:
        left, more = self._patience + size / _SLOWEST, True

        async def read() -> Message:
            nonlocal left, more
            if left <= 0:
                return _BROKE_OFF
            task = asyncio.current_task()
            if not more or task is None:
                return await receive()
            self._left[task] = left
            if not self._looking:
                self._look_later()
            try:
                message = await receive()
            except asyncio.CancelledError:
                if self._left[task] > 0:
                    raise
                task.uncancel()
                return _BROKE_OFF
            finally:
                left = self._left.pop(task)
            more = message.get("more_body", False)
            return message

        return read

    def _look_later(self) -> None:
        self._looking = True
        asyncio.get_running_loop().call_later(_LOOK, self._look)

    def _look(self) -> None:
        self._looking = False
        for task, left in self._left.items():
            self._left[task] = left - _LOOK
            if 0 < left <= _LOOK:
                task.cancel()
        if self._left:
            self._look_later()
