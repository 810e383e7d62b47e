"""Payments, as their buyers see them."""

from uuid import UUID

from litestar import Controller, get
from litestar.params import FromPath

from shop.core.checkout.lookup import OrderLookup
from shop.core.kernel.access import Caller
from shop.core.kernel.ids import PaymentId
from shop.entrypoints.http.api.views import PaymentView
from shop.entrypoints.http.order_tokens import OrderTokens
from shop.entrypoints.http.served import Given, HttpRequest, served


class PaymentController(Controller):
    path = "/api/v1/payments"
    tags = ("Orders",)

    @get("/{payment_id:uuid}")
    @served
    async def show(
        self,
        request: HttpRequest,
        payment_id: FromPath[UUID],
        caller: Caller,
        tokens: Given[OrderTokens],
        lookup: Given[OrderLookup],
    ) -> PaymentView:
        """A payment of one's own order, with its refunds."""
        looker = tokens.looker(request, caller)
        payment, account = await lookup.payment(PaymentId(payment_id), looker)
        return PaymentView.of(payment, account.order, account.refunds)
