"""The desks of the shop, as types that routes may ask the container for."""

from typing import NewType

from shop.core.checkout.carts import CartCommand, PricedCart
from shop.core.checkout.drafting import PlaceOrder
from shop.core.checkout.replies import Placed
from shop.core.checkout.settlement import Report, Settled
from shop.entrypoints.actors.desk import Desk

CartDesk = NewType("CartDesk", Desk[CartCommand, PricedCart])
CheckoutDesk = NewType("CheckoutDesk", Desk[PlaceOrder, Placed])
SettlementDesk = NewType("SettlementDesk", Desk[Report, Settled])
