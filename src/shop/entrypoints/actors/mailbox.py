"""A bounded queue before an actor that handles one message at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from msgspec import Struct

from shop.core.kernel.errors import Unavailable

M = TypeVar("M")
A = TypeVar("A")


class _Letter(Struct, Generic[M, A], eq=False):
    message: M
    answer: asyncio.Future[A] | None


class Mailbox(Generic[M, A]):
    """Senders who tell wait while it is full; those who ask are refused instead."""

    def __init__(self, capacity: int = 1000) -> None:
        self._letters: asyncio.Queue[_Letter[M, A]] = asyncio.Queue(capacity)
        self._closed = False

    @property
    def depth(self) -> int:
        return self._letters.qsize()

    async def tell(self, message: M) -> None:
        """Return once the message is in the queue, not once it is handled."""
        await self._letters.put(_Letter(message, None))

    async def ask(self, message: M, *, timeout: float = 5.0) -> A:  # noqa: ASYNC109
        """Return what the handler returned; raise what it raised, or `Unavailable`."""
        if self._closed:
            raise Unavailable("Stopping; please try again.")
        answer: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        try:
            self._letters.put_nowait(_Letter(message, answer))
            async with asyncio.timeout(timeout):
                return await answer
        except (asyncio.QueueFull, TimeoutError) as error:
            raise Unavailable("Too busy; please try again.") from error

    async def idle(self) -> None:
        """Wait until every message put so far has been handled."""
        await self._letters.join()

    async def serve(self, handle: Callable[[M], Awaitable[A]]) -> None:
        """Hand over each message in turn: the body of an actor's `run()`.

        The error of an asked message goes to its sender; that of a told one has nobody else to
        go to and crashes the actor. Once the actor ends, nobody is left waiting for an answer;
        told messages stay for its next run.
        """
        self._closed = False
        try:
            while True:
                letter = await self._letters.get()
                try:
                    await self._deliver(letter, handle)
                finally:
                    self._letters.task_done()
        finally:
            self._closed = True
            for _ in range(self._letters.qsize()):
                letter = self._letters.get_nowait()
                if letter.answer is None:
                    self._letters.put_nowait(letter)
                elif not letter.answer.done():
                    letter.answer.set_exception(Unavailable("Stopping; please try again."))
                self._letters.task_done()

    async def _deliver(self, letter: _Letter[M, A], handle: Callable[[M], Awaitable[A]]) -> None:
        answer = letter.answer
        if answer is None:
            await handle(letter.message)
        elif not answer.done():  # a sender who gave up has cancelled it
            try:
                reply = await handle(letter.message)
            except asyncio.CancelledError:
                if not answer.done():
                    answer.set_exception(Unavailable("Stopping; please try again."))
                raise
            except Exception as error:  # noqa: BLE001 - it is the sender's
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(reply)
