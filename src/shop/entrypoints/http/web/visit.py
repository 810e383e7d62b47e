"""One request of a browser: who is behind it, what it may send, and what it is told.

A signed-in browser holds the same pair of tokens as any client of the API, each in a cookie that
no script can read; /api/v1 itself never looks at cookies. A form counts only when the browser says
that it comes from our own page and it carries the token bound to the visitor's cookie.
"""

import functools
import hashlib
import hmac
import inspect
import re
from base64 import urlsafe_b64encode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from dishka import AsyncContainer
from msgspec import Struct

from shop.core.checkout.carts import MergeGuest, PricedCart
from shop.core.checkout.once import Attempt
from shop.core.checkout.terms import Terms
from shop.core.kernel.access import NOBODY, Caller, Permission, SecondFactorEnrolmentRequired
from shop.core.kernel.context import correlation
from shop.core.kernel.errors import Denied, ShopError, Unauthenticated
from shop.core.orders.visitor import Visitor
from shop.core.users.browsers import KnownBrowsers
from shop.core.users.factors import SecondFactorRequired
from shop.core.users.issuing import TokenPair
from shop.core.users.model import FIRST_PARTY, GrantInvalid, IdentityRules
from shop.core.users.profile import Profile
from shop.core.users.sessions import Refreshing, SignOut
from shop.core.users.tickets import Ticket
from shop.entrypoints.actors.desks import CartDesk, CartWindow
from shop.entrypoints.again import patient
from shop.entrypoints.http.api.cart import owner_of
from shop.entrypoints.http.auth import Authenticator
from shop.entrypoints.http.served import HttpRequest, served
from shop.entrypoints.http.web.forms import Form, local_path, read_form
from shop.entrypoints.http.web.loopback import home_of
from shop.entrypoints.http.web.refusals import refusal
from shop.entrypoints.http.web.rendering import render
from shop.entrypoints.http.web.replies import Header, Reply, cookie, html, see
from shop.ports.idempotency import IdempotencyKey
from shop.ports.social import Provider, Providers
from shop.ports.system import Ids, Secrets

#: The cookie of a sign-in half done.
TICKET = "ticket"
_YEAR = 365 * 24 * 3600
_NOTE_LASTS = 60
_SECRET = re.compile(r"[A-Za-z0-9_-]{20,128}")
_NOTE = re.compile(r"([a-z-]{1,40})(?:\.(\d{1,6}))?")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ORDERS = 5

