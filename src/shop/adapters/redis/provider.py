"""Redis as the cache of all replicas."""

from collections.abc import AsyncIterator, Callable

from dishka import Provider, Scope, provide

from shop.adapters.redis.answers import RedisAnswerCache
from shop.adapters.redis.cache import RedisCache, RedisRateLimiter, SteadyRedisCache
from shop.adapters.redis.carts import RedisCartCache
from shop.adapters.redis.checkup import RedisCheckup
from shop.adapters.redis.line import Line
from shop.ports.cache import Cache, RateLimiter, SteadyCache
from shop.ports.cart import CartCache
from shop.ports.checkup import CacheCheckup
from shop.ports.idempotency import AnswerCache
from shop.ports.system import Clock


class RedisCaching(Provider):
    """`own` and `own_limiter` are made to serve this process while Redis is away."""

    scope = Scope.APP

    def __init__(
        self,
        url: str,
        own: Callable[[Clock], SteadyCache],
        own_limiter: Callable[[Clock], RateLimiter],
    ) -> None:
        super().__init__()
        self._url = url
        self._own = own
        self._own_limiter = own_limiter

    @provide
    async def line(self) -> AsyncIterator[Line]:
        line = Line(self._url)
        yield line
        await line.close()

    @provide
    def cache(self, line: Line) -> Cache:
        return RedisCache(line)

    @provide
    def steady(self, line: Line, clock: Clock) -> SteadyCache:
        return SteadyRedisCache(line, self._own(clock))

    @provide
    def limiter(self, line: Line, clock: Clock) -> RateLimiter:
        return RedisRateLimiter(line, self._own_limiter(clock))

    @provide
    def carts(self, line: Line) -> CartCache:
        return RedisCartCache(line)

    @provide
    def answers(self, line: Line) -> AnswerCache:
        return RedisAnswerCache(line)

    @provide
    def checkup(self) -> CacheCheckup:
        return RedisCheckup(self._url)
