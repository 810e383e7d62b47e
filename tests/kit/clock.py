"""Time that moves when a test says so."""

from datetime import UTC, datetime, timedelta

from shop.ports.system import Clock

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


class ManualClock(Clock):
    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)
