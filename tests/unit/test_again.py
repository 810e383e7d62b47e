"""What a lost race costs a caller: a pause, and nothing else."""

import pytest

from shop.core.kernel.errors import StaleWrite
from shop.entrypoints.again import patient


class Service:
    """Loses as often as it is told."""

    def __init__(self, losses: int, *, untouched: bool = True) -> None:
        self.losses = losses
        self.untouched = untouched
        self.calls = 0

    def plain(self) -> int:
        return self.calls

    async def act(self, answer: str, *, loud: bool) -> str:
        self.calls += 1
        if self.calls <= self.losses:
            lost = StaleWrite("Somebody else was first.")
            lost.untouched = self.untouched
            raise lost
        return answer.upper() if loud else answer


async def test_a_call_that_lost_is_made_again() -> None:
    service = Service(losses=2)
    assert await patient(service).act("done", loud=True) == "DONE"
    assert patient(service).plain() == 3


async def test_five_losses_are_enough() -> None:
    service = Service(losses=9)
    with pytest.raises(StaleWrite):
        await patient(service).act("done", loud=False)
    assert service.calls == 5


async def test_what_has_stored_something_is_not_run_again() -> None:
    service = Service(losses=1, untouched=False)
    with pytest.raises(StaleWrite):
        await patient(service).act("done", loud=False)
    assert service.calls == 1
