"""Many are asked at once, and not too many."""

import asyncio

import pytest

from shop.core.kernel.side_by_side import AT_ONCE, ask_each


class Counter:
    """Answers slowly, and knows how many were being answered together."""

    def __init__(self) -> None:
        self.most = self._now = 0

    async def double(self, number: int) -> int:
        self._now += 1
        self.most = max(self.most, self._now)
        for _ in range(5 - number % 5):  # the later ones are often the first to have an answer
            await asyncio.sleep(0)
        self._now -= 1
        return 2 * number


async def test_a_few_are_asked_at_once_and_answers_keep_their_order() -> None:
    counter = Counter()
    assert await ask_each(counter.double, range(50)) == [2 * number for number in range(50)]
    assert counter.most == AT_ONCE > 1


async def test_an_error_is_raised_when_all_others_have_been_asked() -> None:
    asked: list[int] = []

    async def ask(number: int) -> None:
        await asyncio.sleep(0)
        if number == 1:
            raise ValueError(number)
        asked.append(number)

    with pytest.raises(ValueError, match="1"):
        await ask_each(ask, range(20))
    assert asked == [0, *range(2, 20)]


async def test_an_error_may_be_an_answer() -> None:
    async def ask(number: int) -> ValueError:
        return ValueError(number)

    assert [str(one) for one in await ask_each(ask, range(3))] == ["0", "1", "2"]


async def test_nobody_is_asked_any_more_for_a_caller_who_left() -> None:
    ended: list[int] = []

    async def ask(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    task = asyncio.create_task(ask_each(ask, range(20)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(ended) == AT_ONCE
