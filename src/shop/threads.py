"""Threads for what would hold up the event loop."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from msgspec import Struct

T = TypeVar("T")

_Job = tuple["_Asked", Callable[[], Any]]


def _nothing() -> None:
    """For work whose end is of interest to nobody but who waits for it."""


class _Asked(Struct, frozen=True):
    """Who waits for some work, and where."""

    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]
    ended: Callable[[], object]


class Threads:
    """They run what they are given, in the order in which it came.

    Own code, because every write and every sign-in goes through: `run_in_executor` makes a second
    future with a lock of its own, chains the two, and lets uvloop inspect the function each time.

    They are daemons: what nobody closed does not keep a process that ends.
    """

    def __init__(
        self, name: str, many: int = 1, *, begin: Callable[[], object] | None = None
    ) -> None:
        """`begin` is called in each thread before its first work."""
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, args=(begin,), name=f"{name}_{i}", daemon=True)
            for i in range(many)
        ]
        for thread in self._threads:
            thread.start()
        #: As `threading.get_ident` gives them.
        self.idents = frozenset(thread.ident for thread in self._threads)

    def submit(
        self, work: Callable[[], T], ended: Callable[[], object] = _nothing
    ) -> asyncio.Future[T]:
        """A future of what the work returns or raises; cancelling it does not stop the work.

        `ended` is called on the loop when the work has ended, whether anybody waits or not.
        """
        if self._closed:
            raise RuntimeError("These threads were closed.")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._jobs.put((_Asked(loop, done, ended), work))
        return done

    def close(self, *, wait: bool = False) -> None:
        """End after the work in hand; what is queued is cancelled. `wait` for that end."""
        self._closed = True
        with suppress(Empty):
            while (job := self._jobs.get_nowait()) is not None:
                asked, _ = job
                asked.done.cancel()
                asked.ended()
        for _ in self._threads:
            self._jobs.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def _serve(self, begin: Callable[[], object] | None) -> None:
        if begin is not None:
            begin()
        while (job := self._jobs.get()) is not None:
            _run(*job)
            del job  # nothing stays alive while this waits for more


def _run(asked: "_Asked", work: Callable[[], Any]) -> None:
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001 - for whoever waits
        _tell(asked, _fail, error)
        del asked  # the error's traceback keeps this frame: no cycle
    else:
        _tell(asked, _answer, answer)


def _tell(asked: "_Asked", settle: Callable[["_Asked", Any], None], told: Any) -> None:
    with suppress(RuntimeError):  # the loop was closed: nobody waits any more
        asked.loop.call_soon_threadsafe(settle, asked, told)


def _answer(asked: "_Asked", value: Any) -> None:
    asked.ended()
    if not asked.done.cancelled():
        asked.done.set_result(value)


def _fail(asked: "_Asked", error: BaseException) -> None:
    asked.ended()
    if not asked.done.cancelled():
        asked.done.set_exception(error)
