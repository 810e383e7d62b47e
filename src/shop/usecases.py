"""The use cases as the container makes them, and the desks that serve some of them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from dishka import AsyncContainer, Provider, Scope, provide

from shop.adapters.letters.jinja import JinjaLetters
from shop.core.catalog.exporting import Exporting
from shop.core.catalog.importing import Importing
from shop.core.catalog.imports import ImportRegister, ImportRun
from shop.core.catalog.service import Assortment, CatalogTerms, CategoryKeeping, Gallery, Reviewing
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
from shop.core.checkout.order_mails import OrderMails, StaffMailbox
from shop.core.checkout.refunds import Refunding, RefundSender
from shop.core.checkout.repeats import Repeats
from shop.core.checkout.replies import Placed, Replies
from shop.core.checkout.service import Checkout
from shop.core.checkout.settlement import Report, Settled, Settlement
from shop.core.checkout.showing import CartShowing
from shop.core.checkout.steps import OrderSteps
from shop.core.checkout.tidying import CheckoutTidying
from shop.core.inventory.service import Stockroom
from shop.core.kernel.errors import ShopError
from shop.core.notifications.queueing import QueuedPost, Sender
from shop.core.notifications.sealing import SealedLinks
from shop.core.notifications.service import Mailer, MailRoom
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
from shop.core.users.factor_reset import FactorAdmin, FactorRescue, FactorReset
from shop.core.users.forgotten import Forgotten
from shop.core.users.grant_tidying import GrantTidying
from shop.core.users.granting import ClientAuthentication, Granting
from shop.core.users.inspecting import Inspection, Revocation
from shop.core.users.issuing import Issuer, RefreshKey
from shop.core.users.letters import Letters
from shop.core.users.liveness import Liveness
from shop.core.users.mail_limit import MailLimit
from shop.core.users.passwords import NewPassword, PasswordChange, PasswordReset, ResetAnswers
from shop.core.users.policy import NewPasswords
from shop.core.users.presence import Presence
from shop.core.users.profile import Profile
from shop.core.users.proving import Proving
from shop.core.users.reclaiming import Reclaiming
from shop.core.users.second_step import PasskeySignIn, SecondSteps
from shop.core.users.service import Accounts, Resending, Verification
from shop.core.users.sessions import Refreshing, SignOut
from shop.core.users.signing_in import Credentials, SignIn
from shop.core.users.social import ProfileLinks, Recognition, SocialSignIn
from shop.core.users.throttle import Throttle
from shop.core.users.tidying import IdentityTidying
from shop.core.users.trips import SocialTrips, TripTidying
from shop.entrypoints.actors.catalog_watch import CatalogWatch
from shop.entrypoints.actors.desk import Desk, Gauge, Many
from shop.entrypoints.actors.desks import (
    CartDesk,
    CartWindow,
    CheckoutDesk,
    SettlementDesk,
)
from shop.entrypoints.actors.imports import ImportDesk, ImportJob
from shop.entrypoints.http.api.live import Streams
from shop.entrypoints.http.api.order_answers import OrderAnswers
from shop.entrypoints.http.cached_catalog import CachedCatalog
from shop.entrypoints.http.edge import LameDuck
from shop.entrypoints.http.order_tokens import OrderTokens
from shop.entrypoints.metrics import Desks
from shop.ports import mail
from shop.ports.cart import CartCache
from shop.ports.catalog import CatalogReads
from shop.ports.checkout import Answers
from shop.ports.notifications import Post
from shop.ports.payments import Gateway
from shop.ports.system import Secrets
from shop.ports.uow import Units
from shop.settings import Settings

S = TypeVar("S")
C = TypeVar("C")
A = TypeVar("A")
T = TypeVar("T")
#: Seconds a desk rests after a batch on SQLite, whose other processes have no queue.
_PAUSE = 0.001
#: Batches of checkouts under way at once where a server has the database: it works at one while
#: the other is decided here.
_HANDS = 2


class UseCases(Provider):
    """One of each for a request or a batch."""

    scope = Scope.REQUEST

    carts = provide(CartService)
    cart_showing = provide(CartShowing, scope=Scope.APP)
    repeats = provide(Repeats, scope=Scope.APP)
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
    links = provide(SealedLinks, scope=Scope.APP)
    room = provide(MailRoom)
    audit = provide(Audit)

    @provide
    def post(self, queued: QueuedPost) -> Post:
        return queued

    @provide(scope=Scope.APP)
    def sender(self, settings: Settings) -> Sender:
        return Sender(settings.mail.from_)

    @provide(scope=Scope.APP)
    def staff(self, settings: Settings) -> StaffMailbox:
        return StaffMailbox(settings.mail.staff or parseaddr(settings.mail.from_)[1])

    @provide(scope=Scope.APP)
    def letters(self, settings: Settings, tokens: OrderTokens) -> mail.Letters:
        theme = Path(settings.site.theme) if settings.site.theme else None
        return JinjaLetters(settings.site.name, str(settings.site.url), tokens.make, theme)


class People(Provider):
    """The use cases of identity."""

    scope = Scope.REQUEST

    credentials = provide(Credentials)
    throttle = provide(Throttle, scope=Scope.APP)
    browsers = provide(KnownBrowsers, scope=Scope.APP)
    liveness = provide(Liveness, scope=Scope.APP)
    mail_limit = provide(MailLimit, scope=Scope.APP)
    issuer = provide(Issuer, scope=Scope.APP)

    @provide(scope=Scope.APP)
    async def refresh_key(self, secrets: Secrets) -> RefreshKey:
        return RefreshKey(await secrets.get("refresh-tokens"))

    new_passwords = provide(NewPasswords, scope=Scope.APP)
    answers = provide(ResetAnswers, scope=Scope.APP)
    letters = provide(Letters)
    new_password = provide(NewPassword)

    accounts = provide(Accounts)
    verification = provide(Verification)
    resending = provide(Resending)
    half_sign_ins = provide(HalfSignIns)
    admission = provide(Admission)
    presence = provide(Presence)
    factor_changes = provide(FactorChanges)
    reclaiming = provide(Reclaiming)
    proving = provide(Proving, scope=Scope.APP)
    sign_in = provide(SignIn)
    second_steps = provide(SecondSteps)
    passkey_sign_in = provide(PasskeySignIn)
    factor_guard = provide(FactorGuard)
    new_factors = provide(NewFactors)
    app_enrolment = provide(AppEnrolment)
    passkey_enrolment = provide(PasskeyEnrolment)
    factor_reset = provide(FactorReset)
    factor_rescue = provide(FactorRescue)
    factor_admin = provide(FactorAdmin)
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
    recognition = provide(Recognition)
    sign_in = provide(SocialSignIn)
    links = provide(ProfileLinks)
    tidying = provide(TripTidying)


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
    exporting = provide(Exporting, scope=Scope.APP)
    import_register = provide(ImportRegister)
    import_run = provide(ImportRun)
    suggesting = provide(Suggesting, scope=Scope.APP)
    watch = provide(CatalogWatch, scope=Scope.APP)

    @provide(scope=Scope.APP)
    def terms(self, settings: Settings) -> CatalogTerms:
        return CatalogTerms(
            str(settings.site.currency), settings.tax.default_basis_points, str(settings.site.url)
        )

    @provide(scope=Scope.APP)
    def cached(self, reads: CatalogReads, watch: CatalogWatch) -> CachedCatalog:
        return CachedCatalog(reads, watch)

    @provide(scope=Scope.APP)
    def imports(self, container: AsyncContainer) -> ImportDesk:
        async def work(job: ImportJob) -> None:
            async with container() as scope:
                await (await scope.get(ImportRun)).run(job.report, job.file)

        async def begin() -> None:
            async with container() as scope:
                await (await scope.get(ImportRegister)).abandon()

        return ImportDesk(work, begin)


class _Sets(Generic[S]):
    """Use cases that the batches of a desk take in turn, so that none is made for each of them.

    The first is made when it is needed, since a provider must not ask the container it is part of;
    and before a unit begins, which may run in a thread, since the container's locks are the event
    loop's.
    """

    def __init__(self, container: AsyncContainer, kind: type[S]) -> None:
        self._container = container
        self._kind = kind
        self._idle: list[S] = []

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[S]:
        one = self._idle.pop() if self._idle else await self._make()
        try:
            yield one
        finally:
            self._idle.append(one)

    async def _make(self) -> S:
        return await (await self._container().__aenter__()).get(self._kind)


def _rest(settings: Settings) -> float:
    return 0.0 if settings.shares_database else _PAUSE


class MakeDesk(Protocol):
    """Makes a desk; one that shows its work in traces has another maker."""

    def __call__(
        self,
        name: str,
        many: Many[C, A],
        *,
        gauge: Gauge,
        pause: float,
        hands: int = 1,
    ) -> Desk[C, A]: ...


class DeskRoom(Provider):
    scope = Scope.APP

    duck = provide(LameDuck)
    gauges = provide(Desks)

    @provide
    def streams(self) -> Streams:
        return Streams()

    @provide
    def maker(self) -> MakeDesk:
        return Desk

    @provide
    def carts(
        self,
        container: AsyncContainer,
        units: Units,
        gauges: Desks,
        settings: Settings,
        make: MakeDesk,
        cache: CartCache,
    ) -> CartDesk:
        sets = _Sets(container, CartService)

        async def many(commands: Sequence[CartCommand]) -> Sequence[PricedCart | ShopError]:
            async with sets.lent() as service:
                return await units.run(service.serve_all(commands))

        async def and_tell(commands: Sequence[CartCommand]) -> Sequence[PricedCart | ShopError]:
            async with sets.lent() as service:
                answers = await units.run(service.serve_all(commands))
                await cache.keep(service.stored)
            return answers

        gauge, rest = gauges.gauge("carts"), _rest(settings)
        work = and_tell if settings.shares_cache else many
        return CartDesk(make("carts", work, gauge=gauge, pause=rest))

    @provide
    def window(
        self,
        desk: CartDesk,
        showing: CartShowing,
        gauges: Desks,
        settings: Settings,
        make: MakeDesk,
    ) -> CartWindow:
        if not settings.shares_cache:
            return CartWindow(desk, None)
        gauge = gauges.gauge("cart-reads")
        return CartWindow(desk, make("cart-reads", showing.show_all, gauge=gauge, pause=0.0))

    @provide
    def checkout(
        self,
        container: AsyncContainer,
        units: Units,
        gauges: Desks,
        settings: Settings,
        make: MakeDesk,
        cache: CartCache,
        repeats: Repeats,
        gateway: Gateway,  # noqa: ARG002 - these two fetch their secrets when they are made,
        answers: Answers,  # noqa: ARG002 - for which the first buyer need not wait
    ) -> CheckoutDesk:
        sets = _Sets(container, Checkout)

        async def many(commands: Sequence[PlaceOrder]) -> Sequence[Placed | ShopError]:
            async with sets.lent() as service:
                return await units.run(service.place_all(commands))

        async def first(commands: Sequence[PlaceOrder]) -> Sequence[Placed | ShopError]:
            """Those that no replica has answered yet; the others hear of it before they do."""
            async with sets.lent() as service:
                answers = await units.run(service.place_all(commands))
                await cache.keep(service.stored)
            await repeats.keep(commands, answers)
            return answers

        async def at_hand(commands: Sequence[PlaceOrder]) -> Sequence[Placed | ShopError]:
            known = await repeats.known(commands)
            fresh = [one for one, answer in zip(commands, known, strict=True) if answer is None]
            made = iter(await first(fresh) if fresh else ())
            return [next(made) if answer is None else answer for answer in known]

        gauge, rest = gauges.gauge("checkout"), _rest(settings)
        hands = _HANDS if settings.shares_database else 1
        work = at_hand if settings.shares_cache else many
        return CheckoutDesk(make("checkout", work, gauge=gauge, pause=rest, hands=hands))

    @provide
    def settlement(
        self,
        container: AsyncContainer,
        units: Units,
        gauges: Desks,
        settings: Settings,
        make: MakeDesk,
    ) -> SettlementDesk:
        sets = _Sets(container, Settlement)

        async def many(reports: Sequence[Report]) -> Sequence[Settled | ShopError]:
            async with sets.lent() as service:
                return await units.run(service.settle_all(reports))

        gauge = gauges.gauge("settlement")
        return SettlementDesk(make("settlement", many, gauge=gauge, pause=_rest(settings)))
