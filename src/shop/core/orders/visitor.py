"""Who may look at an order."""

from msgspec import Struct

from shop.core.kernel.access import Caller, Permission, Scope
from shop.core.kernel.ids import OrderId
from shop.core.orders.model import Order, OrderNotFound


class Visitor(Struct, frozen=True, kw_only=True):
    """A caller, and the order that a guest's order token opens (checked already), if any."""

    caller: Caller
    opened: OrderId | None = None

    @property
    def name(self) -> str:
        """To whom idempotency keys belong: the caller, else whom the order's token was given to."""
        nobody = self.caller.user_id is None and self.caller.client_id is None
        return f"order:{self.opened}" if nobody else self.caller.name

    def owns(self, order: Order) -> bool:
        if self.opened == order.id:
            return True
        return order.user_id is not None and order.user_id == self.caller.person(Scope.ORDERS)

    def to_own(self, order: Order) -> None:
        """Raises `OrderNotFound` for somebody else's order: that it exists is nobody's business."""
        if not self.owns(order):
            raise OrderNotFound("There is no such order.")

    def to_see(self, order: Order) -> None:
        """Like `to_own`, but staff may look at every order."""
        if not self.caller.may(Permission.ORDERS_READ):
            self.to_own(order)
