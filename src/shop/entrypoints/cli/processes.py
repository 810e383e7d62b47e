"""One process, or a crew of them that looks like one."""

import asyncio
import socket
from collections.abc import Callable
from functools import partial

import uvloop
from dishka import AsyncContainer

from shop.core.kernel.errors import ShopError
from shop.entrypoints.actors import process
from shop.entrypoints.actors.crew import Crew, Member, Refusal
from shop.entrypoints.actors.supervisor import Stage, Supervisor
from shop.entrypoints.cli.common import Failure
from shop.entrypoints.cli.opening import say_where
from shop.entrypoints.cli.serving import SERVES, Ports, claim_ports, serve
from shop.entrypoints.http.ops import Ops
from shop.entrypoints.http.server import beside, claim
from shop.entrypoints.http.workers import Workers
from shop.entrypoints.metrics import make_registry
from shop.settings import Settings
from shop.wiring import make_container, traces


def serve_alone(settings: Settings, role: str, *, demo: bool) -> int:
    """Raises `PortTaken` or `Refusal`."""
    ports = claim_ports(settings, role)
    settings = ports.told(settings)
    return _run(settings, role, ports, _container(settings), _greeting(settings, role), demo=demo)


def serve_together(settings: Settings, role: str, workers: int, *, demo: bool) -> int:
    """The same by so many workers, which share their memory as far as it is the same.

    Only this process claims the ports. Each worker listens beside it, and has an ops port of its
    own on the loopback, which the teller asks who answers for all.
    """
    ports = claim_ports(settings, role)
    settings = ports.told(settings)
    private = {f"worker-{number}": claim("127.0.0.1", 0) for number in range(1, workers + 1)}
    container = _container(settings)

    def work(claimed: socket.socket, began: Callable[[], None]) -> int:
        mine = Ports(ports.web, beside(claimed))
        return _run(settings, role, mine, container, began, demo=demo)

    def tell() -> int:
        numbers = {name: claimed.getsockname()[1] for name, claimed in private.items()}
        supervisor = Supervisor()
        supervisor.add(Stage.LAST, Ops(ports.ops, Workers(numbers)))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(process.hold(supervisor))
        return 0

    greetings = [_greeting(settings, role)] + [_silence] * (workers - 1)
    members = [
        Member(name, partial(work, claimed, began))
        for (name, claimed), began in zip(private.items(), greetings, strict=True)
    ]
    process.settle()
    return Crew([*members, Member("teller", tell, last=True)]).run()


def _silence() -> None: ...


def _greeting(settings: Settings, role: str) -> Callable[[], None]:
    return partial(say_where, settings) if role in SERVES else _silence


def _container(settings: Settings) -> AsyncContainer:
    """Nothing is opened yet; an adapter may refuse its settings."""
    try:
        container = make_container(settings, *traces(settings))
    except ShopError as error:
        raise Refusal(error.detail) from None
    process.loaded()
    return container


def _run(
    settings: Settings,
    role: str,
    ports: Ports,
    container: AsyncContainer,
    began: Callable[[], None],
    *,
    demo: bool,
) -> int:
    registry = make_registry()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(
                serve(settings, role, ports, container, registry=registry, demo=demo, began=began)
            )
    except ShopError as error:
        raise Refusal(error.detail) from None
    except Failure as error:
        raise Refusal(error.message) from None
