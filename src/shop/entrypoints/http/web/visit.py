"""One request of a browser: who is behind it, what it may send, and what it is told.

A signed-in browser holds the same pair of tokens as any client of the API, each in a cookie that
no script can read; /api/v1 itself never looks at cookies. A form counts only when the browser says
that it comes from our own page and it carries the token bound to the visitor's cookie.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64encode
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from shop.core.checkout.carts import PricedCart
from shop.core.checkout.once import Attempt
from shop.core.kernel.access import NOBODY, Caller, Permission
from shop.core.kernel.errors import Denied, ShopError, Unauthenticated
from shop.core.orders.visitor import Visitor
from shop.core.users.browsers import KnownBrowsers
from shop.core.users.factors import SecondFactorRequired
from shop.core.users.issuing import TokenPair
from shop.core.users.model import FIRST_PARTY, GrantInvalid
from shop.core.users.profile import Profile
from shop.core.users.sessions import Refreshing, SignOut
from shop.core.users.tickets import Ticket
from shop.entrypoints.again import patient
from shop.entrypoints.http.api.cart import owner_of
from shop.entrypoints.http.api.identity import keep_cart
from shop.entrypoints.http.asgi import Header
from shop.entrypoints.http.served import HttpRequest, address_of
from shop.entrypoints.http.web.forms import Form, local_path, read_form
from shop.entrypoints.http.web.front import Front
from shop.entrypoints.http.web.notes import Note, told
from shop.entrypoints.http.web.replies import Reply, cookie, html, see
from shop.ports.idempotency import IdempotencyKey

#: The cookie of a sign-in half done.
TICKET = "ticket"
_YEAR = 365 * 24 * 3600
_NOTE_LASTS = 60
_SECRET = re.compile(r"[A-Za-z0-9_-]{20,128}")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_ORDERS = 5


class Visit:
    def __init__(self, front: Front, request: HttpRequest) -> None:
        self.front = front
        self.request = request
        self.caller: Caller = NOBODY
        self.form = Form()
        self._cookies: dict[str, Header] = {}
        self._seen = self.held("visitor")

    # --- cookies ---

    def held(self, name: str) -> str:
        value = self.request.cookies.get(self.front.prefix + name, "")
        return value if name not in {"visitor", "cart"} or _SECRET.fullmatch(value) else ""

    def hold(self, name: str, value: str, lasts: int | None = None) -> None:
        """Let the browser keep it for so many seconds; 0 takes it back, None is until it closes."""
        name = self.front.prefix + name
        self._cookies[name] = cookie(name, value, secure=self.front.secure, lasts=lasts)

    def new_secret(self) -> str:
        return urlsafe_b64encode(self.front.ids.secret(32)).decode().rstrip("=")

    # --- who ---

    @property
    def address(self) -> str:
        return address_of(self.request)

    @property
    def device(self) -> str:
        return self.request.headers.get("user-agent", "")

    @property
    def next(self) -> str:
        """Where to go once signed in."""
        given = self.form["next"] or self.request.query_params.get("next", "")
        return local_path(given, "/account")

    def second_step(self, asked: SecondFactorRequired, to: str) -> Reply:
        """On to the page that asks for the second factor, and from there to `to`."""
        self.hold(TICKET, asked.ticket, int(Ticket.LASTS.total_seconds()))
        return see(f"/sign-in/second-factor?next={quoted(to)}")

    async def identify(self) -> None:
        """By the access token; when that has run out, by the refresh token, once."""
        access, refresh = self.held("access"), self.held("refresh")
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
        self.hold("access", pair.access_token, pair.expires_in)
        self.hold("refresh", pair.refresh_token, _YEAR)

    def _forget_tokens(self) -> None:
        for name in ("access", "refresh"):
            self.hold(name, "", 0)

    async def sign_in(self, pair: TokenPair) -> None:
        """Start anew as somebody: fresh form tokens, and the guest's cart goes along."""
        before = self.caller
        self.keep(pair)
        self.caller = await self.front.authenticator.caller(f"Bearer {pair.access_token}")
        await self._introduce(before)
        self._seen = self.new_secret()
        self.hold("visitor", self._seen)
        moved = await keep_cart(self.front.cart_desk, self.held("cart"), self.caller.known())
        if moved:  # else the guest's cart stays, and comes along next time
            self.hold("cart", "", 0)

    async def _introduce(self, before: Caller) -> None:
        """Let the browser be known to the account, and end what it was signed in to until now."""
        async with self.front.container() as scope:
            if before.session_id is not None:
                await (await scope.get(SignOut)).log_out(before)
        await self.be_known()

    async def be_known(self) -> None:
        """Let the browser be known to the account, until its password changes."""
        async with self.front.container() as scope:
            user = await (await scope.get(Profile)).me(self.caller)
            browsers = await scope.get(KnownBrowsers)
            self.hold("known", await browsers.marked(self.marks, user), _YEAR)

    @property
    def marks(self) -> str:
        """By which the browser is known to the accounts that were signed in to with it."""
        return self.held("known")

    def sign_out(self) -> None:
        self.caller = NOBODY
        self._forget_tokens()
        self._seen = ""
        for name in ("visitor", "orders"):
            self.hold(name, "", 0)

    # --- forms ---

    @property
    def csrf(self) -> str:
        """The token for this visitor's forms; a first one brings the cookie it is bound to."""
        if not self._seen:
            self._seen = self.new_secret()
            self.hold("visitor", self._seen)
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
            ours = origin == self.front.site_url or self._is_here(origin)
        else:
            ours = True  # an old browser; the token decides
        if not ours or not self.proves("form", self.form["csrf"]):
            raise Denied("This page was open for too long. Go back, reload it and try again.")

    def _is_here(self, origin: str) -> bool:
        try:
            return urlsplit(origin).netloc == self.request.headers.get("host", "")
        except ValueError:  # `http://[`
            return False

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
        owner = owner_of(self.caller, self.held("cart") or None, self.front.ids)
        if owner is None:
            raise Unauthenticated("Please sign in.")
        if owner.fresh:
            self.hold("cart", owner.fresh, _YEAR)
        return owner.name

    async def cart(self) -> PricedCart | None:
        """None for a guest who never put anything in one."""
        if self.caller.user_id is None and not self.held("cart"):
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
        self.hold("orders", "~".join(f"{n}:{t}" for n, t in kept), _YEAR)

    def _orders(self) -> list[tuple[str, str]]:
        pairs = (part.partition(":") for part in self.held("orders").split("~"))
        return [(number, token) for number, _, token in pairs if token]

    # --- answers ---

    def note(self, code: str, number: int | None = None) -> None:
        """Say it on the page that comes next."""
        self.hold("note", code if number is None else f"{code}.{number}", _NOTE_LASTS)

    def _told(self) -> Note | None:
        code = self.held("note")
        if code:
            self.hold("note", "", 0)
        return told(code)

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
            self.front.look.render(
                template,
                visit=self,
                shop=self.front.shop_name,
                path=self.request.scope["path"],
                here=here_of(self.request),
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


def here_of(request: HttpRequest) -> str:
    """Where to come back to after signing in."""
    path = request.scope["path"]  # the framework's URL fails where the Host is strange
    if query := request.scope["query_string"].decode("latin-1"):
        path = f"{path}?{query}"
    return local_path(path)


def quoted(path: str) -> str:
    return quote(path, safe="/")