#: What a page says once after a form was sent; `{}` is a number.
NOTES = {
    "added": "Added to your cart.",
    "few-left": "Only {} left: please choose fewer.",
    "sold-out": "This item has just sold out.",
    "not-for-sale": "This item is not for sale any more.",
    "cart-full": "Your cart is full: it holds 100 different items.",
    "quantity": "Please choose a quantity from 1 to 99.",
    "coupon-on": "Coupon applied.",
    "signed-out": "You are signed out.",
    "signed-in": "Welcome back.",
    "welcome": "Your account is ready. We have sent you a link to confirm your e-mail address.",
    "verified": "Thank you, your e-mail address is confirmed.",
    "password": "Your password is changed. Please sign in with the new one.",
    "password-changed": "Your password is changed; your other devices are signed out.",
    "saved": "Saved.",
    "sign-in-late": "That took too long, or too many tries. Please sign in again.",
    "factor-first": "Staff of this shop need a second factor. Please set one up to go on.",
    "factor-added": "It is set up: from now on we ask for it when you sign in.",
    "factor-removed": "It is removed.",
    "factors-reset": "Their second factors are taken away, and every device is signed out.",
    "factors-none": "There is no second factor; nothing was changed.",
    "own-factors": "Your own second factors are changed in your account, under Security.",
    "own-role": "Nobody may take the administrator's role from themselves.",
    "factor-last": "Staff keep a second factor: set up another before removing this one.",
    "email-waits": "Saved. Please open the link we have sent to the new e-mail address.",
    "removed": "Removed.",
    "address-most": "You have as many addresses as one account can keep.",
    "session-ended": "That device is signed out.",
    "mail-sent": "If there is such an account, a mail is on its way.",
    "cancelled": "The order is cancelled.",
    "return-asked": "We have noted what you want to send back, and will write to you.",
    "order-moved": "The order is updated.",
    "order-state": "The order has moved on meanwhile; nothing was changed.",
    "refund-asked": "The refund is on its way.",
    "refund-large": "That is more than can still be refunded.",
    "no-link": "The payment page does not answer right now. Please try again in a minute.",
    "review-not-a-buyer": "Only customers who received this product can review it.",
    "review-exists": "You have reviewed this product already.",
    "reviewed": "Thank you for your review.",
    "sign-in-again": "Please sign out and in again first: this needs a sign-in just now.",
    "consent-denied": "You did not let the other service sign you in. Nothing has changed.",
    "password-first": "There is an account with this e-mail address. Sign in with its password; "
    "then you can link the profile here.",
    "profile-linked": "The profile is linked: you can sign in with it from now on.",
    "profile-unlinked": "The profile is unlinked.",
    "profile-taken": "This profile signs in to another account already.",
    "profile-most": "You have as many linked profiles as one account can keep.",
    "last-way-in": "Please set a password first: this is the only way to sign in.",
    "account-deleted": "Your account is deleted. Goodbye, and thank you.",
    "mail-resent": "The mail is queued again.",
    "last-variant": "A product for sale needs a variant with a price.",
    "category-in-use": "Other categories or products still stand in this one.",
}
_TROUBLE = frozenset(
    {
        "sign-in-late",
        "factor-first",
        "factor-last",
        "own-factors",
        "own-role",
        "last-variant",
        "category-in-use",
        "few-left",
        "sold-out",
        "not-for-sale",
        "cart-full",
        "quantity",
        "order-state",
    }
    | {"sign-in-again", "password-first", "profile-taken", "profile-most", "last-way-in"}
    | {"refund-large", "no-link", "address-most", "review-not-a-buyer", "review-exists"}
)


class Note(Struct, frozen=True):
    text: str
    trouble: bool


class Front(Struct, frozen=True):
    """What all visits share."""

    container: AsyncContainer
    authenticator: Authenticator
    ids: Ids
    cart_desk: CartDesk
    cart_window: CartWindow
    key: bytes
    shop_name: str
    site_url: str
    development: bool
    password_hint: str
    providers: tuple[Provider, ...]

    @property
    def secure(self) -> bool:
        return self.site_url.startswith("https:")

    @property
    def prefix(self) -> str:
        return "__Host-shop-" if self.secure else "shop-"

    def sign(self, text: str) -> str:
        digest = hmac.digest(self.key, text.encode(), hashlib.sha256)
        return urlsafe_b64encode(digest).decode().rstrip("=")


async def front_of(request: HttpRequest) -> Front:
    state = request.app.state
    made: Front | None = state.get("front")
    if made is None:
        container: AsyncContainer = state.container
        rules = await container.get(IdentityRules)
        terms = await container.get(Terms)
        secrets = await container.get(Secrets)
        made = state.front = Front(
            container=container,
            authenticator=state.authenticator,
            ids=await container.get(Ids),
            cart_desk=await container.get(CartDesk),
            cart_window=await container.get(CartWindow),
            key=await secrets.get("storefront-forms"),
            shop_name=terms.shop_name,
            site_url=rules.site_url,
            development=rules.development,
            password_hint=(
                f"At least {rules.password_from} characters, one of them neither letter nor digit; "
                f"or {rules.passphrase_from} of any kind. Not your name, and hard to guess."
            ),
            providers=(await container.get(Providers)).all(),
        )
    return made


