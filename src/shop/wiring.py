"""Picks the adapters for the settings and builds the container. The only module that knows all."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from dishka import STRICT_VALIDATION, AsyncContainer, Provider, Scope, make_async_container, provide
from sqlalchemy import make_url

from shop.adapters.factors.provider import FactorChecks
from shop.adapters.feeds.provider import FeedReaders
from shop.adapters.mail.provider import FilePosting, SmtpPosting
from shop.adapters.media.bucket import Bucket
from shop.adapters.media.provider import Pictures
from shop.adapters.memory.cache import MemoryCache, MemoryRateLimiter
from shop.adapters.memory.caching import MemoryCaching
from shop.adapters.memory.events import NoTopics
from shop.adapters.oidc.provider import SocialProviders
from shop.adapters.oidc.providers import OidcClient
from shop.adapters.pdf.provider import PdfPapers
from shop.adapters.pdf.seller import Seller
from shop.adapters.sandbox.provider import SandboxPayments
from shop.adapters.sql.database import Database
from shop.adapters.sql.database_providers import SqliteFile
from shop.adapters.system.provider import Identity, System
from shop.adapters.system.secrets import DerivedSecrets
from shop.core.checkout.terms import Terms
from shop.core.kernel.errors import Invalid
from shop.core.pricing.model import Coupon, CouponKind, PricePolicy, ShippingMethod
from shop.core.users.model import IdentityRules
from shop.entrypoints.actors.log_feed import LogFeeds
from shop.ports.bus import Feeds, Subscriptions, Topics
from shop.ports.system import Clock, Ids, Lease, Secrets
from shop.settings import Settings, pairs
from shop.usecases import (
    CatalogParts,
    DeskRoom,
    LogParts,
    MailParts,
    OrderParts,
    People,
    PrivacyParts,
    SocialParts,
    UseCases,
)


class GivenSecrets(Provider):
    """Keys from the settings instead of the database."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    @provide(scope=Scope.APP, override=True)
    def secrets(self) -> Secrets:
        return DerivedSecrets(self._secret)


def _social(settings: Settings) -> list[Provider]:
    clients = [
        OidcClient(
            name=name,
            title=one.title,
            issuer=str(one.issuer),
            client_id=one.client_id,
            secret=one.client_secret.reveal(),
            scopes=one.scopes,
        )
        for name, one in settings.providers.named.items()
    ]
    return [
        SocialProviders(clients, development=not settings.site.production),
        SocialParts(),
    ]


def _believed(settings: Settings) -> timedelta:
    """How long a session may be held to be alive: not at all where replicas share a database but
    no cache, since one would not hear that another ended it."""
    deaf = settings.shares_database and not settings.shares_cache
    return timedelta(0) if deaf else timedelta(seconds=5)


class Conditions(Provider):
    """What the settings say, in the words of the core."""

    scope = Scope.APP

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    @provide
    def settings(self) -> Settings:
        return self._settings

    @provide
    def policy(self) -> PricePolicy:
        settings = self._settings
        return PricePolicy(
            currency=settings.site.currency,
            shipping=(
                ShippingMethod(
                    code="standard",
                    title="Standard delivery",
                    description="3 to 6 working days",
                    price=settings.shipping.standard_amount,
                    free_from=settings.shipping.standard_free_above,
                ),
                ShippingMethod(
                    code="express",
                    title="Express delivery",
                    description="1 to 2 working days",
                    price=settings.shipping.express_amount,
                ),
            ),
            shipping_tax_basis_points=settings.shipping.tax_basis_points,
            coupons=tuple(
                Coupon(
                    code=coupon.code,
                    kind=CouponKind(coupon.kind),
                    value=coupon.value,
                    minimum=coupon.minimum,
                    starts_at=coupon.starts_at,
                    ends_at=coupon.ends_at,
                )
                for coupon in settings.pricing.coupons
            ),
        )

    @provide
    def identity(self) -> IdentityRules:
        settings = self._settings
        return IdentityRules(
            site_url=settings.site.url.rstrip("/"),
            development=not settings.site.production,
            access_lasts=timedelta(seconds=settings.security.access_token_seconds),
            refresh_lasts=timedelta(days=settings.security.refresh_token_days),
            session_lasts=timedelta(days=settings.security.session_days),
            password_from=settings.passwords.min_length,
            passphrase_from=settings.passwords.passphrase_length,
            password_score=settings.passwords.min_score,
            alive_lasts=_believed(settings),
            throttled=settings.limits.enabled,
            staff_second_factor=settings.security.staff_second_factor,
        )

    @provide
    def terms(self) -> Terms:
        settings = self._settings
        return Terms(
            shop_name=settings.site.name,
            callback_url=f"{settings.site.url}/payments/razorpay/callback",
            hold=timedelta(seconds=settings.orders.hold_seconds),
            invoice_series=settings.tax.invoice_series,
            cod=settings.cod.enabled,
            cod_limit=settings.cod.max_amount,
        )


