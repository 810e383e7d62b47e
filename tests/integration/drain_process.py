"""A process of actors round a tiny app, for test_server_drain.py. Prints its ports as JSON."""

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from functools import partial
from typing import TypeVar
from uuid import uuid4

import uvloop

from shop.core.kernel.errors import ShopError
from shop.entrypoints import logs, metrics
from shop.entrypoints.actors import process
from shop.entrypoints.actors.desk import Desk
from shop.entrypoints.actors.supervisor import Limits, Stage, Supervisor
from shop.entrypoints.http.asgi import Receive, Scope, Send
from shop.entrypoints.http.edge import Edge, LameDuck, request_durations
from shop.entrypoints.http.ops import Myself, Ops, Readiness
from shop.entrypoints.http.server import HttpServer, PortTaken, claim

T = TypeVar("T")


class Crasher:
    name = "crasher"

    async def run(self) -> None:
        raise ConnectionError("broker away")


class Deaf:
    """Ends neither when asked nor when told."""

    name = "deaf"

    async def run(self) -> None:
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                continue


async def many(commands: Sequence[bytes]) -> list[bytes | ShopError]:
    await asyncio.sleep(0.01)
    return list(commands)


async def app(
    desk: Desk[bytes, bytes], may_end: asyncio.Event, scope: Scope, receive: Receive, send: Send
) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    scope["shop.route"] = "/work"
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if scope["path"] == "/slow":
        sys.stdout.write("at work\n")
        sys.stdout.flush()
        await may_end.wait()
    answer = await desk.ask(body)
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def main(port: int, extra: str) -> None:
    claimed, claimed_ops = claim("127.0.0.1", port), claim("127.0.0.1", 0)

    def began() -> None:
        readiness.stopping = True
        process.arm(4.0 if extra == "deaf" else process.LAST_RESORT)

    patience = dict.fromkeys(Stage, 0.5) | {Stage.EDGE: 1.0 if extra == "deaf" else 8.0}
    supervisor = Supervisor(limits=Limits(crashes=3, pause=0.01), patience=patience, on_stop=began)
    readiness = Readiness(supervisor.health)
    registry = metrics.make_registry()
    registry.register(metrics.Actors(supervisor.health))
    durations = request_durations()
    registry.register(durations)
    duck = LameDuck()
    access = logs.AccessLog()
    may_end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, may_end.set)
    desk: Desk[bytes, bytes] = Desk("desk", many)
    edge = Edge(
        partial(app, desk, may_end),
        new_id=lambda: uuid4().hex.encode(),  # noqa: PLW0108 - a new one each time
        duck=duck,
        durations=durations,
        access=access,
    )
    http = HttpServer(edge, claimed, duck=duck, patience=1.0 if extra == "hasty" else 4.0)
    ops = Ops(claimed_ops, Myself(readiness, registry))
    supervisor.add(Stage.EDGE, http)
    supervisor.add(Stage.DESKS, desk)
    supervisor.add(Stage.LAST, ops)
    if extra == "crasher":
        supervisor.add(Stage.BACKGROUND, Crasher())
    if extra == "deaf":
        supervisor.add(Stage.BACKGROUND, Deaf())
    process.settle()
    sys.stdout.write(json.dumps({"http": http.address[1], "ops": ops.address[1]}) + "\n")
    sys.stdout.flush()
    try:
        await process.hold(supervisor)
    finally:
        access.flush()


if __name__ == "__main__":
    logs.configure("json")
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main(int(sys.argv[1]), sys.argv[2]))
    except PortTaken as error:
        sys.exit(str(error))
    except ConnectionError:
        sys.exit(1)
