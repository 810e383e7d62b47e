"""What the gateway tells us, and the browser's way back from it."""

import structlog
from litestar import Controller, get, post
from litestar.response import Redirect

from shop.core.checkout.settlement import Captured, Outcome
from shop.core.kernel.context import correlation
from shop.core.kernel.errors import Malformed, NotFound, Unauthenticated
from shop.core.payments.model import Payment
from shop.entrypoints.actors.desks import SettlementDesk
from shop.entrypoints.http.raw import body as raw_body
from shop.entrypoints.http.served import Given, HttpRequest, served
from shop.entrypoints.http.webhooks.reports import payment_id_of, report_of
from shop.ports.orders import OrderReads
from shop.ports.payments import Claim, Gateway, GatewayRefused, GatewayUnavailable, PaymentReads

log = structlog.get_logger()

#: The gateway counts a webhook as failed after five seconds.
_PATIENCE = 4.0


class SignatureInvalid(Unauthenticated):
    code = "signature-invalid"


class CallbackForged(Malformed):
    code = "signature-invalid"


class RazorpayController(Controller):
    path = "/"
    tags = ("Payments",)

    @post("/webhooks/razorpay", status_code=200)
    @served
    async def webhook(
        self, request: HttpRequest, gateway: Given[Gateway], desk: Given[SettlementDesk]
    ) -> dict[str, str]:
        """2xx once the event is recorded, with its effect; repeats change nothing."""
        body = await raw_body(request.scope, request.receive)
        if not gateway.webhook(body, request.headers.get("x-razorpay-signature")):
            raise SignatureInvalid("The signature does not hold.")
        event_id = request.headers.get("x-razorpay-event-id")
        settled = await desk.ask(report_of(body, event_id, correlation.get()), timeout=_PATIENCE)
        if settled.outcome is Outcome.UNKNOWN:
            log.warning("webhook_about_nothing_of_ours", event_id=event_id)
        return {"outcome": settled.outcome}

    @get("/payments/razorpay/callback", include_in_schema=True)
    @served
    async def callback(
        self,
        request: HttpRequest,
        gateway: Given[Gateway],
        desk: Given[SettlementDesk],
        payments: Given[PaymentReads],
        orders: Given[OrderReads],
    ) -> Redirect:
        """Verify the signature, settle what the gateway confirms, go on to the order."""
        claim = gateway.callback(dict(request.query_params))
        if claim is None:
            raise CallbackForged(
                "The signature does not hold.", field="razorpay_signature", kind="signature"
            )
        payment = await _claimed(claim, payments)
        if claim.status in {"paid", "partially_paid"}:
            await _settle(payment, gateway, desk)
        order = await orders.get(payment.order_id)
        return Redirect(f"/checkout/return/{order.number}", status_code=303)


async def _claimed(claim: Claim, payments: PaymentReads) -> Payment:
    payment_id = payment_id_of(claim.reference)
    if payment_id is None:
        raise NotFound("There is no such payment.")
    payment = await payments.get(payment_id)
    if payment.link_id is not None and payment.link_id != claim.link_id:
        raise NotFound("There is no such payment.")
    return payment


async def _settle(payment: Payment, gateway: Gateway, desk: SettlementDesk) -> None:
    """The signature covers no amount and can be replayed: the gateway has the last word."""
    try:
        link = await gateway.fetch_link(payment)
    except (GatewayRefused, GatewayUnavailable):
        log.warning("callback_without_gateway", payment_id=str(payment.id))
        return  # the webhook follows, or we ask again
    for capture in link.captures:
        await desk.ask(
            Captured(payment_id=payment.id, capture=capture, correlation=correlation.get())
        )
