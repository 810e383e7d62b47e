"""The in-memory caches, for dishka."""

from dishka import Provider, Scope, provide

from shop.adapters.memory.cache import MemoryCache, MemoryRateLimiter
from shop.adapters.memory.cart import MemoryCartCache
from shop.adapters.memory.checkup import InProcess
from shop.adapters.memory.idempotency import MemoryAnswerCache
from shop.ports.cache import Cache, RateLimiter, SteadyCache
from shop.ports.cart import CartCache
from shop.ports.checkup import CacheCheckup
from shop.ports.idempotency import AnswerCache
from shop.ports.system import Clock


class MemoryCaching(Provider):
    """For the shop that is one process."""

    scope = Scope.APP

    @provide
    def steady(self, clock: Clock) -> SteadyCache:
        return MemoryCache(clock)

    @provide
    def cache(self, steady: SteadyCache) -> Cache:
        return steady

    @provide
    def limiter(self, clock: Clock) -> RateLimiter:
        return MemoryRateLimiter(clock)

    @provide
    def carts(self, clock: Clock) -> CartCache:
        return MemoryCartCache(clock)

    @provide
    def answers(self, clock: Clock) -> AnswerCache:
        return MemoryAnswerCache(clock)

    @provide
    def checkup(self) -> CacheCheckup:
        return InProcess()
