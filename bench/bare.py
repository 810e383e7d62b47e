"""The yardstick: a tiny JSON answer on the server and settings that the shop runs on."""

import asyncio
import gc
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

BODY = b'{"status":"ok"}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}
REST = {"type": "http.response.body", "body": BODY}


async def app(
    scope: dict[str, Any],
    _receive: Callable[[], Awaitable[Any]],
    send: Callable[[Any], Awaitable[None]],
) -> None:
    if scope["type"] == "http":
        await send(START)
        await send(REST)


async def serve(port: int) -> None:
    server = Server(
        app,
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        websockets=False,
        runtime_threads=1,
        backlog=4096,
        backpressure=60_000,
        log_enabled=False,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, server.stop)
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    await server.serve()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(int(sys.argv[1])))
