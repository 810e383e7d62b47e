"""What runs in the one process, and in which order it starts and stops."""

import socket
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from dishka import AsyncContainer
from msgspec import Struct
from msgspec.structs import asdict
from prometheus_client import CollectorRegistry

from shop.adapters.sandbox.gateway import SandboxGateway
from shop.adapters.sandbox.webhooks import SandboxWebhooks
from shop.core.catalog.imports import ImportRegister
from shop.core.checkout.expiry import Expiry
from shop.core.checkout.links import PaymentLinks
from shop.core.checkout.refunds import RefundSender
from shop.core.checkout.tidying import CheckoutTidying
from shop.core.kernel.errors import Unavailable
from shop.core.notifications.service import MAILS, Mailer
from shop.core.users.deeds import BACKUP_MADE, Deeds
from shop.core.users.grant_tidying import GrantTidying
from shop.core.users.tidying import IdentityTidying
from shop.core.users.trips import TripTidying
from shop.entrypoints import logs, metrics
from shop.entrypoints.actors import process
from shop.entrypoints.actors.catalog_watch import CatalogWatch
from shop.entrypoints.actors.consumer import Consumer
from shop.entrypoints.actors.desks import desks_of
from shop.entrypoints.actors.holding import Holding
from shop.entrypoints.actors.imports import ImportDesk
from shop.entrypoints.actors.relay import OutboxRelay
from shop.entrypoints.actors.scheduler import Every
from shop.entrypoints.actors.supervisor import Actor, Stage, Supervisor
from shop.entrypoints.again import patient
from shop.entrypoints.cli import waiting
from shop.entrypoints.cli.opening import load_demo_once
from shop.entrypoints.consumers.reactions import reactions
from shop.entrypoints.consumers.registry import EVENTS
from shop.entrypoints.http.asgi import App
from shop.entrypoints.http.edge import LameDuck
from shop.entrypoints.http.forwarded import Forwarded
from shop.entrypoints.http.ops import Myself, Ops, Readiness
from shop.entrypoints.http.server import HttpServer, PortTaken, claim
from shop.entrypoints.http.site import SiteRules, make_site
from shop.entrypoints.logs import AccessLog
from shop.ports.admin_log import AdminLogReads, EntryFilter
from shop.ports.bus import DeadLetters, EventBus, Feeds, Subscriptions
from shop.ports.inventory import StockLedger
from shop.ports.outbox import Outbox
from shop.ports.system import Clock, Ids, Lease, Schema
from shop.ports.tracing import Tracing
from shop.ports.users import Passwords
from shop.settings import Settings
from shop.settings_reading import listening
from shop.wiring import after_commit, cache_reads, connections

log = structlog.get_logger()
T = TypeVar("T")

SERVES = frozenset({"all", "api"})
#: How long events stay in the log, and how long a repeat is known for one.
EVENTS_KEPT = timedelta(days=30)
#: So many pieces of a variant, or fewer, count as low stock.
FEW = 5
REACTS = frozenset({"all", "consumer"})


class Ports(Struct, frozen=True):
    """The addresses that are ours; `web` only where the role serves."""

    web: socket.socket | None
    ops: socket.socket

    def told(self, settings: Settings) -> Settings:
        """The settings as these ports make them."""
        web = settings.http.port if self.web is None else self.web.getsockname()[1]
        return listening(settings, web, self.ops.getsockname()[1])

    def close(self) -> None:
        for claimed in (self.web, self.ops):
            if claimed is not None:
                claimed.close()


def claim_ports(settings: Settings, role: str) -> Ports:
    """Raises `PortTaken`, which names the settings."""
    try:
        web = claim(settings.http.host, settings.http.port) if role in SERVES else None
    except PortTaken as error:
        raise PortTaken(f"{error} See SHOP_HTTP_HOST and SHOP_HTTP_PORT.") from error
    try:
        return Ports(web, claim(settings.ops.host, settings.ops.port))
    except PortTaken as error:
        raise PortTaken(f"{error} See SHOP_OPS_HOST and SHOP_OPS_PORT.") from error


async def serve(
    settings: Settings,
    role: str,
    ports: Ports,
    container: AsyncContainer,
    *,
    registry: CollectorRegistry,
    demo: bool,
    began: Callable[[], None] = lambda: None,
) -> int:
    """Run the actors of the role until told to stop; 1 if one of them kept crashing, else 0.

    Their metrics are put into `registry`.
    """
    web, ops = ports.web, ports.ops
    access = AccessLog(form=settings.log.format)
    try:
        schema = await container.get(Schema)
        if not await waiting.fitting(schema, ops, shared=settings.shares_database):
            return 0
        if demo:
            await load_demo_once(container, settings)
        readiness: Readiness

        def begin_to_stop() -> None:
            readiness.stopping = True
            process.arm()

        supervisor = Supervisor(on_stop=begin_to_stop)
        readiness = Readiness(supervisor.health)
        registry.register(metrics.Actors(supervisor.health))
        readiness.check("database", lambda: _fits(schema))
        await _add_storage(container, settings, registry)
        tracing = await container.get(Tracing) if settings.traces.url else None
        if tracing is not None:
            logs.follow(tracing.current)
        if web is not None:
            await _add_web(container, settings, supervisor, registry, web, access, tracing)
        if role in REACTS:
            await _add_background(container, settings, supervisor, registry, tracing)
        await _add_gateway(container, settings, supervisor, registry, serves=web is not None)
        supervisor.add(Stage.LAST, Ops(ops, Myself(readiness, registry)))
        process.settle()
        log.info("started", role=role, actors=list(supervisor.health))
        began()
        try:
            await process.hold(supervisor)
        except Exception:  # noqa: BLE001 - the supervisor has logged it
            return 1
        log.info("stopped", role=role)
        return 0
    finally:
        access.flush()
        await container.close()
        ports.close()


