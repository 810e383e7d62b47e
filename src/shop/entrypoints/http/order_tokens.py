"""What opens a guest's order."""

import base64
import hmac
from uuid import UUID

from shop.core.checkout.lookup import Looker
from shop.core.kernel.access import Caller
from shop.core.kernel.ids import OrderId
from shop.core.orders.visitor import Visitor
from shop.entrypoints.http.served import HttpRequest


class OrderTokens:
    """An HMAC of the order's id: it needs no row, and opens that order only."""

    def __init__(self, secret: bytes) -> None:
        # Begun once, and copied for each: one call for all (`hmac.digest`) lets go of Python's
        # lock, and a busy thread waits longer for it than the digest takes.
        self._begun = hmac.new(secret, b"order\0", "sha256")

    def make(self, order_id: UUID) -> str:
        mac = self._begun.copy()
        mac.update(order_id.bytes)
        return base64.urlsafe_b64encode(mac.digest()).rstrip(b"=").decode()

    def check(self, order_id: UUID, token: str) -> bool:
        right = self.make(order_id).encode()
        return hmac.compare_digest(right, token.encode("utf-8", "replace"))

    def visitor(self, request: HttpRequest, caller: Caller, order_id: OrderId) -> Visitor:
        """The caller, with the order their token opens; in the query it counts on GET only."""
        token = request.headers.get("x-order-token")
        if token is None and request.method in {"GET", "HEAD"}:
            token = request.query_params.get("order_token")
        opened = order_id if token and self.check(order_id, token) else None
        return Visitor(caller=caller, opened=opened)

    def looker(self, request: HttpRequest, caller: Caller) -> Looker:
        """For `OrderLookup`, which knows the order only after it was found."""
        return lambda order_id: self.visitor(request, caller, order_id)
