"""Threads for what would hold up the event loop."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Job = tuple[asyncio.AbstractEventLoop, asyncio.Future[Any], Callable[[], Any]]


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

    def submit(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """A future of what the work returns or raises; cancelling it does not stop the work."""
        if self._closed:
            raise RuntimeError("These threads were closed.")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._jobs.put((loop, done, work))
        return done

    def close(self, *, wait: bool = False) -> None:
        """End after the work in hand; what is queued is cancelled. `wait` for that end."""
        self._closed = True
        with suppress(Empty):
            while (job := self._jobs.get_nowait()) is not None:
                _, done, _ = job
                done.cancel()
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


def _run(
    loop: asyncio.AbstractEventLoop, done: asyncio.Future[Any], work: Callable[[], Any]
) -> None:
    try:
        answer = work()
    except BaseException as error:  # noqa: BLE001 - for whoever waits
        _tell(loop, _fail, done, error)
        del done  # the error's traceback keeps this frame: no cycle
    else:
        _tell(loop, _answer, done, answer)


def _tell(
    loop: asyncio.AbstractEventLoop,
    settle: Callable[[asyncio.Future[Any], Any], None],
    done: asyncio.Future[Any],
    told: Any,
) -> None:
    with suppress(RuntimeError):  # the loop was closed: nobody waits any more
        loop.call_soon_threadsafe(settle, done, told)


def _answer(done: asyncio.Future[Any], value: Any) -> None:
    if not done.cancelled():
        done.set_result(value)


def _fail(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.cancelled():
        done.set_exception(error)
