"""Which requests are counted, and against what."""

import re
from collections.abc import Awaitable
from hashlib import blake2b

from shop.core.kernel.places import place_of
from shop.entrypoints.http.asgi import Scope
from shop.entrypoints.http.edge import Limiter, Rate
from shop.ports.cache import RateLimiter

WINDOW = 60
#: The calls that guess or cost, below `/api/v1`, and the forms of the same names.
_IDENTITY = frozenset(
    {
        *("signup", "register", "login", "logout", "verify-email", "me", "updateuser"),
        *("resetpassword", "reset-password", "addresses", "oauth2", "account"),
        *("sign-in", "sign-up", "sign-out", "forgot-password"),
    }
)
#: Its GETs ask another service.
_SOCIAL = "auth"
#: Its GET signs programs in, for whoever is signed in.
_AUTHORIZE = "/oauth2/authorize"
_OAUTH = "oauth2"
_CART = frozenset({"cart", "checkout"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_API = "/api/v1/"
#: The cookie that each form of the storefront is bound to, whatever its prefix.
_VISITOR = re.compile(rb"shop-visitor=([A-Za-z0-9_-]{20,128})")


def make_limiter(
    limiter: RateLimiter, *, enabled: bool = True, cart: int = 600, identity: int = 300
) -> Limiter | None:
    """Counts what each caller does with cart and checkout, and what each address does to accounts.

    Whoever looks at their own account is counted as a caller, with as many calls as at the cart.
    Everything else is free: catalogue, health, webhooks, and the cart of somebody who has none
    yet. The caller is whoever holds the token or cookie, unread; a false one is refused later.
    """
    if not enabled:
        return None

    def limit(scope: Scope) -> Awaitable[Rate] | None:
        path: str = scope["path"]
        start = len(_API) if path.startswith(_API) else 1
        first = path[start:].partition("/")[0]
        if first in _CART:
            caller = _caller(scope) if start > 1 else _visitor(scope)
            return None if caller is None else _rate("cart", caller, cart)
        reads = scope["method"] in _READS and path != _AUTHORIZE
        if first == _SOCIAL or (first in _IDENTITY and not reads):
            client = scope.get("client")
            return _rate("identity", place_of(client[0]) if client else "", identity)
        if first in _IDENTITY:  # looking at one's own account guesses nothing
            caller = _caller(scope) if start > 1 or first == _OAUTH else _visitor(scope)
            return None if caller is None else _rate("account", caller, cart)
        return None

    async def _rate(policy: str, who: str, quota: int) -> Rate:
        return Rate(policy, quota, WINDOW, await limiter.hit(f"{policy}:{who}", quota, WINDOW))

    return limit


def _caller(scope: Scope) -> str | None:
    """A hash of the token that says whose cart it is; a customer's counts before a guest's."""
    guest = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            return blake2b(value, digest_size=16).hexdigest()
        if name == b"x-cart-token":
            guest = value
    return None if guest is None else blake2b(guest, digest_size=16).hexdigest()


def _visitor(scope: Scope) -> str | None:
    """The same of a browser. Without the cookie no form of the storefront is accepted."""
    for name, value in scope["headers"]:
        if name == b"cookie" and (found := _VISITOR.search(value)):
            return blake2b(found[1], digest_size=16).hexdigest()
    return None
