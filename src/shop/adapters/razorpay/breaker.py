"""Spares a gateway that is down, and those who would wait for it."""

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum

import structlog

from shop.ports.system import Clock

log = structlog.get_logger()


class State(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class Breaker:
    """Opens after `failures` in a row; after a pause one call may try.

    The pause doubles from `pause` to `longest` while the tries fail, and is cut by up to half by
    chance, so that replicas do not come back together.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        failures: int = 5,
        pause: timedelta = timedelta(seconds=2),
        longest: timedelta = timedelta(seconds=60),
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._failures = failures
        self._pause = pause
        self._longest = longest
        self._chance = chance
        self._failed = 0
        self._opened = 0  # times in a row
        self._until: datetime | None = None
        self._trying = False
        #: Calls by how they ended, for the metrics.
        self.calls = dict.fromkeys(("answered", "failed", "given_up", "spared"), 0)

    @property
    def state(self) -> State:
        if self._until is None:
            return State.CLOSED
        return State.OPEN if self._clock.now() < self._until else State.HALF_OPEN

    def spared(self) -> float:
        """For the metrics: 0 closed, 0.5 half open, 1 open."""
        return {State.CLOSED: 0.0, State.HALF_OPEN: 0.5, State.OPEN: 1.0}[self.state]

    def admits(self) -> bool:
        """Whether a call may go out; when half open, only one until it has ended."""
        if self.state is State.OPEN or (self.state is State.HALF_OPEN and self._trying):
            self.calls["spared"] += 1
            return False
        self._trying = self.state is State.HALF_OPEN
        return True

    def answered(self) -> None:
        """A call got through, whatever the answer."""
        self.calls["answered"] += 1
        if self._until is not None:
            log.info("gateway_back")
        self._failed = self._opened = 0
        self._until = None
        self._trying = False

    def failed(self) -> None:
        self.calls["failed"] += 1
        self._failed += 1
        if self._trying or (self._until is None and self._failed >= self._failures):
            self._open()
        self._trying = False

    def given_up(self) -> None:
        """The call ended without a word about the gateway."""
        self.calls["given_up"] += 1
        self._trying = False

    def _open(self) -> None:
        longest = min(self._longest, self._pause * 2 ** min(self._opened, 10))
        pause = longest * (0.5 + self._chance() / 2)
        self._opened += 1
        self._until = self._clock.now() + pause
        log.warning("gateway_spared", seconds=round(pause.total_seconds(), 1))
