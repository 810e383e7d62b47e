"""A payment gateway of our own that speaks Razorpay's language: ids, statuses, signatures.

A link is a signed document in its own URL, so that checkout needs neither a call nor a row for it;
the books begin with the first use.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec
from msgspec.structs import replace

from shop.adapters.sandbox import wire
from shop.core.kernel.errors import Conflict, Gone, NotFound, StaleWrite
from shop.core.kernel.money import Money
from shop.core.payments.model import Capture, Link, Payment, Refund, RefundStatus
from shop.ports.payments import Claim, Gateway, GatewayRefused, GatewayUnavailable, LinkRequest
from shop.ports.sandbox import SandboxBooks, SandboxHook, SandboxLink, SandboxRefund
from shop.ports.system import Clock, Ids

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ID_LENGTH = 14
_MAC_LENGTH = 16
_RACES = 5

_encode = msgspec.json.Encoder().encode
#: reference, amount, currency, callback URL, expiry in Unix seconds, description
_Token = tuple[str, int, str, str, int, str]
_decoder = msgspec.json.Decoder(_Token)


class LinkUnknown(NotFound):
    code = "sandbox-link-unknown"


class LinkClosed(Conflict):
    code = "sandbox-link-closed"


class LinkExpired(Gone):
    code = "sandbox-link-expired"


class SandboxGateway(Gateway):
    """`key_secret` signs links and callbacks, `webhook_secret` webhooks."""

    def __init__(
        self,
        books: SandboxBooks,
        clock: Clock,
        ids: Ids,
        *,
        site_url: str,
        key_secret: bytes,
        webhook_secret: bytes,
    ) -> None:
        self._books = books
        self._clock = clock
        self._ids = ids
        self._page = f"{site_url.rstrip('/')}/sandbox/pay/"
        self._key = key_secret
        # Copied for each link: `hmac.digest` lets go of the interpreter, and getting it back costs.
        self._link_mac = hmac.new(key_secret, b"link\0", "sha256")
        self._webhook_key = webhook_secret
        self._told: list[Callable[[], None]] = []

    def on_webhook(self, tell: Callable[[], None]) -> None:
        """Call `tell` when a webhook was queued, so that its sender need not poll."""
        self._told.append(tell)

    # --- what the shop asks ---------------------------------------------------------------------

    def link_now(self, request: LinkRequest) -> Link | None:
        token: _Token = (
            request.reference,
            request.amount.amount,
            request.amount.currency,
            request.callback_url,
            int(request.expires_at.timestamp()),
            request.description,
        )
        return Link(
            id=_link_id(request.reference),
            url=self._page + self._seal(token),
            reference=request.reference,
        )

    async def create_link(self, request: LinkRequest, *, again: bool = False) -> Link:  # noqa: ARG002 - every link is what its reference says
        link = self.link_now(request)
        if link is None:
            raise GatewayRefused("No link for this request.")
        return link

    async def fetch_link(self, payment: Payment) -> Link:
        return self._as_link(payment, await self._books.link(payment.id.hex))

    async def cancel_link(self, payment: Payment) -> Link:
        for _ in range(_RACES):
            link = await self._books.link(payment.id.hex) or _unused(payment)
            if link.status == "created":
                link = replace(link, status="cancelled")
                try:
                    await self._books.put(link)
                except StaleWrite:
                    continue  # it was paid just now
            return self._as_link(payment, link)
        raise GatewayUnavailable("The link changes all the time.")

    async def capture(self, authorized: Capture) -> Capture:
        link = await self._books.paid_link(authorized.provider_payment_id)
        if link is None or link.amount != authorized.amount:
            raise GatewayRefused("There is no such payment to be captured")
        return authorized

    async def refund(self, refund: Refund, provider_payment_id: str) -> Refund:
        key = refund.id.hex
        for _ in range(_RACES):
            done = await self._books.refund(key)
            if done is None:
                done = await self._make_refund(key, refund.amount, provider_payment_id)
                try:
                    await self._books.add_refund(done, [self._refund_hook(done)])
                except StaleWrite:
                    continue
                self._tell()
            return replace(
                refund, provider_refund_id=done.id, status=RefundStatus.PROCESSED, error=None
            )
        raise GatewayUnavailable("The refund changes all the time.")

    def callback(self, query: dict[str, str]) -> Claim | None:
        try:
            claim = Claim(
                link_id=query["razorpay_payment_link_id"],
                reference=query["razorpay_payment_link_reference_id"],
                status=query["razorpay_payment_link_status"],
                provider_payment_id=query["razorpay_payment_id"],
            )
            given = query["razorpay_signature"].encode("utf-8", "replace")
        except KeyError:
            return None
        right = self._signature(claim).encode()
        return claim if hmac.compare_digest(right, given) else None

    def webhook(self, body: bytes, signature: str | None) -> bool:
        right = self.sign(body).encode()
        return hmac.compare_digest(right, (signature or "").encode("utf-8", "replace"))

    # --- what the hosted page asks --------------------------------------------------------------

    async def open(self, token: str) -> SandboxLink:
        """The link behind a URL, as it stands. Raises `LinkUnknown` for one that is not ours."""
        try:
            reference, amount, currency, callback_url, expires, description = self._unseal(token)
        except (ValueError, msgspec.DecodeError) as error:
            raise LinkUnknown("There is no such payment link.") from error
        link = SandboxLink(
            id=_link_id(reference),
            reference=reference,
            amount=Money(amount, currency),
            callback_url=callback_url,
            description=description,
            expires_at=datetime.fromtimestamp(expires, UTC),
        )
        used = await self._books.link(reference)
        if used is None:
            return link
        # A link that was cancelled before anybody opened it has a row without these two.
        return replace(used, callback_url=callback_url, description=description)

    async def answer(self, token: str, *, success: bool) -> str:
        """Pay, or fail to; returns the URL that the browser is sent to.

        Paying again what is paid leads to the same URL. Raises `LinkUnknown`, `LinkClosed`,
        `LinkExpired`.
        """
        for _ in range(_RACES):
            link = await self.open(token)
            if link.status == "paid" and link.payment_id:
                return self._back(link, link.payment_id)
            self._payable(link)
            payment_id = self._new_id("pay_")
            try:
                if success:
                    link = await self._pay(link, payment_id)
                else:
                    await self._fail(link, payment_id)
            except StaleWrite:
                continue
            self._tell()
            return self._back(link, payment_id)
        raise StaleWrite("The link changes all the time.")

    def sign(self, body: bytes) -> str:
        """The `X-Razorpay-Signature` of a webhook."""
        return hmac.new(self._webhook_key, body, hashlib.sha256).hexdigest()

    def _payable(self, link: SandboxLink) -> None:
        if link.status != "created":
            raise LinkClosed("This payment link was cancelled.")
        if link.expires_at <= self._clock.now():
            raise LinkExpired("This payment link has expired.")

    async def _pay(self, link: SandboxLink, payment_id: str) -> SandboxLink:
        now = self._clock.now()
        paid = replace(link, status="paid", payment_id=payment_id, paid_at=now)
        entity = wire.payment(paid, payment_id, "captured", now)
        link_entity = wire.payment_link(paid, now)
        hooks = [
            self._hook("payment.captured", {"payment": entity}),
            self._hook("payment_link.paid", {"payment_link": link_entity, "payment": entity}),
        ]
        await self._books.put(paid, hooks)
        return paid

    async def _fail(self, link: SandboxLink, payment_id: str) -> None:
        """A failed attempt does not end a link."""
        entity = wire.payment(link, payment_id, "failed", self._clock.now())
        failed = replace(link, failures=link.failures + 1)
        await self._books.put(failed, [self._hook("payment.failed", {"payment": entity})])

    async def _make_refund(self, key: str, amount: Money, payment_id: str) -> SandboxRefund:
        link = await self._books.paid_link(payment_id)
        if link is None:
            raise GatewayRefused("The id provided does not exist")
        given = sum(one.amount.amount for one in await self._books.refunds_of(payment_id))
        if amount.currency != link.amount.currency or given + amount.amount > link.amount.amount:
            raise GatewayRefused(
                "The total refund amount is greater than the refund payment amount"
            )
        return SandboxRefund(
            id=self._new_id("rfnd_"),
            key=key,
            payment_id=payment_id,
            amount=amount,
            created_at=self._clock.now(),
        )

    # --- formats --------------------------------------------------------------------------------

    def _hook(self, event: str, payload: Mapping[str, Any]) -> SandboxHook:
        now = self._clock.now()
        body = wire.event(event, payload, now)
        return SandboxHook(id=self._new_id("evt_"), body=_encode(body), next_try_at=now)

    def _refund_hook(self, refund: SandboxRefund) -> SandboxHook:
        return self._hook("refund.processed", {"refund": wire.refund(refund)})

    def _as_link(self, payment: Payment, link: SandboxLink | None) -> Link:
        status = link.status if link else "created"
        over = payment.expires_at is not None and payment.expires_at <= self._clock.now()
        if status == "created" and over:
            status = "expired"
        captures: tuple[Capture, ...] = ()
        if link is not None and link.payment_id:
            capture = Capture(
                provider_payment_id=link.payment_id,
                amount=link.amount,
                method="card",
                link_id=link.id,
                reference=link.reference,
                at=link.paid_at,
            )
            captures = (capture,)
        return Link(
            id=payment.link_id or _link_id(payment.id.hex),
            url=payment.link_url or "",
            reference=payment.id.hex,
            status=status,
            captures=captures,
        )

    def _back(self, link: SandboxLink, payment_id: str) -> str:
        claim = Claim(
            link_id=link.id,
            reference=link.reference,
            status=link.status,
            provider_payment_id=payment_id,
        )
        query = {
            "razorpay_payment_id": payment_id,
            "razorpay_payment_link_id": claim.link_id,
            "razorpay_payment_link_reference_id": claim.reference,
            "razorpay_payment_link_status": claim.status,
            "razorpay_signature": self._signature(claim),
        }
        joint = "&" if "?" in link.callback_url else "?"
        return f"{link.callback_url}{joint}{urlencode(query)}"

    def _signature(self, claim: Claim) -> str:
        text = f"{claim.link_id}|{claim.reference}|{claim.status}|{claim.provider_payment_id}"
        return hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def _mac(self, document: bytes) -> bytes:
        mac = self._link_mac.copy()
        mac.update(document)
        return mac.digest()[:_MAC_LENGTH]

    def _seal(self, token: _Token) -> str:
        document = _encode(token)
        sealed = base64.urlsafe_b64encode(self._mac(document) + document)
        return sealed.rstrip(b"=").decode()

    def _unseal(self, token: str) -> _Token:
        """Raises `ValueError` (or its kin) for anything that was not sealed here."""
        try:
            sealed = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise ValueError(token) from error
        mac, document = sealed[:_MAC_LENGTH], sealed[_MAC_LENGTH:]
        if not hmac.compare_digest(mac, self._mac(document)):
            raise ValueError(token)
        opened: _Token = _decoder.decode(document)
        return opened

    def _new_id(self, prefix: str) -> str:
        return prefix + _base62(self._ids.secret(16))

    def _tell(self) -> None:
        for tell in self._told:
            tell()


def _unused(payment: Payment) -> SandboxLink:
    return SandboxLink(
        id=_link_id(payment.id.hex),
        reference=payment.id.hex,
        amount=payment.amount,
        callback_url="",
        description="",
        expires_at=payment.expires_at or payment.created_at,
    )


def _link_id(reference: str) -> str:
    return "plink_" + hashlib.sha256(b"link\0" + reference.encode()).hexdigest()[:_ID_LENGTH]


def _base62(source: bytes) -> str:
    number = int.from_bytes(source)
    digits = []
    for _ in range(_ID_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits.append(_ALPHABET[digit])
    return "".join(digits)
