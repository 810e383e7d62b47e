"""Answers repeated checkouts by what all replicas keep at hand."""

from collections.abc import Sequence

from shop.core.checkout.drafting import PlaceOrder
from shop.core.checkout.replies import Answer, Placed, reused
from shop.ports.idempotency import AnswerCache, Remembered
from shop.ports.system import Clock


class Repeats:
    """A short cut: what is not known here, the database knows."""

    def __init__(self, cache: AnswerCache, clock: Clock) -> None:
        self._cache = cache
        self._clock = clock

    async def known(self, commands: Sequence[PlaceOrder]) -> list[Answer | None]:
        """For each command the answer its key got before, if that is at hand."""
        rows = await self._cache.find([command.key for command in commands])
        return [_answer(command, rows.get(command.key)) for command in commands]

    async def keep(self, commands: Sequence[PlaceOrder], answers: Sequence[Answer]) -> None:
        """To be told once they are committed. Refusals, and what is not answered yet, are not."""
        now = self._clock.now()
        await self._cache.keep(
            [
                Remembered(
                    key=command.key,
                    digest=command.digest,
                    order_id=answer.order_id,
                    answer=answer.body,
                    at=now,
                )
                for command, answer in zip(commands, answers, strict=True)
                if isinstance(answer, Placed) and answer.body is not None
            ]
        )


def _answer(command: PlaceOrder, row: Remembered | None) -> Answer | None:
    if row is None or row.order_id is None or row.answer is None:
        return None
    if row.digest != command.digest:
        return reused()
    return Placed(order_id=row.order_id, body=row.answer, replayed=True)
