"""Work that comes round again: reapers, relays, refreshers."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import structlog

from shop.core.kernel.errors import StaleWrite

log = structlog.get_logger()


class Every:
    """An actor that does its work again and again, with a pause of about `seconds` between.

    Work that returns how much it did is repeated at once until that is less than `full`, so a queue
    is emptied without pauses. The pause begins when the work has ended and is cut or stretched by
    up to a tenth, so that replicas drift apart. An error of the work crashes the actor, but for a
    lost race, which ends the round.
    """

    def __init__(
        self,
        name: str,
        seconds: float,
        work: Callable[[], Awaitable[int | None]],
        *,
        full: int = 1,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self._seconds = seconds
        self._work = work
        self._full = full
        self._chance = chance
        self._woken = asyncio.Event()
        self._ended = asyncio.Event()
        self._draining = False

    def wake(self) -> None:
        """Do the work now; if it is being done, once more after that."""
        self._woken.set()

    async def drain(self) -> None:
        """Let the work at hand end, and `run()` with it."""
        self._draining = True
        self._woken.set()
        await self._ended.wait()

    async def run(self) -> None:
        self._draining = False
        self._ended.clear()
        try:
            while not self._draining:
                self._woken.clear()
                if await self._do() >= self._full:
                    await asyncio.sleep(0)  # work that never awaits must not starve the others
                elif not self._draining:
                    await self._rest()
        finally:
            self._ended.set()

    async def _do(self) -> int:
        try:
            return await self._work() or 0
        except StaleWrite as lost:  # somebody else was at it: the next round sees what is left
            log.info("round_lost", actor=self.name, why=lost.detail)
            return 0

    async def _rest(self) -> None:
        pause = self._seconds * (0.9 + 0.2 * self._chance())
        try:
            async with asyncio.timeout(pause):
                await self._woken.wait()
        except TimeoutError:
            return
