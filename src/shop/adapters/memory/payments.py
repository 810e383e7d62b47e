"""Payments, refunds and recorded webhook events, in memory."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork, Table, due_now, taken
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import OrderId, PaymentId, RefundId
from shop.core.payments.model import (
    Payment,
    PaymentNotFound,
    PaymentStatus,
    Refund,
    RefundNotFound,
)
from shop.ports.payments import PaymentReads, Payments, Refunds, WebhookLog


class MemoryPayments(Payments):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def add(self, payments: Sequence[Payment]) -> None:
        table = self._uow.table("payments")
        for payment in payments:
            if payment.id in table:
                raise StaleWrite("Somebody else made this payment first.")
            self._claim(payment)
            table[payment.id] = payment

    async def get(self, payment_id: PaymentId) -> Payment:
        return _known(self._uow.table("payments").get(payment_id))

    async def find(self, payment_ids: Iterable[PaymentId]) -> dict[PaymentId, Payment]:
        table = self._uow.table("payments")
        return {id_: table[id_] for id_ in payment_ids if id_ in table}

    async def by_provider(self, provider_payment_ids: Iterable[str]) -> dict[str, Payment]:
        table, owners = self._uow.table("payments"), self._uow.table("provider_payments")
        return {id_: table[owners[id_]] for id_ in provider_payment_ids if id_ in owners}

    async def of_orders(self, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Payment]]:
        return _of_orders(self._uow.table("payments"), order_ids)

    async def save(self, payments: Sequence[Payment]) -> list[Payment]:
        table = self._uow.table("payments")
        saved = [replace(payment, version=payment.version + 1) for payment in payments]
        for payment in saved:
            seen = table.get(payment.id)
            if seen is None or seen.version != payment.version - 1:
                raise StaleWrite("Somebody else changed this payment first.")
            self._claim(payment)
            table[payment.id] = payment
        return saved

    async def take_to_check(self, now: datetime, until: datetime, limit: int) -> list[Payment]:
        return taken(self._uow.table("payments"), "check_at", now, until, limit)

    def _claim(self, payment: Payment) -> None:
        """The gateway's id belongs to one payment."""
        owners = self._uow.table("provider_payments")
        id_ = payment.provider_payment_id
        if id_ and owners.setdefault(id_, payment.id) != payment.id:
            raise StaleWrite("Somebody else recorded this payment first.")


class MemoryRefunds(Refunds):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def add(self, refunds: Sequence[Refund]) -> None:
        self._uow.table("refunds").update({refund.id: refund for refund in refunds})

    async def get(self, refund_id: RefundId) -> Refund:
        return _known_refund(self._uow.table("refunds").get(refund_id))

    async def by_provider(self, provider_refund_ids: Iterable[str]) -> dict[str, Refund]:
        wanted = set(provider_refund_ids)
        table = self._uow.table("refunds").values()
        return {r.provider_refund_id: r for r in table if r.provider_refund_id in wanted}

    async def save(self, refunds: Sequence[Refund]) -> list[Refund]:
        table = self._uow.table("refunds")
        saved = [replace(refund, version=refund.version + 1) for refund in refunds]
        for refund in saved:
            seen = table.get(refund.id)
            if seen is None or seen.version != refund.version - 1:
                raise StaleWrite("Somebody else changed this refund first.")
            table[refund.id] = refund
        return saved

    async def take_due(self, now: datetime, until: datetime, limit: int) -> list[Refund]:
        return taken(self._uow.table("refunds"), "next_try_at", now, until, limit)


class MemoryWebhookLog(WebhookLog):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def fresh(self, event_ids: Sequence[str], at: datetime) -> set[str]:
        seen = self._uow.table("webhook_events")
        new = {event_id for event_id in event_ids if event_id not in seen}
        seen.update(dict.fromkeys(new, at))
        return new

    async def forget(self, before: datetime, limit: int) -> int:
        seen = self._uow.table("webhook_events")
        old = [event_id for event_id, at in seen.items() if at < before][:limit]
        for event_id in old:
            del seen[event_id]
        return len(old)


class MemoryPaymentReads(PaymentReads):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def get(self, payment_id: PaymentId) -> Payment:
        return _known(self._store.table("payments").get(payment_id))

    async def of_order(self, order_id: OrderId) -> list[Payment]:
        return (await self.of_orders([order_id])).get(order_id, [])

    async def of_orders(self, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Payment]]:
        return _of_orders(self._store.table("payments"), order_ids)

    async def refund(self, refund_id: RefundId) -> Refund:
        return _known_refund(self._store.table("refunds").get(refund_id))

    async def refunds_of(self, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Refund]]:
        wanted = set(order_ids)
        found: dict[OrderId, list[Refund]] = {}
        for one in sorted(self._store.table("refunds").values(), key=lambda refund: refund.id):
            if one.order_id in wanted:
                found.setdefault(one.order_id, []).append(one)
        return found

    async def refunds_due(self, now: datetime, limit: int) -> list[Refund]:
        return due_now(self._store.table("refunds"), "next_try_at", now, limit)

    async def unlinked(self, before: datetime, limit: int) -> list[Payment]:
        return [
            one
            for one in self._payments()
            if one.status is PaymentStatus.CREATED
            and one.method == "online"
            and one.link_id is None
            and one.created_at < before
        ][:limit]

    async def to_check(self, now: datetime, limit: int) -> list[Payment]:
        return due_now(self._store.table("payments"), "check_at", now, limit)

    def _payments(self) -> list[Payment]:
        return sorted(self._store.table("payments").values(), key=lambda one: one.id)


def _of_orders(table: Table, order_ids: Iterable[OrderId]) -> dict[OrderId, list[Payment]]:
    wanted = set(order_ids)
    found: dict[OrderId, list[Payment]] = {}
    for payment in sorted(table.values(), key=lambda one: one.id):
        if payment.order_id in wanted:
            found.setdefault(payment.order_id, []).append(payment)
    return found


def _known(payment: Payment | None) -> Payment:
    if payment is None:
        raise PaymentNotFound("There is no such payment.")
    return payment


def _known_refund(refund: Refund | None) -> Refund:
    if refund is None:
        raise RefundNotFound("There is no such refund.")
    return refund
