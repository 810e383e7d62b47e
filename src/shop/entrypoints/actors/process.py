"""What a process of actors owes the system: it obeys signals, ends in time, and keeps its heap."""

import asyncio
import gc
import os
import signal
import sys
import threading
from contextlib import suppress

import structlog

from shop.entrypoints.actors.supervisor import Supervisor

log = structlog.get_logger()

LAST_RESORT = 10.0
_EX_SOFTWARE = 70


def begin() -> None:
    """Before all else: looking for garbage among what begins only costs time. `settle` looks."""
    gc.disable()
    if sys.platform == "linux":
        # A thread that wakes does not interrupt the one at work: else each answer that goes out
        # takes the core from the loop. Threads begun later do likewise; an operator's choice stays.
        with suppress(OSError):  # a sandbox may forbid it, and a C library lack it
            if os.sched_getscheduler(0) == os.SCHED_OTHER:
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def loaded() -> None:
    """After the imports: what they made stays for good, so that `settle` need not look at it."""
    gc.freeze()


def settle() -> None:
    """After wiring: what lives now lives for ever, so the collector need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    gc.enable()
    # A thread that comes back from the disk gets its turn within half a millisecond, not five.
    sys.setswitchinterval(0.0005)


def arm(seconds: float = LAST_RESORT) -> None:
    """End the process in that time, by force if it must be.

    The supervisor keeps its deadlines, but no deadline on the loop can help when the loop itself
    hangs, nor when an actor that was given up ignores the final cancellation.
    """

    def end() -> None:
        log.error("stop_forced", after=seconds)
        sys.stdout.flush()
        os._exit(_EX_SOFTWARE)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


async def hold(supervisor: Supervisor) -> None:
    """Run the actors until SIGTERM or SIGINT; raise the error of one that kept crashing."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    await supervisor.run()
