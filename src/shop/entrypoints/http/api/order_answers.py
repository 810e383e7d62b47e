"""The body that checkout answers with."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET

from shop.core.orders.model import Order
from shop.core.payments.model import Payment
from shop.entrypoints.http.api.views import CheckoutView, OrderView
from shop.entrypoints.http.order_tokens import OrderTokens
from shop.ports.checkout import Answers

_encode = msgspec.json.Encoder().encode


class OrderAnswers(Answers):
    """A guest gets the token that opens the order."""

    def __init__(self, tokens: OrderTokens) -> None:
        self._tokens = tokens

    def placed(self, order: Order, payments: Sequence[Payment]) -> bytes:
        token = UNSET if order.user_id else self._tokens.make(order.id)
        return _encode(CheckoutView.of(OrderView.of(order, payments), token))