class Visit:
    def __init__(self, front: Front, request: HttpRequest) -> None:
        self.front = front
        self.request = request
        self.caller: Caller = NOBODY
        self.form = Form()
        self._cookies: dict[str, Header] = {}
        self._seen = self._cookie("visitor")
        self._had_note = False

    # --- cookies ---

    def _cookie(self, name: str) -> str:
        value = self.request.cookies.get(self.front.prefix + name, "")
        return value if name not in {"visitor", "cart"} or _SECRET.fullmatch(value) else ""

    def _set(self, name: str, value: str, lasts: int | None = None) -> None:
        name = self.front.prefix + name
        self._cookies[name] = cookie(name, value, secure=self.front.secure, lasts=lasts)

    def hold(self, name: str, value: str, lasts: int) -> None:
        """Let the browser keep it for so many seconds; 0 takes it back."""
        self._set(name, value, lasts)

    def held(self, name: str) -> str:
        return self._cookie(name)

    def new_secret(self) -> str:
        return urlsafe_b64encode(self.front.ids.secret(32)).decode().rstrip("=")

    # --- who ---

    def second_step(self, asked: SecondFactorRequired, to: str) -> Reply:
        """On to the page that asks for the second factor, and from there to `to`."""
        self.hold(TICKET, asked.ticket, int(Ticket.LASTS.total_seconds()))
        return see(f"/sign-in/second-factor?next={_quoted(to)}")

    async def identify(self) -> None:
        """By the access token; when that has run out, by the refresh token, once."""
        access, refresh = self._cookie("access"), self._cookie("refresh")
        if access:
            with suppress(Unauthenticated):
                self.caller = await self.front.authenticator.caller(f"Bearer {access}")
                return
        if not refresh:
            return
        async with self.front.container() as scope:
            refreshing = patient(await scope.get(Refreshing))
            try:
                pair = await refreshing.refresh(refresh, FIRST_PARTY)
            except GrantInvalid:
                self._forget_tokens()
                return
        self.keep(pair)
        self.caller = await self.front.authenticator.caller(f"Bearer {pair.access_token}")

    def keep(self, pair: TokenPair) -> None:
        self._set("access", pair.access_token, pair.expires_in)
        self._set("refresh", pair.refresh_token, _YEAR)

    def _forget_tokens(self) -> None:
        for name in ("access", "refresh"):
            self._set(name, "", 0)

    async def sign_in(self, pair: TokenPair) -> None:
        """Start anew as somebody: fresh form tokens, and the guest's cart goes along."""
        before = self.caller
        self.keep(pair)
        self.caller = await self.front.authenticator.caller(f"Bearer {pair.access_token}")
        await self._introduce(before)
        self._seen = self.new_secret()
        self._set("visitor", self._seen)
        guest = self._cookie("cart")
        owner, left = owner_of(self.caller, None), owner_of(NOBODY, guest or None)
        if owner is not None and left is not None:
            command = MergeGuest(owner=owner.name, guest=left.name, correlation=correlation.get())
            with suppress(ShopError):  # the guest's cart stays, and comes along next time
                await self.front.cart_desk.ask(command)
                self._set("cart", "", 0)

    async def _introduce(self, before: Caller) -> None:
        """Let the browser be known to the account, and end what it was signed in to until now."""
        async with self.front.container() as scope:
            if before.session_id is not None:
                await (await scope.get(SignOut)).log_out(before)
            user = await (await scope.get(Profile)).me(self.caller)
            browsers = await scope.get(KnownBrowsers)
            self._set("known", await browsers.marked(self.marks, user.email.key), _YEAR)

    @property
    def marks(self) -> str:
        """By which the browser is known to the accounts that were signed in to with it."""
        return self._cookie("known")

    def sign_out(self) -> None:
        self.caller = NOBODY
        self._forget_tokens()
        self._seen = ""
        for name in ("visitor", "orders"):
            self._set(name, "", 0)

    # --- forms ---

    @property
    def csrf(self) -> str:
        """The token for this visitor's forms; a first one brings the cookie it is bound to."""
        if not self._seen:
            self._seen = self.new_secret()
            self._set("visitor", self._seen)
        return self.front.sign(f"form {self._seen}")

    def token_for(self, what: str) -> str:
        """Lets this visitor's browser do one thing by a link, where a form cannot lead."""
        return self.front.sign(f"{what} {self.csrf and self._seen}")

    def proves(self, what: str, token: str) -> bool:
        mine = self.front.sign(f"{what} {self._seen}") if self._seen else ""
        return bool(mine) and hmac.compare_digest(
            mine.encode(), token.encode("utf-8", "surrogatepass")
        )

    async def receive(self) -> None:
        """Read the form that was sent."""
        self.form = await read_form(self.request)

    def check(self) -> None:
        """Raises `Denied` unless the form is one of our own pages'."""
        fetched = self.request.headers.get("sec-fetch-site")
        origin = self.request.headers.get("origin")
        if fetched is not None:
            ours = fetched in {"same-origin", "none"}
        elif origin is not None:
            host = self.request.headers.get("host", "")
            ours = origin == self.front.site_url or urlsplit(origin).netloc == host
        else:
            ours = True  # an old browser; the token decides
        mine = self.front.sign(f"form {self._seen}") if self._seen else ""
        if not ours or not mine or not hmac.compare_digest(mine.encode(), self._token()):
            raise Denied("This page was open for too long. Go back, reload it and try again.")

    def _token(self) -> bytes:
        return self.form["csrf"].encode("utf-8", "surrogatepass")

    def attempt(self, what: str, visitor: Visitor | None = None) -> Attempt | None:
        """The key in the form makes a second press of its button harmless."""
        key = self.form["key"]
        if not _KEY.fullmatch(key):
            return None
        told = sorted((name, value) for name, value in self.form.items() if name != "csrf")
        digest = hashlib.sha256(msgspec.json.encode([what, told])).digest()
        whose = visitor.name if visitor is not None else self.caller.name
        return Attempt(key=IdempotencyKey(key, whose), digest=digest)

    # --- the cart ---

    def owner(self) -> str:
        """Whose cart it is; a guest without one gets a token for it."""
        owner = owner_of(self.caller, self._cookie("cart") or None, self.front.ids)
        if owner is None:
            raise Unauthenticated("Please sign in.")
        if owner.fresh:
            self._set("cart", owner.fresh, _YEAR)
        return owner.name

    async def cart(self) -> PricedCart | None:
        """None for a guest who never put anything in one."""
        if self.caller.user_id is None and not self._cookie("cart"):
            return None
        return await self.front.cart_window.show(self.owner())

    async def _count(self) -> int:
        with suppress(ShopError):
            cart = await self.cart()
            return sum(line.quantity for line in cart.cart.lines) if cart else 0
        return 0

    # --- a guest's orders ---

    def order_token(self, number: str) -> str | None:
        return dict(self._orders()).get(number)

    def open_order(self, number: str, token: str) -> None:
        """Remember the token: the few orders opened last can be looked at from this browser."""
        others = [(n, t) for n, t in self._orders() if n != number]
        kept = [(number, token), *others][:_ORDERS]
        self._set("orders", "~".join(f"{n}:{t}" for n, t in kept), _YEAR)

    def _orders(self) -> list[tuple[str, str]]:
        pairs = (part.partition(":") for part in self._cookie("orders").split("~"))
        return [(number, token) for number, _, token in pairs if token]

    # --- answers ---

    def note(self, code: str, number: int | None = None) -> None:
        """Say it on the page that comes next."""
        self._set("note", code if number is None else f"{code}.{number}", _NOTE_LASTS)

    def _told(self) -> Note | None:
        found = _NOTE.fullmatch(self._cookie("note"))
        if self._cookie("note"):
            self._set("note", "", 0)
        if found is None or found[1] not in NOTES:
            return None
        return Note(NOTES[found[1]].format(found[2] or ""), found[1] in _TROUBLE)

    def see(self, path: str, note: str = "", number: int | None = None) -> Reply:
        if note:
            self.note(note, number)
        return see(path)

    async def page(
        self,
        template: str,
        *,
        http_status: int = 200,
        keep: bool = False,
        form_action: str = "",
        **context: Any,
    ) -> Reply:
        """`keep`: the browser may show it again when somebody goes back."""
        count = await self._count() if http_status < 500 else 0  # noqa: PLR2004 - do not ask for more
        return html(
            render(
                template,
                visit=self,
                shop=self.front.shop_name,
                path=self.request.scope["path"],
                here=_here(self.request),
                cart_count=count,
                note=self._told(),
                **{"q": ""} | context,
            ),
            status=http_status,
            keep=keep,
            form_action=form_action,
        )

    @property
    def is_staff(self) -> bool:
        return self.caller.may(Permission.ORDERS_READ)

    @property
    def reads_log(self) -> bool:
        return self.caller.may(Permission.LOG_READ)

    @property
    def sees_users(self) -> bool:
        return self.caller.may(Permission.USERS_READ)

    @property
    def keeps_clients(self) -> bool:
        return self.caller.may(Permission.CLIENTS_WRITE)

    @property
    def development(self) -> bool:
        return self.front.development

    def finish(self, reply: Reply) -> Reply:
        reply.headers += self._cookies.values()
        self._cookies = {}
        return reply


