"""Which requests are counted, and against what."""

from hashlib import blake2b

from shop.entrypoints.http.edge import Limiter, Rate, Scope
from shop.ports.cache import RateLimiter

WINDOW = 60
#: The calls that guess or cost, below `/api/v1`, and the forms of the same names.
_IDENTITY = frozenset(
    {
        *("signup", "register", "login", "logout", "verify-email", "me", "updateuser"),
        *("resetpassword", "reset-password", "addresses", "oauth2", "account"),
        *("sign-in", "sign-up", "forgot-password"),
    }
)
#: Its GETs ask another service.
_SOCIAL = "auth"
_CART = frozenset({"cart", "checkout"})
_READS = frozenset({"GET", "HEAD", "OPTIONS"})
_API = "/api/v1/"


def make_limiter(
    limiter: RateLimiter, *, enabled: bool = True, cart: int = 600, identity: int = 300
) -> Limiter | None:
    """Counts what each caller does with cart and checkout, and what each address does to accounts.

    Everything else is free: catalogue, health, webhooks, and the cart of somebody who has none
    yet. The caller is whoever holds the token, unread; a false one is refused later anyway.
    """
    if not enabled:
        return None

    def limit(scope: Scope) -> Rate | None:
        path: str = scope["path"]
        start = len(_API) if path.startswith(_API) else 1
        first = path[start:].partition("/")[0]
        if first in _CART:
            caller = _caller(scope)
            return None if caller is None else _rate("cart", caller, cart)
        if first == _SOCIAL or (first in _IDENTITY and scope["method"] not in _READS):
            client = scope.get("client")
            return _rate("identity", client[0] if client else "", identity)
        return None

    def _rate(policy: str, who: str, quota: int) -> Rate:
        return Rate(policy, quota, WINDOW, limiter.hit(f"{policy}:{who}", quota, WINDOW))

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
