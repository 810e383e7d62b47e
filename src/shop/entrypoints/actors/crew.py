"""Several processes of one container, forked from one that only looks after them.

The parent has neither thread nor event loop, so that it can fork at any time; what it has loaded
and frozen before is memory that all of them share. A member that dies is forked again after a
growing, jittered pause; one that dies too often ends all, as does a member that refuses to start.
"""

import os
import random
import select
import signal
import socket
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import NoReturn

import structlog
from msgspec import Struct, field

from shop.entrypoints.actors.process import LAST_RESORT
from shop.entrypoints.actors.supervisor import Limits

log = structlog.get_logger()

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_STOPPED = frozenset({0, -signal.SIGTERM, -signal.SIGINT})
#: Seconds of the promised ten for those who work, and for who tells of it to the end.
_PATIENCE = LAST_RESORT - 0.75
_LAST_PATIENCE = 0.5
_MOST_WORDS = 4_000  # a pipe takes so much at once, or nothing
_EX_CONFIG = 78
_EX_SOFTWARE = 70


class Refusal(Exception):
    """What a job raises that cannot even start, and would not the next time: one line says why."""


class Member(Struct):
    """`job` returns an exit code. A member that is `last` is stopped when the others have ended."""

    name: str
    job: Callable[[], int]
    last: bool = False
    pid: int = 0
    due: float = 0.0
    crashes: deque[float] = field(default_factory=deque)


_LIMITS = Limits()


class Crew:
    def __init__(
        self,
        members: Sequence[Member],
        *,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._members = members
        self._chance = chance
        self._lifeline, self._life = os.pipe()
        self._words_in, self._words = os.pipe()
        self._until: float | None = None
        self._code = 0

    def run(self) -> int:
        """Until told to stop; the exit code. Raises the `Refusal` of a member."""
        with _woken() as bell:
            for member in self._members:
                self._fork(member)
            while any(member.pid or member.due for member in self._members):
                if bell(self._pause()):
                    self._end()
                for member in self._members:
                    self._look_after(member)
                if self._until is not None:
                    self._hurry()
        if self._code == _EX_CONFIG:
            raise Refusal(os.read(self._words_in, _MOST_WORDS).decode().partition("\n")[0])
        return self._code

    def _pause(self) -> float:
        due = [member.due for member in self._members if member.due]
        due += [] if self._until is None else [self._until]
        return max(0.0, min(due) - monotonic()) if due else 60.0

    def _look_after(self, member: Member) -> None:
        if member.pid:
            pid, status = os.waitpid(member.pid, os.WNOHANG)
            if pid:
                member.pid = 0
                self._ended(member, os.waitstatus_to_exitcode(status))
        elif member.due and monotonic() >= member.due:
            member.due = 0.0
            self._fork(member)

    def _ended(self, member: Member, code: int) -> None:
        if self._until is not None:
            if code not in _STOPPED:
                self._code = self._code or 1
            return
        if code == _EX_CONFIG:
            self._code = code
            self._end()
            return
        now = monotonic()
        if code:
            member.crashes.append(now)
        while member.crashes and member.crashes[0] < now - _LIMITS.within:
            member.crashes.popleft()
        crashes = len(member.crashes)
        if crashes >= _LIMITS.crashes:
            log.error("worker_failed", worker=member.name, exit_code=code)
            self._code = 1
            self._end()
            return
        pause = _LIMITS.delay(max(0, crashes - 1), self._chance())
        member.due = now + pause
        log.warning("worker_ended", worker=member.name, exit_code=code, restart_in=pause)

    def _end(self) -> None:
        """Ask all who work to stop."""
        if self._until is None:
            self._until = monotonic() + _PATIENCE
            self._tell(signal.SIGTERM, [member for member in self._members if not member.last])
        for member in self._members:
            member.due = 0.0

    def _hurry(self) -> None:
        """The last ones after the others; and nobody may hold up the end."""
        working = [one for one in self._members if one.pid and not one.last]
        last = [one for one in self._members if one.pid and one.last]
        late = self._until is not None and monotonic() >= self._until
        if working and late:
            log.error("stop_forced", workers=[one.name for one in working])
            self._tell(signal.SIGKILL, working)
            self._until = monotonic() + _LAST_PATIENCE
        elif last and not working:
            self._tell(signal.SIGKILL if late else signal.SIGTERM, last)
            self._until = monotonic() + _LAST_PATIENCE

    def _tell(self, number: signal.Signals, members: Sequence[Member]) -> None:
        for member in members:
            if member.pid:
                with suppress(ProcessLookupError):
                    os.kill(member.pid, number)

    def _fork(self, member: Member) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        # A signal in between must reach neither the parent's handlers nor its bell.
        kept = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._be(member)
        member.pid = pid
        signal.pthread_sigmask(signal.SIG_SETMASK, kept)

    def _be(self, member: Member) -> NoReturn:
        """The life of the forked process: it must never return to what its parent was doing."""
        code = _EX_SOFTWARE
        try:
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
            os.close(self._life)
            threading.Thread(target=_follow, args=(self._lifeline,), daemon=True).start()
            code = member.job()
        except Refusal as refusal:
            os.write(self._words, str(refusal).encode()[: _MOST_WORDS - 1] + b"\n")
            code = _EX_CONFIG
        except BaseException:  # whatever it is, it ends here
            log.exception("worker_crashed", worker=member.name)
        finally:
            with suppress(OSError, ValueError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)


def _follow(lifeline: int) -> None:
    """Stop when the parent is gone, however it went: then the pipe has no other end."""
    os.read(lifeline, 1)
    os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _woken() -> Iterator[Callable[[float], bool]]:
    """A bell that waits for a signal, at most so many seconds; True when one asked to stop."""
    heard, rung = socket.socketpair()
    heard.settimeout(0)
    rung.settimeout(0)
    before = {number: signal.signal(number, _note) for number in _SIGNALS}
    wakeup = signal.set_wakeup_fd(rung.fileno(), warn_on_full_buffer=False)

    def bell(seconds: float) -> bool:
        select.select([heard], [], [], seconds)
        with suppress(BlockingIOError):
            numbers = heard.recv(4096)
            return signal.SIGTERM in numbers or signal.SIGINT in numbers
        return False

    try:
        yield bell
    finally:
        signal.set_wakeup_fd(wakeup)
        for number, handler in before.items():
            signal.signal(number, handler)
        heard.close()
        rung.close()


def _note(number: int, frame: object) -> None:
    """Python only writes to the wake-up descriptor for signals that have a handler."""
