"""Group commit: where many callers write at once, they write together."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from itertools import chain
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from shop.core.kernel.errors import ShopError, StaleWrite, Unavailable

C = TypeVar("C")
A = TypeVar("A")
Many = Callable[[Sequence[C]], Coroutine[Any, Any, Sequence[A | ShopError]]]


class Gauge(Protocol):
    """What a desk tells about each batch: commands, the longest wait, and the work, in seconds;
    and of each command that was decided against, by which error."""

    def served(self, size: int, waited: float, took: float) -> None: ...

    def refused(self, code: str) -> None: ...


class _Slip(Struct, Generic[C, A], eq=False):
    """One caller's place in the queue."""

    command: C
    answer: asyncio.Future[A]
    since: float
    until: float

    @property
    def waiting(self) -> bool:
        return not self.answer.done()  # a caller who gave up has cancelled it


class Desk(Generic[C, A]):
    """An actor that serves all who wait with one transaction.

    `many` takes the commands of one batch and gives an answer or a refusal for each, in order,
    after its commit. If it raises instead, nothing of the batch was done; the service sees to that
    even when the answer to COMMIT was lost (see design.md, group commit).

    `pause` is the rest after a batch in seconds, for a storage whose writers in other processes
    have no queue (SQLite) and would never find it free. `hands` is how many batches may be under
    way at once: more than one where the storage works by itself meanwhile.
    """

    def __init__(
        self,
        name: str,
        many: Many[C, A],
        *,
        batch: int = 256,
        capacity: int = 4096,
        pause: float = 0.0,
        hands: int = 1,
        gauge: Gauge | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._many = many
        self._batch = batch
        self._capacity = capacity
        self._pause = pause
        self._hands = hands
        self._gauge = gauge
        self._chance = chance
        self._queue: deque[_Slip[C, A]] = deque()
        self._serving: list[Sequence[_Slip[C, A]]] = []
        self._bell: asyncio.Future[None] | None = None  # set while the desk sleeps
        self._alarm: asyncio.TimerHandle | None = None
        self._closed = self._draining = False
        self._ended: asyncio.Event = asyncio.Event()

    @property
    def depth(self) -> int:
        """How many are queued, those of running batches not counted."""
        return len(self._queue)

    async def ask(self, command: C, *, timeout: float = 5.0) -> A:  # noqa: ASYNC109
        """Return the answer once it is durable. Raises its refusal, or `Unavailable`.

        After a timeout the command may still be carried out: what became of it only an
        idempotency key can tell.
        """
        if self._closed:
            raise Unavailable("Stopping; please try again.")
        if len(self._queue) >= self._capacity:
            raise Unavailable("Too busy; please try again.")
        loop = asyncio.get_running_loop()
        now = loop.time()
        answer: asyncio.Future[A] = loop.create_future()
        self._queue.append(_Slip(command, answer, now, now + timeout))
        # One timer for all: asyncio.timeout() would cost each ask more than the whole queueing.
        if self._alarm is None or self._alarm.when() > now + timeout:
            self._set_alarm(loop, now + timeout)
        if self._bell is not None:
            self._ring()
        try:
            return await answer
        finally:
            del answer  # it keeps a refusal, whose traceback keeps this frame: no cycle

    async def drain(self) -> None:
        """Refuse new commands, serve all that wait, then let `run()` return."""
        self._closed = self._draining = True
        self._ring()
        await self._ended.wait()

    async def run(self) -> None:
        self._closed = self._draining  # it may have been told to end before its first step
        self._ended.clear()
        busy: set[asyncio.Task[None]] = set()
        try:
            while await self._somebody_waits():
                if len(busy) == self._hands:
                    done, busy = await asyncio.wait(busy, return_when=asyncio.FIRST_COMPLETED)
                    for one in done:
                        one.result()
                batch: list[_Slip[C, A]] = []
                while self._queue and len(batch) < self._batch:
                    slip = self._queue.popleft()
                    if slip.waiting:
                        batch.append(slip)
                if batch:
                    busy.add(asyncio.ensure_future(self._finish(batch)))
        finally:  # nobody is left waiting for an actor that has stopped
            self._closed = True
            self._refuse(self._queue, Unavailable("Stopping; please try again."))
            self._queue.clear()
            if (
                busy
            ):  # a transaction may be past the point of no return: its callers must hear of it
                await asyncio.wait(busy)
            self._ended.set()

    async def _somebody_waits(self) -> bool:
        while not self._queue:
            if self._closed:
                return False
            self._bell = asyncio.get_running_loop().create_future()
            try:
                await self._bell
            finally:
                self._bell = None
        return True

    def _ring(self) -> None:
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    async def _finish(self, batch: Sequence[_Slip[C, A]]) -> None:
        """Serve a batch to its end, and rest."""
        now = asyncio.get_running_loop().time
        started = now()
        self._serving.append(batch)
        try:
            await self._serve(batch)
        finally:
            self._serving.remove(batch)
        if self._gauge is not None:
            self._gauge.served(len(batch), started - batch[0].since, now() - started)
        if self._pause:
            await asyncio.sleep(self._pause)

    async def _serve(self, slips: Sequence[_Slip[C, A]], *, tries: int = 5) -> None:
        if not slips:
            return
        try:
            answers = await self._many([slip.command for slip in slips])
        except StaleWrite as lost:
            if tries > 1:
                await asyncio.sleep(0.001 + 0.009 * self._chance())
                await self._serve([slip for slip in slips if slip.waiting], tries=tries - 1)
            else:
                await self._blame(slips, lost)
        except Unavailable as down:
            self._refuse(slips, down)  # trying smaller batches would only storm what is down
        except Exception as error:  # noqa: BLE001 - one bad command must not take others along
            await self._blame(slips, error)
        else:
            self._answer(slips, answers)

    async def _blame(self, slips: Sequence[_Slip[C, A]], error: Exception) -> None:
        """Halve a failed batch until the command that spoils it stands alone."""
        if len(slips) == 1:
            self._refuse(slips, error)
            return
        middle = len(slips) // 2
        await self._serve(slips[:middle])
        await self._serve(slips[middle:])

    def _answer(self, slips: Sequence[_Slip[C, A]], answers: Sequence[A | ShopError]) -> None:
        if len(answers) != len(slips):
            # The commands are committed and must not be run again; whose answer is whose is lost.
            wrong = f"The desk {self.name} gave {len(answers)} answers to {len(slips)} commands."
            self._refuse(slips, RuntimeError(wrong))
            return
        for slip, answer in zip(slips, answers, strict=True):
            if slip.answer.done():
                continue
            if isinstance(answer, ShopError):
                if self._gauge is not None:
                    self._gauge.refused(answer.code)
                # Its traceback keeps the frames that keep it, and nobody reads where it was raised.
                slip.answer.set_exception(answer.with_traceback(None))
            else:
                slip.answer.set_result(answer)

    @staticmethod
    def _refuse(slips: Sequence[_Slip[C, A]], error: Exception) -> None:
        for slip in slips:
            if slip.waiting:
                slip.answer.set_exception(error)

    def _set_alarm(self, loop: asyncio.AbstractEventLoop, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = loop.call_at(when, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        """Refuse those whose time is up; wake again for the next of the others."""
        # Timers may fire a tick early; a slip that is due within it is due.
        self._alarm = None
        now = loop.time() + 0.001
        waiting = [
            slip for slip in (*chain.from_iterable(self._serving), *self._queue) if slip.waiting
        ]
        late = [slip for slip in waiting if slip.until <= now]
        self._refuse(late, Unavailable("Too busy; please try again."))
        if len(late) < len(waiting):
            self._set_alarm(loop, min(slip.until for slip in waiting if slip.until > now))
