"""Money that goes back: asked for by staff, and sent by the gateway."""

from asyncio import Lock
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from shop.core.checkout.books import Bookkeeping, Books
from shop.core.checkout.once import Attempt, Once
from shop.core.kernel.access import Caller, Permission
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import OrderId, PaymentId
from shop.core.kernel.insisting import insist
from shop.core.kernel.money import Money
from shop.core.kernel.side_by_side import ask_each
from shop.core.payments.model import (
    Payment,
    PaymentNotFound,
    Refund,
    RefundStatus,
    RefundTooLarge,
)
from shop.ports.payments import Gateway, GatewayRefused, GatewayUnavailable, PaymentReads, Refunds
from shop.ports.system import Clock, Ids
from shop.ports.uow import UnitOfWork

#: So many are asked for by whoever has taken them, and so long nobody else does; then it is
#: harmless as well, for the gateway knows each refund.
_BATCH = 10
_HELD = timedelta(minutes=3)
_LONGEST = timedelta(hours=1)
#: About two days of asking; after that the refund stays pending for people to look at.
_TRIES = 48


class RequestRefund(Struct, frozen=True, kw_only=True):
    """`amount` in minor units, None for all that is left; a `currency` must be the payment's.

    `payment_id` is None for the payment that paid. Another may hold money that came twice and whose
    refund was refused.
    """

    order_id: OrderId
    payment_id: PaymentId | None = None
    amount: int | None = None
    currency: str | None = None
    reason: str = ""


class Refunding:
    def __init__(self, uow: UnitOfWork, books: Bookkeeping, once: Once, clock: Clock) -> None:
        self._uow = uow
        self._books = books
        self._once = once
        self._clock = clock

    async def request(
        self,
        caller: Caller,
        command: RequestRefund,
        answer: Callable[[Refund], bytes],
        attempt: Attempt | None = None,
    ) -> tuple[bytes, bool]:
        """Reserve the refund and return its answer, and whether that is a repeat's.

        Raises `RefundTooLarge` for more than is left of what was paid, and `PaymentNotFound` for
        a payment of another order.
        """
        caller.require(Permission.REFUNDS_WRITE)
        # Somebody may have moved the order meanwhile, perhaps this request's own twin.
        return await insist(partial(self._reserve, caller, command, answer, attempt))

    async def _reserve(
        self,
        caller: Caller,
        command: RequestRefund,
        answer: Callable[[Refund], bytes],
        attempt: Attempt | None,
    ) -> tuple[bytes, bool]:
        async with self._uow.begin():
            # Who waited here for its own twin sees the answer of that.
            books = await self._books.open([command.order_id], self._clock.now())
            known = await self._once.answered(attempt)
            if known is not None:
                return known, True
            payment = _refundable(books, command)
            amount = payment.refundable if command.amount is None else command.amount
            if command.amount is not None and amount < 1:
                raise Malformed("Nothing to refund.", field="amount", kind="range")
            if command.currency not in {None, payment.amount.currency}:
                raise Malformed("Not the order's currency.", field="amount.currency")
            money = Money(amount, payment.amount.currency)
            refund = books.refund(payment.id, money, command.reason or "Refunded by the shop")
            await self._books.write(books)
            body = answer(refund)
            await self._once.keep(attempt, command.order_id, body, 201, books.now)
            told = f"{refund.id} {money.amount} {money.currency}"
            self._uow.log(caller.did("order.refund", command.order_id, books.now, told))
        return body, False


def refund_what_is_left(books: Books, order_id: OrderId, reason: str) -> None:
    for payment in books.of(order_id):
        if payment.refundable > 0:
            left = Money(payment.refundable, payment.amount.currency)
            books.refund(payment.id, left, reason)


def _refundable(books: Books, command: RequestRefund) -> Payment:
    order = books.order(command.order_id)
    payment = books.payments.get(command.payment_id or order.payment_id)
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    if payment.refundable <= 0:
        raise RefundTooLarge(
            "Nothing is left to refund.", refundable=0, currency=payment.amount.currency
        )
    return payment


class RefundSender:
    """Asks the gateway for what is due; asking again about a pending refund shows how it stands.

    Many do it side by side, each with refunds of its own.
    """

    def __init__(
        self,
        uow: UnitOfWork,
        books: Bookkeeping,
        refunds: Refunds,
        reads: PaymentReads,
        gateway: Gateway,
        clock: Clock,
        ids: Ids,
    ) -> None:
        self._uow = uow
        self._books = books
        self._refunds = refunds
        self._reads = reads
        self._gateway = gateway
        self._clock = clock
        self._ids = ids

    async def send_due(self) -> int:
        """Returns how many refunds moved on, each to its end or to a later try."""
        now = self._clock.now()
        if not await self._reads.refunds_due(now, 1):  # a look costs less than a write
            return 0
        async with self._uow.begin():
            due = await self._refunds.take_due(now, now + _HELD, _BATCH)
        of_payments: dict[PaymentId, list[Refund]] = {}
        for refund in due:
            of_payments.setdefault(refund.payment_id, []).append(refund)
        recording = Lock()

        async def send(refunds: Sequence[Refund]) -> None:
            """Those of one payment, in turn: a gateway may refuse one while it works on another."""
            payment = await self._reads.get(refunds[0].payment_id)
            for refund in refunds:
                answer = await self._ask(refund, payment.provider_payment_id or "")
                async with recording:  # at once, for money; there is one unit of work
                    await insist(partial(self._record, answer))

        await ask_each(send, of_payments.values())
        return len(due)

    async def _ask(self, refund: Refund, provider_payment_id: str) -> Refund:
        try:
            return await self._gateway.refund(refund, provider_payment_id)
        except GatewayRefused as no:
            return replace(refund, status=RefundStatus.FAILED, error=str(no))
        except GatewayUnavailable as down:
            return replace(refund, error=down.detail)

    async def _record(self, answer: Refund) -> None:
        async with self._uow.begin():
            books = await self._books.open([answer.order_id], self._clock.now())
            refund = await self._refunds.get(answer.id)
            if refund.status is not RefundStatus.PENDING:
                return
            refund = replace(
                refund,
                provider_refund_id=answer.provider_refund_id or refund.provider_refund_id,
                attempts=refund.attempts + 1,
                error=answer.error,
            )
            if answer.status is RefundStatus.PROCESSED:
                books.gave_back(refund)
            elif answer.status is RefundStatus.FAILED:
                books.refuse_refund(refund, answer.error or "The gateway refused the refund.")
            else:
                more = refund.attempts < _TRIES
                later = books.now + self._pause(refund.attempts)
                books.put_refund(replace(refund, next_try_at=later if more else None))
            await self._books.write(books)

    def _pause(self, attempts: int) -> timedelta:
        """Doubling from two seconds to an hour, less up to half by chance."""
        longest = min(_LONGEST, timedelta(seconds=2 ** min(attempts, 16)))
        return longest * (0.5 + self._ids.secret(1)[0] / 510)
