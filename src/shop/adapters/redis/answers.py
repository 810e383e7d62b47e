"""Answers for idempotency keys, kept at hand for all replicas."""

import hashlib
from collections.abc import Awaitable, Iterable, Sequence
from typing import Any

import msgspec
from redis.asyncio import Redis

from shop.adapters.redis.line import Line, Script
from shop.ports.idempotency import AT_HAND, AnswerCache, IdempotencyKey, Remembered

_KEEP = Script("""
for n, key in ipairs(KEYS) do
  redis.call('SET', key, ARGV[n + 1], 'PX', ARGV[1], 'NX')
end
return 1
""")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Remembered).decode


class RedisAnswerCache(AnswerCache):
    def __init__(self, line: Line) -> None:
        self._line = line

    async def find(self, keys: Iterable[IdempotencyKey]) -> dict[IdempotencyKey, Remembered]:
        names = [_name(key) for key in keys]
        if not names:
            return {}

        def look(redis: Redis) -> Awaitable[Any]:
            return redis.mget(names)

        rows = map(_read, await self._line.ask(look) or [])
        return {row.key: row for row in rows if row is not None}

    async def keep(self, rows: Sequence[Remembered]) -> None:
        if not rows:
            return
        names = [_name(row.key) for row in rows]
        rest = [round(AT_HAND.total_seconds() * 1000), *map(_encode, rows)]
        await self._line.ask(lambda redis: _KEEP(redis, names, rest))


def _name(key: IdempotencyKey) -> str:
    whose = f"{key.caller} {key.key}".encode()
    return f"shop:answer:{hashlib.sha256(whose).hexdigest()}"


def _read(kept: bytes | None) -> Remembered | None:
    if kept is None:
        return None
    try:
        return _decode(kept)
    except msgspec.DecodeError:  # by another version of the shop
        return None
