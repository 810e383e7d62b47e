"""What all replicas remember together, and how often somebody called any of them."""

import asyncio
import hashlib
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from shop.adapters.redis.line import Line, Script, Together
from shop.ports.cache import Cache, RateLimiter, SteadyCache, Verdict

_PREFIX = "shop:"

# The generic cell rate algorithm in one atomic step, by the server's clock: for each key only the
# time at which it is all free again, in microseconds. Times stay integers, since Lua's numbers
# are doubles and lose none of them below 2^53.
_GCRA = """
local each, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]
local free = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local busy = free - now
local wait = busy + each - window
if wait > each / 1000 then return {wait, busy} end
busy = busy + each
redis.call('SET', KEYS[1], string.format('%.0f', now + busy), 'PX', math.ceil(busy / 1000) + 1)
return {0, busy}
"""
_MICRO = 1_000_000
_Hit = tuple[str, int, int]
#: Key, value, how long in milliseconds, and `NX` where it must not replace another.
_Write = tuple[str, bytes, int, str]

_PUT = Script("""
local put = {}
for n, key in ipairs(KEYS) do
  local value, lasts, how = ARGV[3 * n - 2], ARGV[3 * n - 1], ARGV[3 * n]
  local done
  if how == 'NX' then done = redis.call('SET', key, value, 'PX', lasts, 'NX')
  else done = redis.call('SET', key, value, 'PX', lasts) end
  put[n] = done and 1 or 0
end
return put
""")

_DISCOUNT = Script("""
if tonumber(redis.call('GET', KEYS[1]) or '0') > 0 then redis.call('DECR', KEYS[1]) end
return 1
""")


class RedisCache(Cache):
    def __init__(self, line: Line) -> None:
        self._line = line
        self._reads: Together[str, bytes | None] = Together(self._read)
        self._writes: Together[_Write, Any] = Together(self._write)

    async def get(self, key: str) -> bytes | None:
        return await self._reads.ask(_PREFIX + key)

    async def _read(self, keys: Sequence[str]) -> Sequence[bytes | None] | None:
        def look(redis: Redis) -> Awaitable[Any]:
            return redis.mget(keys)

        found: Sequence[bytes | None] | None = await self._line.ask(look)
        reads = self._line.reads
        if found is None:
            reads["away"] += len(keys)
        else:
            missed = found.count(None)
            reads["miss"] += missed
            reads["hit"] += len(keys) - missed
        return found

    async def put(self, key: str, value: bytes, ttl: timedelta) -> None:
        await self._writes.ask((_PREFIX + key, value, _ms(ttl), ""))

    async def add(self, key: str, value: bytes, ttl: timedelta) -> bool:
        return bool(await self._writes.ask((_PREFIX + key, value, _ms(ttl), "NX")))

    async def _write(self, writes: Sequence[_Write]) -> Sequence[Any] | None:
        keys = [key for key, _, _, _ in writes]
        rest = [what for _, *how in writes for what in how]
        done: Sequence[Any] | None = await self._line.ask(lambda redis: _PUT(redis, keys, rest))
        return done

    async def announce(
        self, keys: Sequence[str], value: bytes, ttl: timedelta, *, stale: timedelta
    ) -> None:
        def tell(redis: Redis) -> Awaitable[Any]:
            together = redis.pipeline(transaction=True)
            for key in keys:
                together.set(_PREFIX + key, value, px=ttl)
            return together.execute()

        if keys and await self._line.ask(tell) is None:
            await asyncio.sleep(stale.total_seconds())  # it may be away from here alone

    async def drop(self, *keys: str) -> None:
        if keys:
            await self._line.ask(lambda redis: redis.delete(*[_PREFIX + key for key in keys]))


def _ms(span: timedelta) -> int:
    return max(1, round(span.total_seconds() * 1000))


class SteadyRedisCache(RedisCache, SteadyCache):
    """Keeps a copy of what this process wrote in `own`, and reads it while Redis is away."""

    def __init__(self, line: Line, own: SteadyCache) -> None:
        super().__init__(line)
        self._own = own

    async def get(self, key: str) -> bytes | None:
        found = await super().get(key)
        return await self._own.get(key) if self._line.down else found

    async def put(self, key: str, value: bytes, ttl: timedelta) -> None:
        await self._own.put(key, value, ttl)
        await super().put(key, value, ttl)

    async def add(self, key: str, value: bytes, ttl: timedelta) -> bool:
        here = await self._own.add(key, value, ttl)
        added = await super().add(key, value, ttl)
        return here if self._line.down else added

    async def count(self, key: str, ttl: timedelta) -> int:
        def ask(redis: Redis) -> Awaitable[list[int]]:
            together = redis.pipeline(transaction=True)
            together.incr(_PREFIX + key)
            together.pexpire(_PREFIX + key, ttl)
            return together.execute()

        here = await self._own.count(key, ttl)
        answered = await self._line.ask(ask)
        return here if answered is None else answered[0]

    async def discount(self, key: str) -> None:
        await self._own.discount(key)
        await self._line.ask(lambda redis: _DISCOUNT(redis, [_PREFIX + key], []))

    async def announce(
        self, keys: Sequence[str], value: bytes, ttl: timedelta, *, stale: timedelta
    ) -> None:
        await self._own.announce(keys, value, ttl, stale=stale)
        await super().announce(keys, value, ttl, stale=stale)

    async def drop(self, *keys: str) -> None:
        await self._own.drop(*keys)
        await super().drop(*keys)


class RedisRateLimiter(RateLimiter):
    """Counts in this process alone, by `own`, while Redis is away."""

    def __init__(self, line: Line, own: RateLimiter) -> None:
        self._line = line
        self._own = own
        self._hash = hashlib.sha1(_GCRA.encode(), usedforsecurity=False).hexdigest()
        self._hits: Together[_Hit, list[int]] = Together(self._count)

    async def hit(self, key: str, limit: int, seconds: float) -> Verdict:
        window = round(seconds * _MICRO)
        each = max(1, window // limit)
        found = await self._hits.ask((f"{_PREFIX}rate:{key}", each, window))
        if found is None:
            return await self._own.hit(key, limit, seconds)
        wait, busy = found
        left = 0 if wait else (window - busy) // each
        return Verdict(wait / _MICRO, left, busy / _MICRO)

    async def _count(self, hits: Sequence[_Hit]) -> Sequence[list[int]] | None:
        def run(redis: Redis) -> Awaitable[Any]:
            together = redis.pipeline(transaction=False)
            for key, each, window in hits:
                together.evalsha(self._hash, 1, key, each, window)
            return together.execute()

        async def work(redis: Redis) -> Any:
            try:
                return await run(redis)
            except NoScriptError:  # it was started again: a pipeline of hits failed as a whole
                await redis.script_load(_GCRA)
                return await run(redis)

        return await self._line.ask(work)
