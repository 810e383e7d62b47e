"""What holds of every `AnswerCache`."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from msgspec.structs import replace

from shop.adapters.memory.idempotency import MemoryAnswerCache
from shop.adapters.redis.answers import RedisAnswerCache
from shop.adapters.redis.line import Line
from shop.core.kernel.ids import OrderId
from shop.ports.idempotency import AnswerCache, IdempotencyKey, Remembered
from tests.kit.clock import NOON, ManualClock


@pytest.fixture(params=["memory", "redis"])
async def cache(request: pytest.FixtureRequest) -> AsyncIterator[AnswerCache]:
    if request.param == "memory":
        yield MemoryAnswerCache(ManualClock())
        return
    line = Line(request.getfixturevalue("redis_url"))
    yield RedisAnswerCache(line)
    await line.close()


def a_row(key: str = "key 1", caller: str = "user:1") -> Remembered:
    return Remembered(
        key=IdempotencyKey(key, caller),
        digest=b"\x00" * 32,
        order_id=OrderId(uuid4()),
        answer=b'{"\xe2\x82\xb9": "\x00"}',
        at=NOON,
    )


async def test_an_answer_comes_back_equal_and_an_unknown_one_not_at_all(
    cache: AnswerCache,
) -> None:
    rows = [a_row(), a_row("key 2")]
    await cache.keep(rows)
    assert await cache.find([rows[1].key, IdempotencyKey("none", "user:1"), rows[0].key]) == {
        row.key: row for row in rows
    }
    assert await cache.find([]) == {}
    await cache.keep([])


async def test_a_key_belongs_to_its_caller(cache: AnswerCache) -> None:
    mine, theirs = a_row(), a_row(caller="user:2")
    await cache.keep([mine, theirs])
    assert await cache.find([mine.key]) == {mine.key: mine}
    assert await cache.find([theirs.key]) == {theirs.key: theirs}


async def test_the_first_answer_stays(cache: AnswerCache) -> None:
    first = a_row()
    await cache.keep([first])
    await cache.keep([replace(first, answer=b"another")])
    assert await cache.find([first.key]) == {first.key: first}
