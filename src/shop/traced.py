"""What makes the steps of a trace: wrappers around the parts of the shop, only where one is asked
for. Without them nothing here is loaded, and no call passes through anything."""

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping, Sequence
from typing import Any, TypeVar, cast

from dishka import Provider, Scope
from msgspec import Struct

from shop.adapters.sql.database import Database
from shop.adapters.sql.traced import TracedDatabase
from shop.adapters.system.cloudevents import CloudEvents, trace_of
from shop.entrypoints.actors.consumer import Reaction
from shop.entrypoints.actors.desk import Desk, Many
from shop.entrypoints.actors.lanes import Arrived
from shop.entrypoints.http.asgi import App, Message
from shop.entrypoints.http.edge import METHODS
from shop.entrypoints.http.fastlane import lane_route
from shop.entrypoints.http.forwarded import Forwarded
from shop.entrypoints.http.raw import header
from shop.ports.bus import EventBus
from shop.ports.cache import Cache, RateLimiter, SteadyCache
from shop.ports.outbox import Envelope, Sealer
from shop.ports.payments import Gateway
from shop.ports.system import Ids
from shop.ports.tracing import NO_FACTS, NO_TRACE, Cause, Facts, Kind, TraceContext, Tracing
from shop.usecases import MakeDesk

C = TypeVar("C")
A = TypeVar("A")
T = TypeVar("T")
Scopes = MutableMapping[str, Any]

_SERVER_ERROR = 500


class TracedEdge:
    """A trace for each request, or its part of one that a caller began."""

    def __init__(self, edge: App, tracing: Tracing, forwarded: Forwarded) -> None:
        self._edge = edge
        self._tracing = tracing
        self._forwarded = forwarded

    async def __call__(
        self,
        scope: Scopes,
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        if scope["type"] != "http":
            await self._edge(scope, receive, send)
            return
        sent, believed = NO_TRACE, False
        if parent := header(cast(Any, scope), b"traceparent"):
            sent = TraceContext(parent, header(cast(Any, scope), b"tracestate") or "")
            believed = self._forwarded.believes(scope)
        with self._tracing.request(sent, believed=believed) as span:
            if not span.recorded:
                await self._edge(scope, receive, send)
                return
            status = 0

            def answer(message: Message) -> Awaitable[None]:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                return send(message)

            try:
                await self._edge(scope, receive, answer)
            finally:
                method = scope["method"] if scope["method"] in METHODS else "_OTHER"
                route = scope.get("shop.route") or scope.get("path_template")
                route = route or lane_route(scope["path"]) or ""  # what lay ready was not routed
                facts: dict[str, str | int] = {
                    "http.request.method": method,
                    "http.response.status_code": status,
                }
                if route:
                    facts["http.route"] = route
                if request := scope.get("state", {}).get("request_id"):
                    facts["shop.request.id"] = request
                span.tell(facts, name=f"{method} {route}".rstrip())
                if status >= _SERVER_ERROR:
                    span.fail(str(status))


class _Asked(Struct, frozen=True):
    """A command in the queue of a desk, with who waits for it."""

    command: Any
    cause: Cause


class TracedDesk(Desk[C, A]):
    """Each who waits has a span, and so has the batch."""

    def __init__(self, tracing: Tracing, name: str, many: Many[C, A], **options: Any) -> None:
        async def together(asked: Sequence[_Asked]) -> Sequence[Any]:
            with tracing.together(f"desk {name}", [one.cause for one in asked]):
                return await many([one.command for one in asked])

        super().__init__(name, cast(Any, together), **options)
        self._tracing = tracing

    async def ask(self, command: C, *, timeout: float = 5.0) -> A:  # noqa: ASYNC109
        with self._tracing.waiting(f"desk {self.name}") as cause:
            asked: Any = _Asked(command, cause)
            return await super().ask(asked, timeout=timeout)


class _TracedBus(EventBus):
    def __init__(self, bus: EventBus, tracing: Tracing) -> None:
        self._bus = bus
        self._tracing = tracing

    async def publish(self, batch: Sequence[Envelope]) -> None:
        parents = [trace_of(event) for event in batch]
        with self._tracing.caused("publish", Kind.PRODUCER, parents):
            await self._bus.publish(batch)


def traced_reaction(reaction: Reaction, tracing: Tracing) -> Reaction:
    async def react(events: Sequence[Arrived]) -> None:
        parents = [one.trace for one in events]
        with tracing.caused(f"process {reaction.name}", Kind.CONSUMER, parents):
            await reaction.react(events)

    return Reaction(reaction.name, reaction.topics, reaction.open, react)


class _Steps:
    """Each call of a coroutine method is a step."""

    def __init__(
        self, service: Any, tracing: Tracing, name: str, kind: Kind, facts: Facts, *, begins: bool
    ) -> None:
        self._service = service
        self._tracing = tracing
        self._name = name
        self._kind = kind
        self._facts = facts
        self._begins = begins

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._service, name)
        if not inspect.iscoroutinefunction(method):
            return method
        return functools.partial(self._step, f"{self._name}.{name}", method)

    async def _step(
        self, step: str, method: Callable[..., Coroutine[Any, Any, T]], *args: Any, **more: Any
    ) -> T:
        with self._tracing.step(step, self._kind, self._facts, begins=self._begins):
            return await method(*args, **more)


def steps(
    service: T,
    tracing: Tracing,
    name: str,
    kind: Kind = Kind.INTERNAL,
    facts: Facts = NO_FACTS,
    *,
    begins: bool = False,
) -> T:
    """The same service, whose work is seen."""
    return cast(T, _Steps(service, tracing, name, kind, facts, begins=begins))


def use_case(tracing: Tracing) -> Callable[[Any], Any]:
    """What routes run: with patience, and as steps. Other things pass through."""

    def seen(service: Any) -> Any:
        kind = type(service)
        if not kind.__module__.startswith("shop.core."):
            return service
        return steps(service, tracing, kind.__name__)

    return seen


def traced_parts(*, site_url: str, sql: bool, redis: bool) -> Provider:
    """Wraps what the settings have chosen."""
    parts = Provider(scope=Scope.APP)

    def database(database: Database, tracing: Tracing) -> Database:
        return TracedDatabase(database, tracing)

    def bus(bus: EventBus, tracing: Tracing) -> EventBus:
        return _TracedBus(bus, tracing)

    def gateway(gateway: Gateway, tracing: Tracing) -> Gateway:
        # Pollers call it as well, and an operator wants to see that.
        return steps(gateway, tracing, "gateway", Kind.CLIENT, begins=True)

    def sealer(ids: Ids, tracing: Tracing) -> Sealer:
        return CloudEvents(ids, site_url, tracing.sends)

    def desks(tracing: Tracing) -> MakeDesk:
        return cast(MakeDesk, functools.partial(TracedDesk, tracing))

    parts.decorate(bus)
    parts.decorate(gateway)
    parts.provide(sealer, override=True)
    parts.provide(desks, override=True)
    if sql:
        parts.decorate(database)
    if redis:
        for port in (Cache, SteadyCache, RateLimiter):
            parts.decorate(_traced_redis(port))
    return parts


def _traced_redis(port: type[T]) -> Callable[..., T]:
    def traced(cache: Any, tracing: Tracing) -> Any:
        return steps(cache, tracing, "redis", Kind.CLIENT, {"db.system.name": "redis"})

    traced.__annotations__ = {"cache": port, "tracing": Tracing, "return": port}
    return traced
