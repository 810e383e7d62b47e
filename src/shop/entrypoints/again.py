"""Runs a use case again that lost a race before it had stored anything."""

import asyncio
import functools
import inspect
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar, cast

from shop.core.kernel.errors import StaleWrite

T = TypeVar("T")

_TRIES = 5
#: Seconds of the first pause at most; each next one may be twice as long.
_PAUSE = 0.01


class _Patient:
    def __init__(self, service: Any) -> None:
        self._service = service

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._service, name)
        return functools.partial(again, method) if inspect.iscoroutinefunction(method) else method


def patient(service: T) -> T:
    """The same use cases, each of whose calls is run again after a lost race.

    A deadlock, or somebody else's newer version, undoes the unit of work; where it was the first
    one of the request, the call can begin anew as if nothing had been. Desks do this themselves.
    """
    return cast(T, _Patient(service))


async def again(call: Callable[..., Coroutine[Any, Any, T]], *args: Any, **kwargs: Any) -> T:
    for attempt in range(1, _TRIES):
        try:
            return await call(*args, **kwargs)
        except StaleWrite as lost:
            if not lost.untouched:
                raise
        await asyncio.sleep(_PAUSE * 2**attempt * random.uniform(0.1, 0.5))  # noqa: S311 - jitter
    return await call(*args, **kwargs)
