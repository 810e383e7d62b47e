"""The ops port: is it alive, is it ready, and how is it doing. For operators, in every role.

Three GETs a few times a minute need no server of their own: the standard library's streams answer
them in a few KiB of memory, one request a connection.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from shop.core.kernel.errors import Unavailable
from shop.entrypoints.actors.supervisor import Health, Stage, State

log = structlog.get_logger()

Check = Callable[[], Awaitable[object]]

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_ALIVE = b'{"status":"ok"}'
_CHECK_SECONDS = 2.0
_ANSWER_SECONDS = 5.0
#: Connections at once; whoever comes then is not answered.
_MOST = 64
_HANGS = b'{"status":"a worker does not answer"}'


class Readiness:
    """Whether traffic may come: no stop begun, every check passed, the serving actors running.

    A crashing consumer is shown, but keeps nobody from shopping: it does not make us unready.
    """

    def __init__(self, health: Mapping[str, Health]) -> None:
        self.stopping = False
        self._health = health
        self._checks: dict[str, Check] = {}

    def check(self, name: str, check: Check) -> None:
        """Ask this dependency too: it is there if the call returns in time without an error."""
        self._checks[name] = check

    async def report(self) -> tuple[bool, dict[str, Any]]:
        answers = await asyncio.gather(*(self._ask(*one) for one in self._checks.items()))
        checks = dict(zip(self._checks, answers, strict=True))
        now = asyncio.get_running_loop().time()
        actors = {
            name: {
                "state": one.state.value,
                "seconds": round(now - one.since, 1),
                "restarts": one.restarts,
                "error": one.error,
            }
            for name, one in self._health.items()
        }
        serving = all(
            one.state is State.RUNNING
            for one in self._health.values()
            if one.stage in {Stage.EDGE, Stage.DESKS}
        )
        ready = serving and not self.stopping and all(said == "ok" for said in answers)
        status = "stopping" if self.stopping else "ready" if ready else "unready"
        return ready, {"status": status, "checks": checks, "actors": actors}

    async def _ask(self, name: str, check: Check) -> str:
        try:
            async with asyncio.timeout(_CHECK_SECONDS):
                await check()
        except TimeoutError:
            return "timeout"
        except Unavailable as error:
            log.warning("check_failed", check=name, why=error.detail)
            return error.detail
        except Exception as error:  # whatever it is, the dependency is not there
            log.warning("check_failed", check=name, exc_info=error)
            return type(error).__name__
        return "ok"


class Teller(Protocol):
    """Knows how the shop is."""

    async def alive(self) -> bool: ...

    async def report(self) -> tuple[bool, dict[str, Any]]:
        """Whether traffic may come, and why."""

    async def metrics(self) -> bytes: ...


class Myself(Teller):
    """Of this process alone. Who answers at all is alive."""

    def __init__(self, readiness: Readiness, registry: CollectorRegistry) -> None:
        self._readiness = readiness
        self._registry = registry

    async def alive(self) -> bool:
        return True

    async def report(self) -> tuple[bool, dict[str, Any]]:
        return await self._readiness.report()

    async def metrics(self) -> bytes:
        return generate_latest(self._registry)


class Ops:
    """An actor of the last stage: it tells of the stopping until the end."""

    name = "ops"

    def __init__(self, claimed: socket.socket, teller: Teller) -> None:
        self._claimed = claimed
        self._teller = teller
        self._open = 0

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._claimed.getsockname()[:2]
        return host, port

    async def run(self) -> None:
        # A copy, because the server closes its socket, and a restarted actor needs another.
        server = await asyncio.start_server(
            self._serve, sock=self._claimed.dup(), limit=8192, backlog=_MOST
        )
        try:
            await asyncio.Event().wait()
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= _MOST:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    writer.write(await self._answer(reader))
                    await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # who speaks no HTTP, or does not listen, is nobody's concern
        except Exception:  # one bad collector must not blind the rest
            log.exception("ops_failed")
        finally:
            self._open -= 1
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        path = rest.partition(" ")[0].partition("?")[0]
        if method not in {"GET", "HEAD"}:
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"GET only\n", method)
        if path == "/healthz":
            if await self._teller.alive():
                return _response(HTTPStatus.OK, _JSON, _ALIVE, method)
            return _response(HTTPStatus.SERVICE_UNAVAILABLE, _JSON, _HANGS, method)
        if path == "/readyz":
            ready, report = await self._teller.report()
            status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
            return _response(status, _JSON, msgspec.json.encode(report), method)
        if path == "/metrics":
            text = await self._teller.metrics()
            return _response(HTTPStatus.OK, CONTENT_TYPE_LATEST, text, method)
        return _response(HTTPStatus.NOT_FOUND, _TEXT, b"/healthz /readyz /metrics\n", method)


def _response(status: HTTPStatus, kind: str, body: bytes, method: str) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"content-type: {kind}\r\n"
        f"content-length: {len(body)}\r\n"
        + ("allow: GET, HEAD\r\n" if status is HTTPStatus.METHOD_NOT_ALLOWED else "")
        + "cache-control: no-store\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if method == "HEAD" else body)
