"""Keeps actors alive, and ends them in order.

Whoever runs by itself is an actor with a name and a `run()`. The supervisor starts all of them,
restarts one that crashes after a growing, jittered pause, and when an actor crashes too often it
stops everything and lets that error out: a process that cannot work must say so by its exit code.
One that finds its storage unavailable has not crashed: it tries again until the storage is back.
A new process would find it no better, and meanwhile what can still be read is served.

Stopping goes stage by stage, so that whoever accepts work ends before whoever does it.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Mapping
from enum import IntEnum, StrEnum
from typing import Protocol, runtime_checkable

import structlog
from msgspec import Struct

from shop.core.kernel.errors import Unavailable

log = structlog.get_logger()


class Actor(Protocol):
    @property
    def name(self) -> str: ...

    async def run(self) -> None:
        """Work until cancelled. Returning means the actor is done; raising means it crashed."""


@runtime_checkable
class Drains(Protocol):
    """An actor that can end well by itself."""

    async def drain(self) -> None:
        """Take nothing new, finish what was accepted. The actor is cancelled after that."""


class Stage(IntEnum):
    """The order of stopping: those of a lower stage have ended before the next are asked to."""

    EDGE = 1
    DESKS = 2
    BACKGROUND = 3
    LAST = 4


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    RESTARTING = "restarting"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


class Health(Struct):
    """How an actor is. `since` is the loop's time at which it came into this state."""

    stage: Stage
    state: State = State.WAITING
    since: float = 0.0
    restarts: int = 0
    error: str | None = None

    def turn(self, state: State, now: float) -> None:
        self.state, self.since = state, now


class Limits(Struct, frozen=True):
    """How much crashing to put up with. Pauses are in seconds and double with each crash.

    `outage` is the longest pause before an actor looks whether its storage is back.
    """

    crashes: int = 5
    within: float = 60.0
    pause: float = 0.1
    longest: float = 30.0
    outage: float = 2.0

    def delay(self, crash: int, chance: float) -> float:
        """Between half and all of the doubled pause, by a `chance` from 0 to 1."""
        return min(self.longest, self.pause * 2.0**crash) * (0.5 + chance / 2)


# A second of the promised ten is left for what is closed after the actors: pools and files.
PATIENCE: Mapping[Stage, float] = {
    Stage.EDGE: 5.0,
    Stage.DESKS: 2.0,
    Stage.BACKGROUND: 1.5,
    Stage.LAST: 0.5,
}


class Supervisor:
    """Runs the actors it was given until `stop()`, or until one of them keeps crashing.

    `patience` is the share of each stage in seconds; what a stage leaves over goes to the next.
    `on_stop` is called once when the stopping begins, whatever the reason.
    """

    def __init__(
        self,
        *,
        limits: Limits = Limits(),
        patience: Mapping[Stage, float] = PATIENCE,
        on_stop: Callable[[], None] = lambda: None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.health: dict[str, Health] = {}
        self.stopping = False
        self._actors: list[Actor] = []
        self._limits = limits
        self._patience = patience
        self._on_stop = on_stop
        self._chance = chance
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._outcome: asyncio.Future[None] | None = None

    def add(self, stage: Stage, *actors: Actor) -> None:
        """Put actors into a stage; all of this comes before `run()`."""
        for actor in actors:
            if actor.name in self.health:
                raise ValueError(f"Two actors are called {actor.name!r}.")
            self._actors.append(actor)
            self.health[actor.name] = Health(stage)

    def stop(self) -> None:
        """Let `run()` end everything in order and return. A signal handler may call this."""
        self.stopping = True
        if self._outcome is not None and not self._outcome.done():
            self._outcome.set_result(None)

    async def run(self) -> None:
        """Return when all have ended; raise the error of an actor that kept crashing."""
        self._outcome = asyncio.get_running_loop().create_future()
        if self.stopping:
            return
        for actor in self._actors:
            task = asyncio.create_task(self._keep(actor), name=actor.name)
            self._tasks[actor.name] = task
            task.add_done_callback(self._ended)
        try:
            await self._outcome
        finally:
            await self._wind_down()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self._outcome is None or self._outcome.done():
            return
        if error is not None:
            self._outcome.set_exception(error)
        elif all(one.done() for one in self._tasks.values()):
            self._outcome.set_result(None)

    async def _keep(self, actor: Actor) -> None:
        now = asyncio.get_running_loop().time
        health = self.health[actor.name]
        recent: deque[float] = deque()
        while True:
            health.turn(State.RUNNING, now())
            try:
                await actor.run()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    health.turn(State.STOPPED, now())
                    raise
                # Nobody cancelled the actor: something it waited for was, and it is dead of that.
                error: Exception = RuntimeError("A task this actor waited for was cancelled.")
            except Exception as crash:  # noqa: BLE001 - whatever it is, the actor has to go on
                error = crash
            else:
                health.turn(State.DONE, now())
                return
            health.error = type(error).__name__
            if isinstance(error, Unavailable) and not self.stopping:
                pause = self._limits.outage * (0.5 + self._chance() / 2)
                health.turn(State.RESTARTING, now())
                health.restarts += 1
                log.warning("actor_waits", actor=actor.name, restart_in=pause, why=error.detail)
                await asyncio.sleep(pause)
                continue
            recent.append(moment := now())
            while recent[0] < moment - self._limits.within:
                recent.popleft()
            if len(recent) >= self._limits.crashes or self.stopping:
                health.turn(State.FAILED, now())
                log.error("actor_failed", actor=actor.name, exc_info=error)
                raise error
            pause = self._limits.delay(len(recent) - 1, self._chance())
            health.turn(State.RESTARTING, now())
            health.restarts += 1
            log.warning("actor_crashed", actor=actor.name, restart_in=pause, exc_info=error)
            await asyncio.sleep(pause)

    async def _wind_down(self) -> None:
        self.stopping = True
        self._on_stop()
        until = asyncio.get_running_loop().time()
        for stage in Stage:
            until += self._patience.get(stage, 0.0)
            here = [one for one in self._actors if self.health[one.name].stage is stage]
            await asyncio.gather(*(self._end(one, self._tasks[one.name], until) for one in here))

    async def _end(self, actor: Actor, task: asyncio.Task[None], until: float) -> None:
        """Ask the actor to drain, then cancel it; at `until` go on without it."""
        now = asyncio.get_running_loop().time
        if isinstance(actor, Drains) and self.health[actor.name].state is State.RUNNING:
            drain = asyncio.create_task(actor.drain(), name=f"{actor.name} drain")
            # A quarter of the time is kept back for what the cancellation sets off.
            left = (until - now()) * 0.75
            await asyncio.wait({drain, task}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not drain.done():
                if not task.done():
                    log.warning("actor_drain_cut", actor=actor.name)
                drain.cancel()
            elif not drain.cancelled() and (error := drain.exception()):
                log.error("actor_drain_failed", actor=actor.name, exc_info=error)
        task.cancel()
        await asyncio.wait({task}, timeout=max(0.0, until - now()))
        if not task.done():
            log.error("actor_abandoned", actor=actor.name)
