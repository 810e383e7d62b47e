"""Picks the adapters for the settings and builds the container. The only module that knows all."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from dishka import (
    STRICT_VALIDATION,
    AsyncContainer,
    Provider,
    Scope,
    make_async_container,
    provide,
)
from sqlalchemy import make_url

from shop.adapters.factors.provider import FactorChecks
from shop.adapters.feeds.provider import FeedReaders
from shop.adapters.letters.jinja import JinjaLetters
from shop.adapters.mail.provider import FilePosting, SmtpPosting
from shop.adapters.media.bucket import Bucket
from shop.adapters.media.provider import Pictures
from shop.adapters.memory.admin_log import MemoryLog
from shop.adapters.memory.cache import MemoryCache, MemoryRateLimiter
from shop.adapters.memory.catalog_provider import MemoryCatalog
from shop.adapters.memory.events import NoTopics
from shop.adapters.memory.mail_provider import MemoryMails, MemoryPosting
from shop.adapters.memory.orders_provider import MemoryOrderStorage
from shop.adapters.memory.privacy import MemoryPrivacy
from shop.adapters.memory.provider import MemoryCaching, MemoryStorage
from shop.adapters.memory.social_provider import MemorySocial
from shop.adapters.oidc.provider import SocialProviders
from shop.adapters.oidc.providers import OidcClient
from shop.adapters.pdf.provider import PdfPapers
from shop.adapters.pdf.seller import Seller
from shop.adapters.razorpay.provider import RazorpayPayments
from shop.adapters.sandbox.provider import SandboxPayments
from shop.adapters.sql.admin_log import SqlLog
from shop.adapters.sql.catalog_provider import SqlCatalog
from shop.adapters.sql.database import Database
from shop.adapters.sql.database_providers import SqliteFile
from shop.adapters.sql.mail_provider import SqlMail
from shop.adapters.sql.orders_provider import SqlOrderStorage
from shop.adapters.sql.privacy import SqlPrivacy
from shop.adapters.sql.provider import SqlStorage
from shop.adapters.sql.social_provider import SqlSocial
from shop.adapters.system.provider import Identity, System
from shop.adapters.system.secrets import DerivedSecrets
from shop.core.catalog.importing import Importing
from shop.core.catalog.imports import ImportRegister, ImportRun
from shop.core.catalog.service import (
    Assortment,
    CatalogTerms,
    CategoryKeeping,
    Gallery,
    Reviewing,
)
from shop.core.catalog.stockist import Stockist
from shop.core.catalog.suggest import Suggesting
from shop.core.catalog.variants import VariantKeeping
from shop.core.checkout.audit import Audit
from shop.core.checkout.booking import Booking
from shop.core.checkout.books import Bookkeeping
from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.carts import CartCommand, CartService, PricedCart
from shop.core.checkout.completing import Completion
from shop.core.checkout.drafting import Drafting, PlaceOrder
from shop.core.checkout.expiry import Expiry
from shop.core.checkout.fulfilment import Fulfilment
from shop.core.checkout.links import LinkKeeper, PaymentLinks
from shop.core.checkout.lookup import OrderLookup
from shop.core.checkout.once import Once
from shop.core.checkout.order_mails import OrderMails
from shop.core.checkout.refunds import Refunding, RefundSender
from shop.core.checkout.replies import Placed, Replies
from shop.core.checkout.service import Checkout
from shop.core.checkout.settlement import Report, Settled, Settlement
from shop.core.checkout.steps import OrderSteps
from shop.core.checkout.terms import Terms
from shop.core.checkout.tidying import CheckoutTidying
from shop.core.inventory.service import Stockroom
from shop.core.kernel.errors import ShopError
from shop.core.notifications.queueing import QueuedPost, Sender
from shop.core.notifications.service import Mailer, MailRoom
from shop.core.pricing.model import Coupon, CouponKind, PricePolicy, ShippingMethod
from shop.core.privacy.erasure import AccountErasure, OrderErasure, Resolve
from shop.core.privacy.export import Export
from shop.core.users.addresses import AddressBook
from shop.core.users.admins import Admins, DemoLogins, Staffing, UserAdmin
from shop.core.users.admission import Admission, HalfSignIns
from shop.core.users.authorizing import Authorizing
from shop.core.users.browsers import KnownBrowsers
from shop.core.users.client_keeping import ClientAdmin, ClientKeeping, KeyRotation
from shop.core.users.deeds import Deeds, LogTerms
from shop.core.users.enrolment import AppEnrolment, NewFactors, PasskeyEnrolment
from shop.core.users.factor_changes import FactorChanges
from shop.core.users.factor_guard import FactorGuard
from shop.core.users.factor_reset import FactorReset
from shop.core.users.forgotten import Forgotten
from shop.core.users.grant_tidying import GrantTidying
from shop.core.users.granting import ClientAuthentication, Granting
from shop.core.users.inspecting import Inspection, Revocation
from shop.core.users.issuing import Issuer
from shop.core.users.letters import Letters
from shop.core.users.liveness import Liveness
from shop.core.users.model import IdentityRules
from shop.core.users.passwords import NewPassword, PasswordChange, PasswordReset, ResetAnswers
from shop.core.users.policy import NewPasswords
from shop.core.users.profile import Profile
from shop.core.users.proving import Proving
from shop.core.users.second_step import PasskeySignIn, SecondSteps
from shop.core.users.service import Accounts, MailLimit, Resending, Verification
from shop.core.users.sessions import Refreshing, SignOut
from shop.core.users.signing_in import Credentials, SignIn
from shop.core.users.social import Presence, ProfileLinks, Recognition, SocialSignIn
from shop.core.users.throttle import Throttle
from shop.core.users.tidying import IdentityTidying
from shop.core.users.trips import SocialTrips, TripTidying
from shop.entrypoints.actors.catalog_watch import CatalogWatch
from shop.entrypoints.actors.desk import Desk
from shop.entrypoints.actors.desks import CartDesk, CheckoutDesk, SettlementDesk
from shop.entrypoints.actors.imports import ImportDesk, ImportJob
from shop.entrypoints.actors.log_feed import LogFeeds
from shop.entrypoints.http.api.order_answers import OrderAnswers
from shop.entrypoints.http.edge import LameDuck
from shop.entrypoints.http.order_tokens import OrderTokens
from shop.entrypoints.metrics import Desks
from shop.ports import mail
from shop.ports.bus import Feeds, Subscriptions, Topics
from shop.ports.catalog import CatalogChanges, CatalogReads
from shop.ports.checkout import Answers
from shop.ports.notifications import Post
from shop.ports.payments import Gateway
from shop.ports.system import Clock, Ids, Lease, Secrets
from shop.ports.uow import Units
from shop.settings import Settings

S = TypeVar("S")


class GivenSecrets(Provider):
    """Keys from the settings instead of the database."""

    def __init__(self, secret: str) -> None:
        super().__init__()
        self._secret = secret

    @provide(scope=Scope.APP, override=True)
    def secrets(self) -> Secrets:
        return DerivedSecrets(self._secret)


class UseCases(Provider):
    """One of each for a request or a batch."""

    scope = Scope.REQUEST

    carts = provide(CartService)
    drafting = provide(Drafting)
    replies = provide(Replies)
    booking = provide(Booking)
    checkout = provide(Checkout)
    tidying = provide(CheckoutTidying)


class OrderParts(Provider):
    """What happens to an order and its money after it was placed."""

    scope = Scope.REQUEST

    books = provide(Bookkeeping)
    once = provide(Once)
    steps = provide(OrderSteps)
    lookup = provide(OrderLookup, scope=Scope.APP)
    settlement = provide(Settlement)
    refunding = provide(Refunding)
    refund_sender = provide(RefundSender)
    link_keeper = provide(LinkKeeper)
    payment_links = provide(PaymentLinks)
    completion = provide(Completion)
    expiry = provide(Expiry)
    cancellation = provide(Cancellation)
    fulfilment = provide(Fulfilment)

    @provide(scope=Scope.APP)
    async def order_tokens(self, secrets: Secrets) -> OrderTokens:
        return OrderTokens(await secrets.get("order-tokens"))

    @provide(scope=Scope.APP)
    def answers(self, tokens: OrderTokens) -> Answers:
        return OrderAnswers(tokens)


class MailParts(Provider):
    """Mails, and what they are written from."""

    scope = Scope.REQUEST

    queued = provide(QueuedPost)
    order_mails = provide(OrderMails)
    mailer = provide(Mailer)
    room = provide(MailRoom)
    audit = provide(Audit)

    @provide
    def post(self, queued: QueuedPost) -> Post:
        return queued

    @provide(scope=Scope.APP)
    def sender(self, settings: Settings) -> Sender:
        return Sender(settings.mail.from_)

    @provide(scope=Scope.APP)
    def letters(self, settings: Settings, tokens: OrderTokens) -> mail.Letters:
        return JinjaLetters(settings.site.name, str(settings.site.url), tokens.make)


class People(Provider):
    """The use cases of identity."""

    scope = Scope.REQUEST

    credentials = provide(Credentials)
    throttle = provide(Throttle, scope=Scope.APP)
    browsers = provide(KnownBrowsers, scope=Scope.APP)
    liveness = provide(Liveness, scope=Scope.APP)
    mail_limit = provide(MailLimit, scope=Scope.APP)
    issuer = provide(Issuer, scope=Scope.APP)
    new_passwords = provide(NewPasswords, scope=Scope.APP)
    answers = provide(ResetAnswers, scope=Scope.APP)
    letters = provide(Letters)
    new_password = provide(NewPassword)

    accounts = provide(Accounts)
    verification = provide(Verification)
    resending = provide(Resending)
    half_sign_ins = provide(HalfSignIns)
    admission = provide(Admission)
    factor_changes = provide(FactorChanges)
    proving = provide(Proving, scope=Scope.APP)
    sign_in = provide(SignIn)
    second_steps = provide(SecondSteps)
    passkey_sign_in = provide(PasskeySignIn)
    factor_guard = provide(FactorGuard)
    new_factors = provide(NewFactors)
    app_enrolment = provide(AppEnrolment)
    passkey_enrolment = provide(PasskeyEnrolment)
    factor_reset = provide(FactorReset)
    refreshing = provide(Refreshing)
    client_authentication = provide(ClientAuthentication)
    authorizing = provide(Authorizing)
    granting = provide(Granting)
    inspection = provide(Inspection)
    revocation = provide(Revocation)
    client_keeping = provide(ClientKeeping)
    client_admin = provide(ClientAdmin)
    key_rotation = provide(KeyRotation)
    grant_tidying = provide(GrantTidying)
    sign_out = provide(SignOut)
    profile = provide(Profile)
    password_change = provide(PasswordChange)
    forgotten = provide(Forgotten)
    password_reset = provide(PasswordReset)
    address_book = provide(AddressBook)
    user_admin = provide(UserAdmin)
    staffing = provide(Staffing)
    admins = provide(Admins)
    demo_logins = provide(DemoLogins)
    tidying = provide(IdentityTidying)


class SocialParts(Provider):
    """Signing in with profiles of other services."""

    scope = Scope.REQUEST

    trips = provide(SocialTrips)
    presence = provide(Presence)
    recognition = provide(Recognition)
    sign_in = provide(SocialSignIn)
    links = provide(ProfileLinks)
    tidying = provide(TripTidying)


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
        MemorySocial() if settings.database_url.startswith("memory:") else SqlSocial(),
        SocialProviders(clients, development=not settings.site.production),
        SocialParts(),
    ]


class PrivacyParts(Provider):
    """What a person may take along, and how they are forgotten."""

    scope = Scope.REQUEST

    export = provide(Export, scope=Scope.APP)
    order_erasure = provide(OrderErasure)
    resolve = provide(Resolve)
    account_erasure = provide(AccountErasure)


class LogParts(Provider):
    """What staff did: who may read it, and how long it is kept."""

    deeds = provide(Deeds, scope=Scope.REQUEST)

    @provide(scope=Scope.APP)
    def terms(self, settings: Settings) -> LogTerms:
        days = settings.security.admin_log_days
        return LogTerms(kept=timedelta(days=days) if days else None)


class CatalogParts(Provider):
    """The catalogue: what staff do to it, what is imported, and who watches it."""

    scope = Scope.REQUEST

    assortment = provide(Assortment)
    stockist = provide(Stockist, scope=Scope.APP)
    gallery = provide(Gallery)
    variants = provide(VariantKeeping)
    category_keeping = provide(CategoryKeeping)
    reviewing = provide(Reviewing)
    stockroom = provide(Stockroom)
    importing = provide(Importing)
    import_register = provide(ImportRegister)
    import_run = provide(ImportRun)

    @provide(scope=Scope.APP)
    def terms(self, settings: Settings) -> CatalogTerms:
        return CatalogTerms(str(settings.site.currency), settings.tax.default_basis_points)

    @provide(scope=Scope.APP)
    def suggesting(self, reads: CatalogReads) -> Suggesting:
        return Suggesting(reads)

    @provide(scope=Scope.APP)
    def watch(self, changes: CatalogChanges) -> CatalogWatch:
        return CatalogWatch(changes)

    @provide(scope=Scope.APP)
    def imports(self, container: AsyncContainer) -> ImportDesk:
        async def work(job: ImportJob) -> None:
            async with container() as scope:
                await (await scope.get(ImportRun)).run(job.report, job.file)

        async def begin() -> None:
            async with container() as scope:
                await (await scope.get(ImportRegister)).abandon()

        return ImportDesk(work, begin)


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


#: Seconds a desk rests after a batch: other processes get at SQLite, and more callers gather.
_PAUSE = 0.001


def _lasting(container: AsyncContainer, kind: type[S]) -> Callable[[], Awaitable[S]]:
    """One set of use cases for all batches of a desk, which serves one at a time.

    Made when it is first needed, since a provider must not ask the container it is part of.
    """
    made: S | None = None

    async def service() -> S:
        nonlocal made
        if made is None:
            made = await (await container().__aenter__()).get(kind)
        return made

    return service


class DeskRoom(Provider):
    scope = Scope.APP

    duck = provide(LameDuck)

    @provide
    def gauges(self) -> Desks:
        return Desks()

    @provide
    def carts(self, container: AsyncContainer, units: Units, gauges: Desks) -> CartDesk:
        service = _lasting(container, CartService)

        async def many(commands: Sequence[CartCommand]) -> Sequence[PricedCart | ShopError]:
            return await (await service()).serve_all(commands)

        return CartDesk(Desk("carts", many, units, gauge=gauges.gauge("carts"), pause=_PAUSE))

    @provide
    def checkout(
        self,
        container: AsyncContainer,
        units: Units,
        gauges: Desks,
        gateway: Gateway,  # noqa: ARG002 - these two fetch their secrets when they are made,
        answers: Answers,  # noqa: ARG002 - which must not happen inside a batch's transaction
    ) -> CheckoutDesk:
        service = _lasting(container, Checkout)

        async def many(commands: Sequence[PlaceOrder]) -> Sequence[Placed | ShopError]:
            return await (await service()).place_all(commands)

        return CheckoutDesk(
            Desk("checkout", many, units, gauge=gauges.gauge("checkout"), pause=_PAUSE)
        )

    @provide
    def settlement(self, container: AsyncContainer, units: Units, gauges: Desks) -> SettlementDesk:
        service = _lasting(container, Settlement)

        async def many(reports: Sequence[Report]) -> Sequence[Settled | ShopError]:
            return await (await service()).settle_all(reports)

        return SettlementDesk(
            Desk("settlement", many, units, gauge=gauges.gauge("settlement"), pause=_PAUSE)
        )


def _orders(settings: Settings) -> list[Provider]:
    memory = settings.database_url.startswith("memory:")
    seller = Seller(
        name=settings.tax.seller_name,
        address=settings.tax.seller_address_lines,
        gstin=settings.tax.gstin,
        state=settings.tax.state,
    )
    return [
        MemoryOrderStorage() if memory else SqlOrderStorage(),
        _payments(settings),
        PdfPapers(seller),
        OrderParts(),
    ]


def _payments(settings: Settings) -> Provider:
    if settings.payments.provider == "razorpay":
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
    memory = settings.database_url.startswith("memory:")
    return [
        MemoryCatalog() if memory else SqlCatalog(),
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
        key_secret=media.key_secret.reveal(),
    )


def _caching(settings: Settings) -> Provider:
    if not settings.shares_cache:
        return MemoryCaching()
    # A client that a start without Redis need not load.
    from shop.adapters.redis.provider import RedisCaching  # noqa: PLC0415

    return RedisCaching(str(settings.cache.url), MemoryCache, MemoryRateLimiter)


def _mail(settings: Settings) -> list[Provider]:
    memory = settings.database_url.startswith("memory:")
    return [MemoryMails() if memory else SqlMail(), _posting(settings), MailParts()]


def _posting(settings: Settings) -> Provider:
    scheme, _, folder = settings.mail_url.partition(":")
    host = (urlsplit(settings.site.url).hostname or "localhost").encode("idna").decode()
    if scheme == "memory":
        return MemoryPosting()
    if scheme == "file":
        return FilePosting(Path(folder), host)
    return SmtpPosting(str(settings.mail_url), host)


def storage_providers(settings: Settings) -> list[Provider]:
    """The database of the settings."""
    url = settings.database_url
    if url.startswith("memory:"):
        return [MemoryStorage()]
    if not settings.shares_database:
        return [SqlStorage(), SqliteFile(Path(make_url(url).database or ""))]
    # A driver that a start on the embedded database need not load.
    from shop.adapters.sql.mysql_provider import MysqlServer  # noqa: PLC0415

    pool = settings.database
    return [SqlStorage(), MysqlServer(str(url), pool=pool.pool, patience=pool.pool_seconds)]


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
    from shop.adapters.kafka.provider import KafkaEvents  # noqa: PLC0415
    from shop.adapters.kafka.topics import Layout  # noqa: PLC0415

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
        MemoryLog() if settings.database_url.startswith("memory:") else SqlLog(),
        LogParts(),
        *_social(settings),
        MemoryPrivacy() if settings.database_url.startswith("memory:") else SqlPrivacy(),
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


async def after_commit(container: AsyncContainer, tell: Callable[[], None]) -> None:
    """Call `tell` after each unit of this process, where the storage can say so."""
    settings = await container.get(Settings)
    if not settings.database_url.startswith("memory:"):
        (await container.get(Database)).on_commit(tell)
