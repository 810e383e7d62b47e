"""Time as `evenly` sees it: it passes only while a mail is queued, and while somebody waits."""

from types import SimpleNamespace
from typing import Any

import pytest

from shop.core.users.letters import Letters
from shop.entrypoints.http import evenly

_QUEUEING = 0.04


class Stopwatch:
    def __init__(self) -> None:
        self.now = 7.0

    def time(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Stopwatch:
    watch = Stopwatch()
    fake = SimpleNamespace(get_running_loop=lambda: watch, sleep=watch.sleep)
    monkeypatch.setattr(evenly, "asyncio", fake)
    queue = Letters._secret  # noqa: SLF001 - every link goes out by it

    async def take_a_while(letters: Letters, *told: Any) -> None:
        watch.now += _QUEUEING
        await queue(letters, *told)

    monkeypatch.setattr(Letters, "_secret", take_a_while)
    return watch
