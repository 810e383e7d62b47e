"""Whether Redis is there, for the doctor."""

import secrets

from redis.asyncio import Redis
from redis.exceptions import AuthenticationError, RedisError

from shop.ports.checkup import CacheCheckup, Unwell

_OLDEST = 6
_SECONDS = 2.0


class RedisCheckup(CacheCheckup):
    def __init__(self, url: str) -> None:
        self._url = url

    async def examine(self) -> str:
        redis: Redis = Redis.from_url(
            self._url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS
        )
        key, word = f"shop:checkup:{secrets.token_hex(8)}", secrets.token_bytes(8)
        try:
            version = str((await redis.info("server"))["redis_version"])
            await redis.set(key, word, ex=10)
            read = await redis.getdel(key) if _major(version) > _OLDEST else await redis.get(key)
        except AuthenticationError as error:
            raise Unwell("Redis refuses our name or password", "check SHOP_CACHE_URL") from error
        except (RedisError, OSError) as error:
            raise Unwell(
                "Redis cannot be reached", "see that it runs, and check SHOP_CACHE_URL"
            ) from error
        finally:
            await redis.aclose()
        if _major(version) < _OLDEST:
            raise Unwell(f"Redis {version} is too old", f"use version {_OLDEST} or newer")
        if read != word:
            raise Unwell("Redis forgets at once", "give it memory, or another eviction policy")
        return f"Redis {version}"


def _major(version: str) -> int:
    return int(version.partition(".")[0])
