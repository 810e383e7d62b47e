import pytest

from shop.core.kernel.errors import ShopError, StaleWrite
from shop.core.kernel.insisting import insist


class Unit:
    """Fails with each of the errors in turn, then succeeds."""

    def __init__(self, *errors: ShopError) -> None:
        self.errors = list(errors)
        self.runs = 0

    async def __call__(self) -> str:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def lost() -> StaleWrite:
    return StaleWrite("Somebody else was faster.")


async def test_what_lost_a_race_is_done_again() -> None:
    unit = Unit(lost(), lost())
    assert await insist(unit) == "done"
    assert unit.runs == 3


async def test_who_always_loses_is_told_so() -> None:
    unit = Unit(*[lost() for _ in range(9)])
    with pytest.raises(StaleWrite):
        await insist(unit)
    assert unit.runs == 3


async def test_another_refusal_is_an_answer() -> None:
    unit = Unit(ShopError("No."))
    with pytest.raises(ShopError):
        await insist(unit)
    assert unit.runs == 1
