"""What a caller's key has already been answered with."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from shop.core.checkout.drafting import Draft, PlaceOrder
from shop.core.checkout.once import LEASE
from shop.core.kernel.errors import ShopError
from shop.core.kernel.ids import OrderId, PaymentId
from shop.ports.checkout import Answers
from shop.ports.idempotency import (
    Idempotency,
    IdempotencyKey,
    KeyInProgress,
    KeyReused,
    Remembered,
)
from shop.ports.orders import Orders
from shop.ports.payments import Payments


class Placed(Struct, frozen=True, kw_only=True):
    """`body` is the answer to give; None while the gateway has still to be asked for a link."""

    order_id: OrderId
    payment_id: PaymentId | None = None
    body: bytes | None
    replayed: bool = False


Answer = Placed | ShopError


class Replies:
    """Call only inside an open unit of work."""

    def __init__(
        self, idempotency: Idempotency, orders: Orders, payments: Payments, answers: Answers
    ) -> None:
        self._idempotency = idempotency
        self._orders = orders
        self._payments = payments
        self._answers = answers

    async def known(
        self, commands: Sequence[PlaceOrder], now: datetime
    ) -> dict[IdempotencyKey, Answer]:
        """What those of the keys are answered with that were used before."""
        rows = await self._idempotency.find(command.key for command in commands)
        answers: dict[IdempotencyKey, Answer] = {}
        for command in commands:
            row = rows.get(command.key)
            if row is None or command.key in answers:
                continue
            if row.digest != command.digest:
                answers[command.key] = reused()
            elif row.order_id is not None and row.answer is not None:
                answers[command.key] = Placed(order_id=row.order_id, body=row.answer, replayed=True)
            elif row.order_id is None or row.at + LEASE > now:
                answers[command.key] = KeyInProgress("The first request is still running.")
            else:
                answers[command.key] = await self._complete(row, row.order_id)
        return answers

    async def _complete(self, row: Remembered, order_id: OrderId) -> Placed:
        """Answer for a request that died after its order was placed."""
        order = await self._orders.get(order_id)
        payments = await self._payments.of_orders([order_id])
        body = self._answers.placed(order, payments.get(order_id, []))
        await self._idempotency.answer(row.key, body)
        return Placed(order_id=order_id, body=body, replayed=True)

    async def keep(self, drafts: Sequence[Draft], now: datetime) -> list[Placed]:
        """Store the keys of new orders, with the answer where it is known already."""
        placed = [
            Placed(
                order_id=draft.order.id,
                payment_id=draft.payment.id,
                body=self._answers.placed(draft.order, [draft.payment]) if _ready(draft) else None,
            )
            for draft in drafts
        ]
        await self._idempotency.add(
            [
                Remembered(
                    key=draft.command.key,
                    digest=draft.command.digest,
                    order_id=draft.order.id,
                    answer=answer.body,
                    at=now,
                )
                for draft, answer in zip(drafts, placed, strict=True)
            ]
        )
        return placed


def _ready(draft: Draft) -> bool:
    return draft.payment.link_url is not None or not draft.waits


def twin(command: PlaceOrder, first: PlaceOrder, answer: Answer) -> Answer:
    """What the later of two requests with one key gets when both came in one batch."""
    if command is first:
        return answer
    if command.digest != first.digest:
        return reused()
    if isinstance(answer, ShopError):
        return answer
    if answer.body is None:
        return KeyInProgress("The first request is still running.")
    return replace(answer, replayed=True)


def reused() -> KeyReused:
    return KeyReused("This idempotency key was used for another request.")
