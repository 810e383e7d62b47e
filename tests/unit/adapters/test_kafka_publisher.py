"""A producer that is given up in the middle of its work."""

import asyncio
from types import SimpleNamespace
from typing import Any

from shop.adapters.kafka.publisher import _ended


async def test_a_sender_that_stumbles_while_it_is_given_up_is_not_complained_of() -> None:
    """What waits was failed before, so that the sender cannot put it back."""
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))

    async def send() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise KeyError("batch") from None

    class Sender:
        def __init__(self) -> None:
            self.sender_task = asyncio.create_task(send())
            self.sender_task.add_done_callback(self._fail_all)

        def _fail_all(self, task: asyncio.Task[None]) -> None:
            if task.exception() is not None:
                raise AttributeError("done")  # as the library does without a transaction

    failed: list[Exception] = []
    closed: list[str] = []

    async def close() -> None:
        closed.append("client")

    async def stop() -> None:
        closed.append("producer")

    sender = Sender()
    await asyncio.sleep(0)
    producer: Any = SimpleNamespace(
        _message_accumulator=SimpleNamespace(fail_all=failed.append),
        _sender=sender,
        stop=stop,
        client=SimpleNamespace(close=close),
    )
    await _ended(producer)
    assert sender.sender_task.done()
    assert (len(failed), closed, complaints) == (1, ["producer", "client"], [])
