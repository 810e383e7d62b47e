"""Writes new orders: the stock they take, their payments, and the invoices of confirmed ones."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from shop.core.checkout.drafting import Draft
from shop.core.checkout.terms import Terms
from shop.core.inventory.model import MoveKind, StockChange, StockMove
from shop.core.kernel.ids import VariantId
from shop.core.orders.model import SOLD, PaymentMethod
from shop.core.orders.numbers import financial_year, invoice_number
from shop.ports.inventory import Shelf
from shop.ports.orders import Invoices, Orders
from shop.ports.payments import Payments
from shop.ports.system import Ids


class Booking:
    """Call only inside an open unit of work, whose stock rows are locked."""

    def __init__(
        self,
        orders: Orders,
        payments: Payments,
        shelf: Shelf,
        invoices: Invoices,
        ids: Ids,
        terms: Terms,
    ) -> None:
        self._orders = orders
        self._payments = payments
        self._shelf = shelf
        self._invoices = invoices
        self._ids = ids
        self._terms = terms

    async def write(self, drafts: Sequence[Draft], now: datetime) -> list[Draft]:
        """Store the orders, those to be paid on delivery as confirmed; returns them as stored."""
        booked = await self._confirm_cod(drafts, now)
        await self._orders.add([draft.order for draft in booked])
        await self._payments.add([draft.payment for draft in booked])
        await self._take_stock(booked, now)
        return booked

    async def _confirm_cod(self, drafts: Sequence[Draft], now: datetime) -> list[Draft]:
        """Nobody waits for cash: such an order is confirmed, with its invoice, at once."""
        count = sum(d.order.payment_method is PaymentMethod.COD for d in drafts)
        if not count:
            return list(drafts)
        series, year = self._terms.invoice_series, financial_year(now)
        number = await self._invoices.draw(series, year, count)
        booked = []
        for draft in drafts:
            order = draft.order
            if order.payment_method is not PaymentMethod.COD:
                booked.append(draft)
                continue
            invoice = invoice_number(series, year, number)
            number += 1
            confirmed, fact = order.confirm(order.payment_id, invoice, now)
            booked.append(replace(draft, order=confirmed, facts=(*draft.facts, fact)))
        return booked

    async def _take_stock(self, drafts: Sequence[Draft], now: datetime) -> None:
        """Hold what waits for its payment, and take from the shelf what is sold already."""
        held: dict[VariantId, int] = defaultdict(int)
        sold: dict[VariantId, int] = defaultdict(int)
        moves: list[StockMove] = []
        for draft in drafts:
            gone = draft.order.status in SOLD
            figures = sold if gone else held
            for variant, quantity in draft.order.quantities():
                figures[variant] += quantity
                if gone:
                    moves.append(
                        StockMove(
                            id=self._ids.new(),
                            variant_id=variant,
                            delta=-quantity,
                            kind=MoveKind.SOLD,
                            order_id=draft.order.id,
                            at=now,
                        )
                    )
        if moves:
            await self._shelf.record(moves)
        await self._shelf.change(
            [
                StockChange(variant_id=v, on_hand=-sold.get(v, 0), held=held.get(v, 0))
                for v in held.keys() | sold.keys()
            ]
        )
