"""What the password hash itself permits: the ceiling of logins, without a shop around it."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from time import perf_counter

from argon2 import PasswordHasher

from bench.servers import pinned

NICE = 10  # of the shop's hash threads, so that both give way alike to whatever else runs


def threads() -> int:
    """As many as the shop's own pool has."""
    return max(1, (os.cpu_count() or 1) - 1)


def verifications_per_second(
    seconds: float, core: int | frozenset[int] | None, many: int | None = None
) -> float:
    """Argon2id verifications with the shop's parameters in as many threads, on its core."""
    many = many or threads()
    hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
    secret = hasher.hash("correct horse")

    def verify() -> tuple[int, float]:
        with pinned(core):
            with suppress(OSError, AttributeError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
            start, done = perf_counter(), 0
            while perf_counter() - start < seconds:
                hasher.verify(secret, "correct horse")
                done += 1
            return done, perf_counter() - start

    with ThreadPoolExecutor(many) as pool:
        runs = [pool.submit(verify) for _ in range(many)]
        return sum(done / took for done, took in (run.result() for run in runs))
