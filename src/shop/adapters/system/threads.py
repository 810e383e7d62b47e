"""Threads with a bounded queue, for work that takes long."""

import os
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from shop.core.kernel.errors import Unavailable
from shop.threads import Threads

T = TypeVar("T")

_NICE = 10


class BoundedThreads:
    """No more than `queue` calls wait: those beyond get `Unavailable` at once.

    `modest` threads yield to the event loop, which only helps those that leave Python's lock.
    """

    def __init__(self, name: str, many: int, queue: int, *, modest: bool = False) -> None:
        self._threads = Threads(name, many, begin=_stand_back if modest else None)
        self._most = many + queue
        self._busy = 0

    @property
    def busy(self) -> int:
        """Calls that run or wait."""
        return self._busy

    async def run(self, work: Callable[[], T]) -> T:
        if self._busy >= self._most:
            raise Unavailable("Too many people are signing in just now; please try again.")
        self._busy += 1
        # A caller who goes away leaves the thread busy all the same.
        return await self._threads.submit(work, self._done)

    def _done(self) -> None:
        self._busy -= 1

    def close(self) -> None:
        self._threads.close()


def _stand_back() -> None:
    """On Linux the niceness belongs to the thread."""
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
