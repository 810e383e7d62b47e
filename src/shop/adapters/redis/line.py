"""The way to Redis: short timeouts, and none of them waited for twice in a row."""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic
from typing import Any, Generic, TypeVar

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LostConnection, NoScriptError, RedisError

T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")
log = structlog.get_logger()

#: Seconds: of a call, of a new connection, and of the rest after a failure.
TIMEOUT = 0.25
CONNECT = 0.5
REST = 1.0
CONNECTIONS = 64


class Line:
    """Gives up quickly, then spares a server that does not answer for about a second.

    A cache that hangs would otherwise cost every request its timeout. One call at a time finds
    out whether it is back.
    """

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] = monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=TIMEOUT,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=CONNECT,
            # A connection that the server closed meanwhile is worth a second try, at once.
            retry=Retry(NoBackoff(), 1),
            retry_on_error=[LostConnection],
        )
        self.client: Redis = Redis(connection_pool=pool)
        self._clock = clock
        self._chance = chance
        self._until = 0.0
        self.down = False
        self.reads = dict.fromkeys(("hit", "miss", "away"), 0)

    async def ask(self, question: Callable[[Redis], Awaitable[T]]) -> T | None:
        """The answer, or None while there is none to be had."""
        if self.down:
            now = self._clock()
            if now < self._until:
                return None
            self._rest(now)  # the others go on sparing it until this call has told
        try:
            async with asyncio.timeout(CONNECT + 2 * TIMEOUT):
                answer = await question(self.client)
        except (RedisError, OSError, TimeoutError) as error:
            if not self.down:
                log.warning("cache_away", error=type(error).__name__)
            self.down = True
            self._rest(self._clock())
            return None
        if self.down:
            self.down = False
            log.info("cache_back")
        return answer

    def _rest(self, now: float) -> None:
        self._until = now + REST * (0.75 + self._chance() / 2)

    async def close(self) -> None:
        await self.client.aclose(close_connection_pool=True)


class Script:
    """A step that the server does as one. For many keys at once: a client has more work with as
    many calls in a pipeline than the server has with all of them."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._hash = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    async def __call__(self, redis: Redis, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        try:
            return await redis.evalsha(self._hash, len(keys), *keys, *arguments)
        except NoScriptError:  # it was started again, or flushed; this makes it known as well
            return await redis.eval(self._text, len(keys), *keys, *arguments)


class Together(Generic[Q, A]):
    """Asks at once what is asked for at the same time: one question costs the client as much as a
    dozen in it. `ask` gives an answer for each, in order, or None."""

    def __init__(self, ask: Callable[[Sequence[Q]], Awaitable[Sequence[A] | None]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[Q, asyncio.Future[A | None]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, question: Q) -> A | None:
        answer: asyncio.Future[A | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._asking is None:
            self._asking = asyncio.create_task(self._run())
        return await answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, []
                found: Sequence[Any] | None = None
                try:
                    found = await self._ask([question for question, _ in asked])
                finally:
                    for number, (_, answer) in enumerate(asked):
                        if not answer.done():
                            answer.set_result(found[number] if found is not None else None)
        finally:
            self._asking = None
