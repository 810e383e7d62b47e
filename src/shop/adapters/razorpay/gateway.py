"""Razorpay, by its SDK."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from msgspec.structs import replace

from shop.adapters.razorpay import wire
from shop.adapters.razorpay.breaker import Breaker
from shop.adapters.razorpay.line import (
    Clients,
    Crowded,
    NotReached,
    OutcomeUnknown,
    Rejected,
    StillRunning,
)
from shop.core.payments.model import Capture, Link, Payment, Refund, RefundStatus
from shop.ports.payments import Claim, Gateway, GatewayRefused, GatewayUnavailable, LinkRequest
from shop.ports.system import Clock

log = structlog.get_logger()
T = TypeVar("T")

#: The gateway wants 15 minutes at least; what a link lives longer than its order is harmless,
#: since the shop cancels the link before it ends the order.
_SHORTEST_LINK = timedelta(minutes=20)
#: Seconds for one call, waiting for a thread included.
_PATIENCE = 20.0
_OPEN = "created"


class RazorpayGateway(Gateway):
    """`key_secret` signs callbacks, `webhook_secrets` webhooks: the present one and, for the day
    after a change, the one before."""

    def __init__(
        self,
        clients: Clients,
        breaker: Breaker,
        clock: Clock,
        *,
        key_secret: bytes,
        webhook_secrets: Sequence[bytes],
    ) -> None:
        self._clients = clients
        self._breaker = breaker
        self._clock = clock
        self._key_secret = key_secret
        self._webhook_secrets = webhook_secrets
        self._calls: set[asyncio.Future[Any]] = set()

    # --- links ----------------------------------------------------------------------------------

    def link_now(self, request: LinkRequest) -> Link | None:  # noqa: ARG002 - it must be asked for
        return None

    async def create_link(self, request: LinkRequest, *, again: bool = False) -> Link:
        if again and (known := await self._find(request.reference)) is not None:
            return _as_link(known, request.reference)
        earliest = self._clock.now() + _SHORTEST_LINK
        body = wire.link_body(request, max(request.expires_at, earliest))
        try:
            made = await self._ask(
                "create_link", wire.LinkEntity, lambda client: client.payment_link.create(body)
            )
        except (Rejected, OutcomeUnknown):
            # Its reference may be in use, or the answer was lost: a second link must never be.
            known = await self._find(request.reference)
            if known is None:
                raise
            made = known
        return _as_link(made, request.reference)

    async def fetch_link(self, payment: Payment) -> Link:
        entity = await self._entity(payment)
        if entity is None:
            return Link(id="", url="", reference=payment.id.hex)
        return await self._with_money(entity, payment)

    async def cancel_link(self, payment: Payment) -> Link:
        link_id = payment.link_id
        if link_id is None:
            known = await self._find(payment.id.hex)
            if known is None:
                return Link(id="", url="", reference=payment.id.hex, status="cancelled")
            link_id = known.id
        try:
            entity = await self._ask(
                "cancel_link", wire.LinkEntity, lambda client: client.payment_link.cancel(link_id)
            )
        except Rejected:  # it is open no more
            entity = await self._fetch(link_id)
        return _as_link(entity, payment.id.hex)

    async def _entity(self, payment: Payment) -> wire.LinkEntity | None:
        if payment.link_id is None:
            return await self._find(payment.id.hex)
        return await self._fetch(payment.link_id)

    async def _fetch(self, link_id: str) -> wire.LinkEntity:
        return await self._ask(
            "fetch_link", wire.LinkEntity, lambda client: client.payment_link.fetch(link_id)
        )

    async def _find(self, reference: str) -> wire.LinkEntity | None:
        """The link with this reference, if one was ever made."""
        found = await self._ask(
            "find_link",
            wire.Links,
            lambda client: client.payment_link.all({"reference_id": reference}),
        )
        ours = (one for one in found.payment_links if one.reference_id == reference)
        return next(ours, None)

    async def _with_money(self, entity: wire.LinkEntity, payment: Payment) -> Link:
        link = _as_link(entity, payment.id.hex)
        if entity.status != _OPEN or entity.order_id is None:
            return link
        # Somebody tried to pay. Where an account does not capture by itself, that money waits.
        order_id = entity.order_id
        try:
            tried = await self._ask(
                "fetch_payments", wire.Payments, lambda client: client.order.payments(order_id)
            )
        except Rejected:
            return link  # what the link itself says will do
        return replace(
            link,
            captures=tuple(one.capture(entity) for one in tried.items if one.taken),
            authorized=tuple(
                one.capture(entity) for one in tried.items if one.status == "authorized"
            ),
        )

    # --- money ----------------------------------------------------------------------------------

    async def capture(self, authorized: Capture) -> Capture:
        id_, amount = authorized.provider_payment_id, authorized.amount
        try:
            # A dictionary of our own: the SDK writes into its default one, which threads share.
            taken = await self._ask(
                "capture",
                wire.PaymentEntity,
                lambda client: client.payment.capture(
                    id_, amount.amount, {"currency": amount.currency}
                ),
            )
        except Rejected:
            taken = await self._ask(
                "fetch_payment", wire.PaymentEntity, lambda client: client.payment.fetch(id_)
            )
            if not taken.taken:
                raise
        return replace(authorized, amount=taken.capture().amount)

    async def refund(self, refund: Refund, provider_payment_id: str) -> Refund:
        if not provider_payment_id:
            raise GatewayRefused("The payment is not known to the gateway.")
        entity = await self._refund(refund, provider_payment_id)
        failed = entity.moved is RefundStatus.FAILED
        return replace(
            refund,
            provider_refund_id=entity.id,
            status=entity.moved,
            error="The bank did not take the refund." if failed else None,
        )

    async def _refund(self, refund: Refund, payment_id: str) -> wire.RefundEntity:
        if refund.provider_refund_id is not None:
            known_id = refund.provider_refund_id
            return await self._ask(
                "fetch_refund", wire.RefundEntity, lambda client: client.refund.fetch(known_id)
            )
        key = refund.id.hex
        if refund.attempts:
            # The key below makes a repeat harmless; test accounts are said not to honour it.
            made = await self._ask(
                "fetch_refunds",
                wire.Refunds,
                lambda client: client.payment.fetch_multiple_refund(payment_id, {"count": 100}),
            )
            for one in made.items:
                if one.receipt == key:
                    return one
        body = {"amount": refund.amount.amount, "receipt": key, "notes": {"refund": key}}
        headers = {"X-Refund-Idempotency": key}
        try:
            return await self._ask(
                "refund",
                wire.RefundEntity,
                lambda client: client.payment.refund(payment_id, body, headers=headers),
            )
        except Rejected as no:
            if "balance" in str(no).lower():  # of our account: it fills up again
                raise NotReached(str(no)) from no
            raise

    # --- signatures -----------------------------------------------------------------------------

    def callback(self, query: dict[str, str]) -> Claim | None:
        try:
            claim = Claim(
                link_id=query["razorpay_payment_link_id"],
                reference=query["razorpay_payment_link_reference_id"],
                status=query["razorpay_payment_link_status"],
                provider_payment_id=query["razorpay_payment_id"],
            )
            given = query["razorpay_signature"]
        except KeyError:
            return None
        signed = f"{claim.link_id}|{claim.reference}|{claim.status}|{claim.provider_payment_id}"
        message = signed.encode("utf-8", "replace")
        return claim if _holds(self._key_secret, message, given) else None

    def webhook(self, body: bytes, signature: str | None) -> bool:
        return any(_holds(secret, body, signature or "") for secret in self._webhook_secrets)

    # --- the call -------------------------------------------------------------------------------

    async def _ask(self, name: str, kind: type[T], call: Callable[[Any], Any]) -> T:
        """Raises `Rejected`, or a `GatewayUnavailable` that says what is known."""
        if not self._breaker.admits():
            raise NotReached("The payment gateway is not asked for a while, since it was down.")
        # The call goes on when the caller leaves, and the breaker learns how it ended.
        asked = asyncio.ensure_future(self._judge(name, kind, call))
        self._calls.add(asked)
        asked.add_done_callback(self._ended)
        return await asyncio.shield(asked)

    def _ended(self, asked: asyncio.Future[Any]) -> None:
        self._calls.discard(asked)
        if not asked.cancelled():
            asked.exception()  # nobody may be left to look at it

    async def _judge(self, name: str, kind: type[T], call: Callable[[Any], Any]) -> T:
        try:
            async with asyncio.timeout(_PATIENCE):
                answer = await asyncio.wrap_future(self._clients.submit(call))
            read = wire.read(answer, kind)
        except (Rejected, StillRunning):
            self._breaker.answered()
            raise
        except Crowded:
            self._breaker.given_up()
            raise
        except TimeoutError as error:
            self._breaker.failed()
            log.warning("gateway_failed", call=name, why="Timeout")
            raise OutcomeUnknown("The payment gateway did not answer.") from error
        except GatewayUnavailable as error:
            self._breaker.failed()
            log.warning("gateway_failed", call=name, why=type(error).__name__)
            raise
        except BaseException:  # a bug, or the end of the process
            self._breaker.given_up()
            raise
        self._breaker.answered()
        return read


def _as_link(entity: wire.LinkEntity, reference: str) -> Link:
    if entity.reference_id != reference:
        raise GatewayRefused("The gateway has this link for another payment.")
    return Link(
        id=entity.id,
        url=entity.short_url,
        reference=reference,
        status=entity.status,
        captures=entity.captures(),
    )


def _holds(secret: bytes, message: bytes, given: str) -> bool:
    right = hmac.new(secret, message, hashlib.sha256).hexdigest().encode()
    return hmac.compare_digest(right, given.encode("utf-8", "replace"))
