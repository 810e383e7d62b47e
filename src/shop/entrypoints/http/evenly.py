"""Answers that take as long whatever they found."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

#: Longer than a mail takes to be queued; what takes longer still is rounded up to the next step.
_STEP = 0.15


@asynccontextmanager
async def evenly() -> AsyncIterator[None]:
    """Hide from the clock whether there is such an account."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    try:
        yield
    finally:
        await asyncio.sleep(_STEP - (loop.time() - began) % _STEP)