def _here(request: HttpRequest) -> str:
    """Where to come back to after signing in."""
    path = request.scope["path"]  # the framework's URL fails where the Host is strange
    if query := request.scope["query_string"].decode("latin-1"):
        path = f"{path}?{query}"
    return local_path(path)


def _before(request: HttpRequest) -> str:
    """The page that held the form."""
    try:
        return local_path(urlsplit(request.headers.get("referer", "")).path)
    except ValueError:
        return "/"


WebRoute = Callable[..., Awaitable[Any]]


def visited(route: WebRoute) -> WebRoute:
    """Give a route its `visit: Visit`, besides what `served` gives; refusals become pages."""
    return _visited(route, own_forms=True)


def visited_by_any_form(route: WebRoute) -> WebRoute:
    """The same for a route that other sites send forms to: it asks `Visit.check` by itself."""
    return _visited(route, own_forms=False)


def _visited(route: WebRoute, *, own_forms: bool) -> WebRoute:
    inner = served(route)  # type: ignore[arg-type]
    signature = inspect.signature(inner)
    kept = [p for p in signature.parameters.values() if p.name != "visit"]

    @functools.wraps(route)
    async def wrapper(**kwargs: Any) -> Reply:
        request: HttpRequest = kwargs["request"]
        front = await front_of(request)
        if front.development and (home := home_of(front.site_url, request)) is not None:
            return see(home + _here(request))
        visit = Visit(front, request)
        try:
            await visit.identify()
            if request.method == "POST":
                await visit.receive()
                if own_forms:
                    visit.check()
            reply = await inner(visit=visit, **kwargs)
        except ShopError as error:
            reply = await refused_page(visit, error)
        return visit.finish(reply)

    if not any(p.name == "request" for p in kept):
        kept.append(
            inspect.Parameter("request", inspect.Parameter.KEYWORD_ONLY, annotation=HttpRequest)
        )
    wrapper.__signature__ = signature.replace(parameters=kept, return_annotation=Reply)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in kept} | {"return": Reply}
    return wrapper


async def refused_page(visit: Visit, error: ShopError) -> Reply:
    """What a person is told; somebody who must sign in first is led there and back."""
    if isinstance(error, SecondFactorRequired):
        return visit.second_step(error, "/account")
    if isinstance(error, SecondFactorEnrolmentRequired):
        return visit.see("/account/second-factor", "factor-first")
    if isinstance(error, Unauthenticated) and visit.caller.user_id is None:
        back = _here(visit.request) if visit.request.method == "GET" else _before(visit.request)
        return see(f"/sign-in?next={_quoted(back)}")
    told = refusal(error)
    reply = await visit.page("refusal.html", http_status=told.status, told=told)
    if told.retry_after:
        reply.headers.append((b"retry-after", str(told.retry_after).encode()))
    return reply


def _quoted(path: str) -> str:
    return quote(path, safe="/")