async def _fits(schema: Schema) -> None:
    """Raises `Unavailable` when somebody has changed the database under the running shop."""
    if (problem := await schema.problem()) is not None:
        raise Unavailable(problem)


async def _add_storage(
    container: AsyncContainer, settings: Settings, registry: CollectorRegistry
) -> None:
    if settings.shares_database and not settings.shares_cache:
        log.warning("replicas_count_apart", why="Limits hold for each; give them cache.url.")
    if (busy := await connections(container)) is not None:
        text = "Connections to the database at work."
        registry.register(metrics.Readings("shop_database_connections", text, "use", busy))
    if (reads := await cache_reads(container)) is not None:
        text = "Reads of the common cache, found in it or not, or spared since it is away."
        registry.register(metrics.Readings("shop_cache_reads", text, "result", reads, total=True))


async def _add_web(
    container: AsyncContainer,
    settings: Settings,
    supervisor: Supervisor,
    registry: CollectorRegistry,
    claimed: Any,
    access: AccessLog,
    tracing: Tracing | None,
) -> None:
    rules = SiteRules(
        lane_bytes=settings.catalog.lane_bytes,
        limits=settings.limits.enabled,
        cart_per_minute=settings.limits.cart_per_minute,
        identity_per_minute=settings.limits.identity_per_minute,
        shares_cache=settings.shares_cache,
        sandbox=settings.payments.provider == "sandbox",
        proxies=settings.http.networks,
        theme=settings.site.theme,
    )
    quiet = settings.log.level in {"warning", "error"}
    site = await make_site(container, rules, None if quiet else access)
    gauges = await container.get(metrics.Desks)
    registry.register(site.durations)
    registry.register(gauges)
    passwords = await container.get(Passwords)
    hashing = "Passwords being hashed, and those that wait for it."
    registry.register(metrics.Reading("shop_password_queue", hashing, lambda: passwords.queued))
    registry.register(
        metrics.Readings(
            "shop_catalog_cache_requests",
            "Reads of the catalogue, from memory or not.",
            "result",
            lambda: {"hit": site.lane.hits, "miss": site.lane.misses},
            total=True,
        )
    )
    in_flight = "Requests being answered."
    registry.register(
        metrics.Reading("http_server_active_requests", in_flight, lambda: site.edge.in_flight)
    )
    app: App = site.edge
    if tracing is not None:
        from shop import traced

        app = traced.TracedEdge(site.edge, tracing, Forwarded(settings.http.networks))
        site.app.state["seen"] = traced.use_case(tracing)
    server = HttpServer(app, claimed, duck=await container.get(LameDuck))
    supervisor.add(Stage.EDGE, server)
    for desk in await desks_of(container):
        gauges.watch(desk.name, lambda desk=desk: desk.depth)  # type: ignore[misc]
        supervisor.add(Stage.DESKS, desk)
    supervisor.add(Stage.BACKGROUND, await container.get(CatalogWatch))
    register = _scoped(container, ImportRegister, lambda use: use.abandon())
    supervisor.add(
        Stage.BACKGROUND, await container.get(ImportDesk), Every("lost-imports", 60.0, register)
    )


