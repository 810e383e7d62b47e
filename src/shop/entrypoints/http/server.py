"""Granian's embedded server on our own event loop, as one actor among others."""

import asyncio
import contextlib
import ctypes
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import structlog
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from shop.entrypoints.http.asgi import App
from shop.entrypoints.http.edge import LameDuck

log = structlog.get_logger()

# Granian counts connections here, idle ones too; requests are bounded by the edge.
CONNECTIONS = 60_000
BACKLOG = 4096
#: Seconds for the head of a request, and that a connection may be idle. Proxies keep theirs for 60
#: (nginx, Amazon's) or 90 (Traefik): who closes first is the one that knows no request is coming.
IDLE = 120.0
# From Linux's headers; Python does not name them.
_SO_ATTACH_FILTER = 26
_BPF_RET = 0x06


class PortTaken(Exception):
    """Nothing can listen there; the message says so in one line, for the person who starts us."""


def claim(host: str, port: int) -> socket.socket:
    """Bind the address, or raise `PortTaken`. Port 0 takes a free one; `getsockname()` tells which.

    Granian binds with SO_REUSEPORT, so a second shop by accident would share the port in silence
    and take half of the requests. This socket is bound without it, which fails beside one that
    listens, and allows the sharing only then: to our own server, and to forked workers. It must
    be kept open as long as they serve.
    """
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except OSError as error:
        raise PortTaken(f"The host {host!r} is no address of this machine.") from error
    family, kind, protocol, _, address = found[0]
    claimed = socket.socket(family, kind, protocol)
    try:
        claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        claimed.bind(address)
        claimed.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    except OSError as error:
        claimed.close()
        reason = (error.strerror or str(error)).lower()
        raise PortTaken(f"Cannot listen on {host} port {port}: {reason}.") from error
    return claimed


def beside(claimed: socket.socket) -> socket.socket:
    """A socket of our own at an address that this process or its parent has claimed."""
    own = socket.socket(claimed.family, claimed.type, claimed.proto)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    own.bind(claimed.getsockname())
    return own


def shut_the_door(address: tuple[str, int]) -> int:
    """Let no new connection come; the number of sockets that listened there.

    Granian's `stop()` closes the listener together with all connections that are idle, also those
    whose first request is still on its way, and it has no call for the first half alone. So Linux
    is told to drop what asks for a connection (a packet filter of one instruction: keep 0 bytes);
    a client tries again after a second, and is refused or finds another replica. Elsewhere the
    door stays open until `stop()`.
    """
    found = 0
    if sys.platform != "linux":
        return found
    keep_nothing = ctypes.create_string_buffer(struct.pack("HBBI", _BPF_RET, 0, 0, 0))
    program = struct.pack("HL", 1, ctypes.addressof(keep_nothing))
    for entry in Path("/dev/fd").iterdir():
        with (
            contextlib.suppress(OSError),  # not a socket, or closed meanwhile
            socket.socket(fileno=os.dup(int(entry.name))) as one,
        ):
            listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if listens and one.getsockname()[:2] == address:
                one.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
                found += 1
    return found


#: Seconds of a drain: of answers that close their connection, and for requests on their way.
_LAME = 0.5
_SETTLE = 0.75


class HttpServer:
    """Serves the app on a claimed address until drained.

    Draining makes the app's answers close their connections for half a second, because a
    keep-alive connection that is closed under its next request loses it. Then no new connection is
    taken, those just taken have a moment to send their request, as a phone far away needs,
    and the busy ones have `patience` seconds to end.
    """

    name = "http"

    def __init__(
        self,
        app: App,
        claimed: socket.socket,
        *,
        duck: LameDuck,
        patience: float = 3.0,
    ) -> None:
        self._app = app
        self._claimed = claimed
        self._duck = duck
        self._patience = patience
        self._server: Server | None = None
        self._serving: asyncio.Future[None] | None = None

    @property
    def address(self) -> tuple[str, int]:
        host, port = self._claimed.getsockname()[:2]
        return host, port

    async def run(self) -> None:
        host, port = self.address
        self._server = server = Server(
            self._app,
            host,
            port,
            interface=Interfaces.ASGI,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(header_read_timeout=int(IDLE * 1000)),
            websockets=False,
            backlog=BACKLOG,
            backpressure=CONNECTIONS,
            log_enabled=False,
        )
        self._serving = asyncio.ensure_future(server.serve())
        try:
            await asyncio.shield(self._serving)
        except asyncio.CancelledError:
            await self._stop(0.0)
            raise
        if not self._duck.active:
            raise RuntimeError("The HTTP server ended by itself.")

    async def drain(self) -> None:
        self._duck.begin()
        await asyncio.sleep(_LAME)
        shut_the_door(self.address)
        await asyncio.sleep(_SETTLE)
        await self._stop(self._patience)

    async def _stop(self, patience: float) -> None:
        if self._server is None or self._serving is None or self._serving.done():
            return
        self._server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({self._serving}, timeout=patience)
        if not self._serving.done():
            # A request that was sent by half would hold the server for ever.
            log.warning("http_drain_cut")
            loop = asyncio.get_running_loop()
            loop.set_exception_handler(_without_late_news)
            self._serving.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._serving


def _without_late_news(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Ignore granian's report to a future that was cancelled at the deadline."""
    if not isinstance(context.get("exception"), asyncio.InvalidStateError):
        loop.default_exception_handler(context)
