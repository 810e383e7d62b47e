"""Writes new orders: the stock they take, their payments, and the invoices of confirmed ones."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from shop.core.checkout.drafting import Draft
from shop.core.checkout.terms import Terms
from shop.core.inventory.model import MoveKind, StockChange, StockMove
from shop.core.kernel.ids import VariantId
from shop.core.orders.numbers import financial_year, invoice_number
from shop.ports.inventory import Shelf
from shop.ports.orders import Invoices, Orders
from shop.ports.payments import Payments
from shop.ports.system import Ids


class _Taken(Struct):
    """What a batch takes of one variant, and the price of each."""

    held: int = 0
    sold: int = 0
    price: int = 0


class Booking:
    """Call only inside an open unit of work."""

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

    async def add(self, drafts: Sequence[Draft]) -> None:
        await self._orders.add([draft.order for draft in drafts])
        await self._payments.add([draft.payment for draft in drafts])

    async def confirm(self, drafts: Sequence[Draft], now: datetime) -> list[Draft]:
        """Nobody waits for cash, or for nothing: such an order has its invoice at once."""
        if not drafts:
            return []
        series, year = self._terms.invoice_series, financial_year(now)
        first = await self._invoices.draw(series, year, len(drafts))
        booked = []
        for number, draft in enumerate(drafts, first):
            order = draft.order
            invoice = invoice_number(series, year, number)
            confirmed, fact = order.confirm(order.payment_id, invoice, now)
            booked.append(replace(draft, order=confirmed, facts=(*draft.facts, fact)))
        return booked

    async def take_stock(self, drafts: Sequence[Draft], now: datetime) -> None:
        """Hold what waits for its payment, and take from the shelf what is sold at once.

        Raises `StaleWrite` when somebody else took the last of something meanwhile, or staff
        changed its price or took it off the shelves.
        """
        taken: defaultdict[VariantId, _Taken] = defaultdict(_Taken)
        moves: list[StockMove] = []
        for draft in drafts:
            waits = draft.waits
            for line in draft.order.lines:
                figures = taken[line.variant_id]
                figures.price = line.unit_price
                if waits:
                    figures.held += line.quantity
                    continue
                figures.sold += line.quantity
                moves.append(
                    StockMove(
                        id=self._ids.new(),
                        variant_id=line.variant_id,
                        delta=-line.quantity,
                        kind=MoveKind.SOLD,
                        order_id=draft.order.id,
                        at=now,
                    )
                )
        await self._shelf.change(
            [
                StockChange(variant_id=variant, on_hand=-of.sold, held=of.held, sold_at=of.price)
                for variant, of in taken.items()
            ]
        )
        # After that: a line of the ledger holds on to its variant, and of two who hold on to one
        # neither could change it.
        if moves:
            await self._shelf.record(moves)