async def _add_background(
    container: AsyncContainer,
    settings: Settings,
    supervisor: Supervisor,
    registry: CollectorRegistry,
    tracing: Tracing | None,
) -> None:
    clock, lease = await container.get(Clock), await container.get(Lease)
    holder = (await container.get(Ids)).new().hex
    subscriptions = await container.get(Subscriptions)
    feeds, dead = await container.get(Feeds), await container.get(DeadLetters)
    heard = reactions(container)
    if tracing is not None:
        from shop.traced import traced_reaction

        heard = [traced_reaction(reaction, tracing) for reaction in heard]
    consumers = [Consumer(reaction, feeds, dead, clock) for reaction in heard]
    relay = OutboxRelay(
        await container.get(Outbox),
        await container.get(EventBus),
        lease,
        clock,
        holder,
        then=[feeds.wake],
    )

    def single(name: str, seconds: float, work: Callable[[], Awaitable[int | None]]) -> Every:
        """Of many replicas one does it at a time; who comes second would do it for nothing.

        What lies in a queue is taken by many side by side instead, and needs no turn.
        """
        if not settings.shares_database:
            return Every(name, seconds, work)
        turn = Holding(lease, clock, f"every-{name}", holder)

        async def in_turn() -> int | None:
            return await work() if await turn.keep() else 0

        return Every(name, seconds, in_turn)

    pollers: list[Actor] = [
        Every("mailer", 0.5, _scoped(container, Mailer, lambda use: use.send_due()), full=MAILS),
        Every("refunds", 0.5, _scoped(container, RefundSender, lambda use: use.send_due())),
        Every("link-checks", 5.0, _scoped(container, PaymentLinks, lambda use: use.check_due())),
        single("expiry", 1.0, _scoped(container, Expiry, lambda use: use.run_once())),
        single("links", 2.0, _scoped(container, PaymentLinks, lambda use: use.create_missing())),
        single("tidy-users", 3600.0, _scoped(container, IdentityTidying, lambda use: use.tidy())),
        single("tidy-grants", 3600.0, _scoped(container, GrantTidying, lambda use: use.tidy())),
        single("tidy-states", 3600.0, _scoped(container, TripTidying, lambda use: use.tidy())),
        single("tidy-admin-log", 3600.0, _scoped(container, Deeds, lambda use: use.tidy())),
        single("tidy-events", 3600.0, lambda: subscriptions.forget(clock.now() - EVENTS_KEPT)),
        single("tidy-carts", 600.0, _scoped(container, CheckoutTidying, lambda use: use.tidy())),
    ]
    supervisor.add(Stage.BACKGROUND, relay, *consumers, *pollers)
    await after_commit(container, relay.nudge)
    for name, text, read in (
        ("shop_outbox_waiting", "Events that wait for the bus.", lambda: relay.waiting),
        (
            "shop_outbox_age_seconds",
            "Age of the oldest event that waits for the bus.",
            lambda: relay.oldest_seconds,
        ),
    ):
        registry.register(metrics.Reading(name, text, read))
    by_name = {one.name.removeprefix("consumer-"): one for one in consumers}
    ledger, levels = (
        await container.get(StockLedger),
        dict.fromkeys(("low", "sold_out", "oversold"), 0),
    )

    async def look() -> None:
        levels.update(asdict(await ledger.levels(FEW)))

    supervisor.add(Stage.BACKGROUND, Every("stock-levels", 30.0, look))
    log_reads, backups = await container.get(AdminLogReads), {"last": 0.0}

    async def look_back() -> None:
        made = await log_reads.page(EntryFilter(action=BACKUP_MADE), 1, None)
        backups["last"] = max((one.at.timestamp() for one in made.items), default=0.0)

    supervisor.add(Stage.BACKGROUND, Every("last-backup", 30.0, look_back))
    registry.register(
        metrics.Reading(
            "shop_backup_last_success_timestamp_seconds",
            "When `shop backup` last wrote a whole backup of this database; 0: never.",
            lambda: backups["last"],
        )
    )
    for name, text, label, tell, total in (
        (
            "shop_events_published",
            "Events given to the bus, by type; only one process at a time does.",
            "type",
            lambda: {kind: relay.published[kind] for kind in EVENTS},
            True,
        ),
        (
            "shop_consumer_lag",
            "Events of its share of the bus that it has not dealt with.",
            "consumer",
            lambda: {key: one.lag for key, one in by_name.items()},
            False,
        ),
        (
            "shop_dead_letters",
            "Events that it gave up on since the start.",
            "consumer",
            lambda: {key: one.buried for key, one in by_name.items()},
            True,
        ),
        (
            "shop_stock_variants",
            f"Variants on sale: low is 1 to {FEW}.",
            "level",
            lambda: levels,
            False,
        ),
    ):
        registry.register(metrics.Readings(name, text, label, tell, total=total))


async def _add_gateway(
    container: AsyncContainer,
    settings: Settings,
    supervisor: Supervisor,
    registry: CollectorRegistry,
    *,
    serves: bool,
) -> None:
    """What a gateway brings along: the sandbox delivers webhooks, the real one may be spared.

    Who serves delivers them, for it calls itself, and it knows of no other's address.
    """
    if settings.payments.provider == "razorpay":
        from shop.adapters.razorpay.breaker import Breaker

        text = "Whether the payment gateway is spared: 0 no, 0.5 one call tries, 1 yes."
        breaker = await container.get(Breaker)
        registry.register(metrics.Reading("shop_gateway_breaker", text, breaker.spared))
        text = "Calls to the payment gateway by how they ended; spared ones were not made."
        registry.register(
            metrics.Readings(
                "shop_gateway_calls", text, "outcome", lambda: dict(breaker.calls), total=True
            )
        )
    elif serves:
        hooks = await container.get(SandboxWebhooks)
        deliveries = Every("sandbox-webhooks", 0.5, hooks.deliver_due)
        (await container.get(SandboxGateway)).on_webhook(deliveries.wake)
        supervisor.add(Stage.BACKGROUND, deliveries)


def _scoped(
    container: AsyncContainer, kind: type[T], work: Callable[[T], Awaitable[int | None]]
) -> Callable[[], Awaitable[int | None]]:
    async def once() -> int | None:
        async with container() as scope:
            return await work(patient(await scope.get(kind)))

    return once
