"""Orders and invoice numbers, in memory."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from msgspec.structs import replace

from shop.adapters.memory.store import MemoryStore, MemoryUnitOfWork
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import OrderId, UserId
from shop.core.kernel.page import Page, last_id, paged
from shop.core.orders.model import Order, OrderNotFound
from shop.ports.orders import Invoices, OrderFilter, OrderReads, Orders


class MemoryOrders(Orders):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def add(self, orders: Sequence[Order]) -> None:
        table, numbers = self._uow.table("orders"), self._uow.table("order_numbers")
        for order in orders:
            if order.id in table or order.number in numbers:
                raise StaleWrite("Somebody else took this order number first.")
            table[order.id] = order
            numbers[order.number] = order.id

    async def get(self, order_id: OrderId) -> Order:
        return _known(self._uow.table("orders").get(order_id))

    async def find(self, order_ids: Iterable[OrderId]) -> dict[OrderId, Order]:
        table = self._uow.table("orders")
        return {id_: table[id_] for id_ in sorted(set(order_ids)) if id_ in table}

    async def save(self, orders: Sequence[Order]) -> list[Order]:
        table = self._uow.table("orders")
        saved = [replace(order, version=order.version + 1) for order in orders]
        for order in saved:
            seen = table.get(order.id)
            if seen is None or seen.version != order.version - 1:
                raise StaleWrite("Somebody else changed this order first.")
            table[order.id] = order
        return saved

    async def of_buyer(self, user_id: UserId) -> list[Order]:
        every = self._uow.table("orders").values()
        return sorted((o for o in every if o.user_id == user_id), key=lambda order: order.id)

    async def forget_buyers(self, orders: Sequence[Order]) -> None:
        await self.save(orders)


class MemoryInvoices(Invoices):
    def __init__(self, uow: MemoryUnitOfWork) -> None:
        self._uow = uow

    async def draw(self, series: str, year: str, count: int) -> int:
        counters = self._uow.table("invoice_counters")
        last: int = counters.get((series, year), 0)
        counters[series, year] = last + count
        return last + 1


class MemoryOrderReads(OrderReads):
    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    async def get(self, order_id: OrderId) -> Order:
        return _known(self._store.table("orders").get(order_id))

    async def find(self, order_ids: Iterable[OrderId]) -> dict[OrderId, Order]:
        stored = self._store.table("orders")
        return {order_id: stored[order_id] for order_id in order_ids if order_id in stored}

    async def by_number(self, number: str) -> Order:
        order_id = self._store.table("order_numbers").get(number)
        return _known(self._store.table("orders").get(order_id))

    async def page(self, which: OrderFilter, limit: int, cursor: str | None) -> Page[Order]:
        found: list[Order] = [o for o in self._store.table("orders").values() if _fits(o, which)]
        if (after := last_id(cursor)) is not None:
            found = [order for order in found if order.id < after]
        found.sort(key=lambda order: order.id, reverse=True)
        return paged(found, limit)

    async def overdue(self, now: datetime, limit: int) -> list[Order]:
        late: list[tuple[datetime, Order]] = [
            (order.hold_until, order)
            for order in self._store.table("orders").values()
            if order.hold_until and order.hold_until <= now
        ]
        return [order for _, order in sorted(late, key=lambda one: one[0])][:limit]


def _fits(order: Order, which: OrderFilter) -> bool:
    day = order.placed_at.date()
    text = which.text.lower()
    return (
        (which.user_id is None or order.user_id == which.user_id)
        and (which.status is None or order.status is which.status)
        and (order.number.lower().startswith(text) or order.email.lower().startswith(text))
        and (which.placed_from is None or day >= which.placed_from)
        and (which.placed_until is None or day <= which.placed_until)
    )


def _known(order: Order | None) -> Order:
    if order is None:
        raise OrderNotFound("There is no such order.")
    return order
