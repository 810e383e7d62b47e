"""The shop's conditions of sale, from its settings, and what they mean for a new order."""

from datetime import datetime, timedelta

from msgspec import Struct

from shop.core.orders.model import Order
from shop.core.payments.model import Payment
from shop.ports.payments import LinkRequest

#: The gateway wants links to live at least 15 minutes; some of that is lost on the way.
_SHORTEST_LINK = timedelta(minutes=20)


class Terms(Struct, frozen=True, kw_only=True):
    """`cod_limit` is the largest total (minor units) that may be paid on delivery; 0: any.

    After `check_after` the gateway is asked about a link that still seems unpaid.
    """

    shop_name: str
    callback_url: str
    hold: timedelta
    invoice_series: str
    check_after: timedelta = timedelta(minutes=5)
    cod: bool = True
    cod_limit: int = 0

    def takes_cod(self, total: int) -> bool:
        return self.cod and (self.cod_limit == 0 or total <= self.cod_limit)

    def link_expiry(self, placed_at: datetime) -> datetime:
        return placed_at + max(self.hold, _SHORTEST_LINK)

    def link_request(self, order: Order, payment: Payment) -> LinkRequest:
        """Ask for the payment; its id as reference makes asking twice harmless."""
        return LinkRequest(
            reference=payment.id.hex,
            amount=payment.amount,
            description=f"{self.shop_name}, order {order.number}",
            callback_url=self.callback_url,
            expires_at=payment.expires_at or self.link_expiry(payment.created_at),
            email=order.email,
            phone=order.shipping_address.phone,
            name=order.shipping_address.name,
        )
