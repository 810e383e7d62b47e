"""Redis behind TLS and a password, as URLs say it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest

from shop.adapters.memory.cache import MemoryRateLimiter
from shop.adapters.redis.cache import RedisCache, RedisRateLimiter
from shop.adapters.redis.checkup import RedisCheckup
from shop.adapters.redis.line import Line
from shop.adapters.system.clock import SystemClock
from shop.ports.checkup import Unwell
from tests.kit.certificates import Certificate
from tests.kit.process import free_port
from tests.kit.servers import REDIS, Process, listens, start_redis

MINUTE = timedelta(minutes=1)
WORD = "a:b@c/ d"


class Secured:
    """Takes no call without TLS, and none without the password of `shop`."""

    def __init__(self, folder: Path) -> None:
        REDIS.wanted()
        self.port = free_port()
        made = Certificate(folder, "localhost")
        self.ca = made.ca
        _, plain = start_redis(
            folder,
            *("--port", "0", "--tls-port", str(self.port), "--tls-auth-clients", "no"),
            *("--tls-cert-file", str(made.file), "--tls-key-file", str(made.key)),
            *("--user", "default", "off"),
            *("--user", "shop", "on", f">{WORD}", "~shop:*", "+@all"),
        )
        self.server = Process(plain.command, folder, self.port, lambda: listens(self.port))

    def url(self, *, host: str = "localhost", word: str = WORD, trusts: bool = True) -> str:
        known = f"?ssl_ca_certs={self.ca}" if trusts else ""
        return f"rediss://shop:{quote(word, safe='')}@{host}:{self.port}/0{known}"


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[Secured]:
    made = Secured(tmp_path)
    made.server.start()
    yield made
    made.server.kill()


async def remembers(url: str) -> bool:
    line = Line(url)
    cache = RedisCache(line)
    await cache.put("a", b"1", MINUTE)
    found = await cache.get("a")
    assert line.down == (found is None)
    await line.close()
    return found == b"1"


async def test_who_trusts_the_certificate_and_knows_the_password_is_served(
    secured: Secured,
) -> None:
    url = secured.url()
    assert await remembers(url)
    line = Line(url)
    limiter = RedisRateLimiter(line, MemoryRateLimiter(SystemClock()))
    assert [(await limiter.hit("a", 1, 3600)).wait > 0 for _ in range(2)] == [False, True]
    assert not line.down
    await line.close()
    assert (await RedisCheckup(url).examine()).startswith("Redis ")


@pytest.mark.parametrize(
    "wrong",
    [{"trusts": False}, {"host": "127.0.0.1"}, {"word": "guessed"}],
    ids=["stranger", "other name", "password"],
)
async def test_nothing_is_said_to_a_server_that_is_not_ours_and_nothing_breaks(
    secured: Secured, wrong: dict[str, str]
) -> None:
    """Its certificate is nobody's we know, or is another host's; or the password is wrong."""
    assert not await remembers(secured.url(**wrong))  # type: ignore[arg-type]
    with pytest.raises(Unwell):
        await RedisCheckup(secured.url(**wrong)).examine()  # type: ignore[arg-type]


async def test_a_server_that_wants_tls_has_nothing_for_who_comes_without(
    secured: Secured,
) -> None:
    assert not await remembers(secured.url().replace("rediss:", "redis:").partition("?")[0])