def _kept(settings: Settings, *parts: str) -> list[Provider]:
    """Parts of the storage of the settings. What serves the other kind is not loaded."""
    if settings.database_url.startswith("memory:"):
        from shop.adapters.memory.providers import PARTS
    else:
        from shop.adapters.sql.providers import PARTS
    return [PARTS[part]() for part in parts]


def _orders(settings: Settings) -> list[Provider]:
    seller = Seller(
        name=settings.tax.seller_name,
        address=settings.tax.seller_address_lines,
        gstin=settings.tax.gstin,
        state=settings.tax.state,
    )
    return [
        *_kept(settings, "orders"),
        _payments(settings),
        PdfPapers(seller),
        OrderParts(),
    ]


def _payments(settings: Settings) -> Provider:
    if settings.payments.provider == "razorpay":
        # What a start with the sandbox need not load.
        from shop.adapters.razorpay.provider import RazorpayPayments

        keys = settings.razorpay
        return RazorpayPayments(
            keys.key_id, keys.key_secret.reveal(), keys.webhook_secrets, str(keys.url)
        )
    # The shop calls itself, wherever it listens: the public URL may end at a proxy elsewhere.
    host = settings.http.host if settings.http.host not in {"0.0.0.0", "::"} else "127.0.0.1"  # noqa: S104
    return SandboxPayments(
        str(settings.site.url), f"http://{host}:{settings.http.port}/webhooks/razorpay"
    )


def catalog_providers(settings: Settings) -> list[Provider]:
    return [
        *_kept(settings, "catalog"),
        Pictures(str(settings.media_url), _bucket(settings)),
        FeedReaders(),
        CatalogParts(),
    ]


def _bucket(settings: Settings) -> Bucket:
    media = settings.media
    return Bucket(
        endpoint=media.endpoint.rstrip("/"),
        region=media.region,
        key_id=media.key_id,
        ca=media.ca,
        key_secret=media.key_secret.reveal(),
    )


def _caching(settings: Settings) -> Provider:
    if not settings.shares_cache:
        return MemoryCaching()
    # A client that a start without Redis need not load.
    from shop.adapters.redis.provider import RedisCaching

    return RedisCaching(str(settings.cache.url), MemoryCache, MemoryRateLimiter)


def _mail(settings: Settings) -> list[Provider]:
    return [*_kept(settings, "mail"), _posting(settings), MailParts()]


def _posting(settings: Settings) -> Provider:
    scheme, _, folder = settings.mail_url.partition(":")
    host = (urlsplit(settings.site.url).hostname or "localhost").encode("idna").decode()
    if scheme == "memory":
        # What only tests need.
        from shop.adapters.memory.mail_provider import MemoryPosting

        return MemoryPosting()
    if scheme == "file":
        return FilePosting(Path(folder), host)
    return SmtpPosting(str(settings.mail_url), host)


def storage_providers(settings: Settings) -> list[Provider]:
    """The database of the settings."""
    url = settings.database_url
    kept = _kept(settings, "base", "social")
    if url.startswith("memory:"):
        return kept
    if not settings.shares_database:
        return [*kept, SqliteFile(Path(make_url(url).database or ""))]
    # A driver that a start on the embedded database need not load.
    from shop.adapters.sql.mysql_provider import MysqlServer

    pool = settings.database
    server = MysqlServer(str(url), pool=pool.pool, patience=pool.pool_seconds)
    return [*kept, server]


