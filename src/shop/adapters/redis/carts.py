"""Carts kept at hand for all replicas, each under its version."""

import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from itertools import islice
from time import monotonic
from typing import Any

import msgspec
from redis.asyncio import Redis

from shop.adapters.redis.line import Line, Script
from shop.core.cart.model import Cart
from shop.ports.cart import SHOWN_FOR, CartCache

_PREFIX = "shop:shown:"
# A cart lies behind two numbers, when its row was made (in ms) and its version: `<ms>:<version>:`.
# Of two rows of one owner the later counts, of one row the higher version. As numbers, since
# Lua compares strings by the server's locale.
_KEEP = Script("""
for n, key in ipairs(KEYS) do
  local made, version, cart = ARGV[3 * n - 1], ARGV[3 * n], ARGV[3 * n + 1]
  local there = redis.call('GETRANGE', key, 0, 40)
  local its, number = string.match(there, '^(%d+):(%d+):')
  local by = its and tonumber(made) - tonumber(its) or 1
  if by > 0 or (by == 0 and tonumber(version) > tonumber(number)) then
    redis.call('SET', key, made .. ':' .. version .. ':' .. cart, 'PX', ARGV[1])
  end
end
return 1
""")
_HEAD = re.compile(rb"\d+:\d+:")
#: So many carts at once, and so many that could not be told are remembered.
_AT_ONCE = 256
_MOST = 10_000

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Cart).decode


class RedisCartCache(CartCache):
    """What could not be told is told before anything is read here again.

    A cart whose newer version Redis did not hear of is not shown by the process that stored it,
    and by the others only until that one reaches Redis again, or the older one has run out.
    """

    def __init__(self, line: Line, clock: Callable[[], float] = monotonic) -> None:
        self._line = line
        self._clock = clock
        self._untold: dict[str, tuple[Cart, float]] = {}

    async def find(self, owners: Iterable[str]) -> dict[str, Cart]:
        await self._catch_up()
        if self._untold:
            return {}
        names = list(dict.fromkeys(owners))
        if not names:
            return {}

        def look(redis: Redis) -> Awaitable[Any]:
            return redis.mget([_PREFIX + name for name in names])

        found = await self._line.ask(look) or []
        carts = {cart.owner: cart for cart in map(_read, found) if cart is not None}
        return {owner: cart for owner, cart in carts.items() if owner not in self._untold}

    async def keep(self, carts: Sequence[Cart]) -> None:
        if not carts or await self._tell(carts):
            return
        now = self._clock()
        for cart in carts:
            # Behind the others, so that the first one is always the oldest.
            have, _ = self._untold.pop(cart.owner, (cart, now))
            newer = cart if _stamp(cart) >= _stamp(have) else have
            self._untold[cart.owner] = newer, now
        while len(self._untold) > _MOST:
            del self._untold[next(iter(self._untold))]

    async def _catch_up(self) -> None:
        """Tell what is not told yet, unless an older one would have run out by now anyway."""
        ended = self._clock() - SHOWN_FOR.total_seconds()
        while self._untold:
            some = dict(islice(self._untold.items(), _AT_ONCE))
            fresh = [cart for cart, at in some.values() if at > ended]
            if fresh and not await self._tell(fresh):
                return
            for owner, one in some.items():
                if self._untold.get(owner) is one:  # else a newer one was not told meanwhile
                    del self._untold[owner]

    async def _tell(self, carts: Sequence[Cart]) -> bool:
        keys = [_PREFIX + cart.owner for cart in carts]
        rest: list[Any] = [round(SHOWN_FOR.total_seconds() * 1000)]
        for cart in carts:
            rest += (*_stamp(cart), _encode(cart))
        return await self._line.ask(lambda redis: _KEEP(redis, keys, rest)) is not None


def _stamp(cart: Cart) -> tuple[int, int]:
    """An id of version 7 begins with its time in milliseconds."""
    return cart.id.int >> 80, cart.version


def _read(kept: bytes | None) -> Cart | None:
    head = _HEAD.match(kept) if kept is not None else None
    if kept is None or head is None:
        return None
    try:
        return _decode(kept[head.end() :])
    except msgspec.DecodeError:  # by another version of the shop
        return None
