"""Payments, as their buyers see them."""

from uuid import UUID

from litestar import Controller, get
from litestar.params import FromPath

from shop.core.kernel.access import Caller
from shop.core.kernel.ids import PaymentId
from shop.core.orders.model import OrderNotFound
from shop.core.payments.model import PaymentNotFound
from shop.entrypoints.http.api.views import PaymentView
from shop.entrypoints.http.order_tokens import OrderTokens
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.ports.orders import OrderReads
from shop.ports.payments import PaymentReads


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
        reads: Given[OrderReads],
        payments: Given[PaymentReads],
    ) -> PaymentView:
        """A payment of one's own order, with its refunds."""
        payment = await payments.get(PaymentId(payment_id))
        order = await reads.get(payment.order_id)
        try:
            tokens.visitor(request, caller, order.id).to_see(order)
        except OrderNotFound:
            raise PaymentNotFound("There is no such payment.") from None
        refunds = (await payments.refunds_of([order.id])).get(order.id, [])
        return PaymentView.of(payment, order, refunds)