class EmbeddedBus(Provider):
    """Consumers read the event log of the storage."""

    scope = Scope.APP

    @provide
    def feeds(self, subscriptions: Subscriptions, lease: Lease, clock: Clock, ids: Ids) -> Feeds:
        return LogFeeds(subscriptions, lease, clock, ids.new().hex)

    @provide
    def topics(self) -> Topics:
        return NoTopics()


def _bus(settings: Settings) -> Provider:
    bus = settings.bus
    if not bus.url.startswith("kafka:"):
        return EmbeddedBus()
    # A client that a start without Kafka need not load.
    from shop.adapters.kafka.provider import KafkaEvents
    from shop.adapters.kafka.topics import Layout

    layout = Layout(
        bus.partitions,
        bus.replication,
        timedelta(hours=bus.retention_hours),
        make=not settings.site.production,
    )
    return KafkaEvents(bus.url, bus.prefix, layout)


def make_container(settings: Settings, *overrides: Provider) -> AsyncContainer:
    """Everything the settings ask for; `overrides` replace parts of it in tests."""
    return make_async_container(
        System(str(settings.site.url)),  # a plain str: JSON encoders know no subclass
        Identity(
            str(settings.site.url),
            memory_kib=settings.passwords.memory_kib,
            time_cost=settings.passwords.time_cost,
            parallelism=settings.passwords.parallelism,
            threads=settings.passwords.pool_size,
            queue=settings.passwords.queue,
        ),
        FactorChecks(str(settings.site.url), settings.site.name),
        _caching(settings),
        *storage_providers(settings),
        *catalog_providers(settings),
        *_orders(settings),
        People(),
        *_kept(settings, "log", "privacy"),
        LogParts(),
        *_social(settings),
        PrivacyParts(),
        *_mail(settings),
        Conditions(settings),
        UseCases(),
        DeskRoom(),
        _bus(settings),
        *([GivenSecrets(secret)] if (secret := settings.security.secret.reveal()) else []),
        *overrides,
        validation_settings=STRICT_VALIDATION,
    )


def traces(settings: Settings) -> list[Provider]:
    """What `make_container` takes for a shop that shows its work. Raises `Invalid`."""
    if not settings.traces.url:
        return []
    # Nothing of it is loaded by who has no collector.
    try:
        from shop.adapters.otel.provider import Traces
    except ImportError as error:
        raise Invalid(
            "SHOP_TRACES_URL: needs OpenTelemetry; install the extra shop[traces]"
            f" ({error.name} is missing)."
        ) from error
    from shop.traced import traced_parts

    ours = settings.traces
    return [
        Traces(
            ours.endpoint,
            ratio=ours.ratio,
            attributes=pairs(ours.attributes),
            headers=pairs(ours.headers.reveal()),
        ),
        traced_parts(
            site_url=str(settings.site.url),
            sql=not settings.database_url.startswith("memory:"),
            redis=settings.shares_cache,
        ),
    ]


async def after_commit(container: AsyncContainer, tell: Callable[[], None]) -> None:
    """Call `tell` after each unit of this process, where the storage can say so."""
    settings = await container.get(Settings)
    if not settings.database_url.startswith("memory:"):
        (await container.get(Database)).on_commit(tell)


async def cache_reads(container: AsyncContainer) -> Callable[[], dict[str, int]] | None:
    """What counts the reads of the common cache by their result; None without one."""
    if not (await container.get(Settings)).shares_cache:
        return None
    from shop.adapters.redis.line import Line

    line = await container.get(Line)
    return lambda: line.reads


async def connections(container: AsyncContainer) -> Callable[[], dict[str, float]] | None:
    """What tells how many connections to the database are at work; None in memory."""
    settings = await container.get(Settings)
    if settings.database_url.startswith("memory:"):
        return None
    database: Database = await container.get(Database)
    return database.busy
