"""The orders of one unit of work with their money and stock: loaded, changed here, written once."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from shop.core.checkout.terms import Terms
from shop.core.inventory.model import MoveKind, Sellable, StockChange, StockMove
from shop.core.kernel.events import Event
from shop.core.kernel.ids import OrderId, PaymentId, RefundId, VariantId
from shop.core.kernel.money import Money
from shop.core.orders.model import (
    REFUND_ASKED,
    SOLD,
    Order,
    OrderConfirmed,
    OrderNotFound,
    OrderStatus,
)
from shop.core.orders.numbers import financial_year, invoice_number
from shop.core.payments.model import Payment, Refund, RefundStatus
from shop.ports.inventory import Shelf
from shop.ports.orders import Invoices, Orders
from shop.ports.payments import Payments, Refunds
from shop.ports.system import Ids
from shop.ports.uow import UnitOfWork


class Books:
    """Changes gather in memory and see one another; `Bookkeeping.write` stores them.

    `by` is the correlation id of the call that causes what happens next.
    """

    def __init__(
        self, ids: Ids, now: datetime, orders: dict[OrderId, Order], payments: Iterable[Payment]
    ) -> None:
        self._ids = ids
        self.now = now
        self.by: str | None = None
        self.orders = orders
        self.payments = {payment.id: payment for payment in payments}
        self.recorded = {
            payment.provider_payment_id: payment.order_id
            for payment in self.payments.values()
            if payment.provider_payment_id
        }
        self.goods: dict[VariantId, Sellable] = {}
        self.facts: list[tuple[Event, str | None]] = []
        self.confirmed: list[OrderId] = []
        self.changed_orders: set[OrderId] = set()
        self.changed_payments: set[PaymentId] = set()
        self.new_payments: list[PaymentId] = []
        self.new_refunds: dict[RefundId, Refund] = {}
        self.changed_refunds: dict[RefundId, Refund] = {}
        self.on_hand: dict[VariantId, int] = defaultdict(int)
        self.held: dict[VariantId, int] = defaultdict(int)
        self.moves: list[StockMove] = []

    def order(self, order_id: OrderId) -> Order:
        """Raises `OrderNotFound`."""
        try:
            return self.orders[order_id]
        except KeyError:
            raise OrderNotFound("There is no such order.") from None

    def of(self, order_id: OrderId) -> list[Payment]:
        """Oldest first."""
        return [payment for payment in self.payments.values() if payment.order_id == order_id]

    def put(self, order: Order, *facts: Event) -> None:
        self.orders[order.id] = order
        self.changed_orders.add(order.id)
        self.facts += ((fact, self.by) for fact in facts)

    def put_payment(self, payment: Payment, *facts: Event) -> None:
        """The order repeats what its payment says, so it follows."""
        if payment.id not in self.payments:
            self.new_payments.append(payment.id)
        elif payment.id not in self.new_payments:
            self.changed_payments.add(payment.id)
        self.payments[payment.id] = payment
        if payment.provider_payment_id:
            self.recorded[payment.provider_payment_id] = payment.order_id
        order = self.orders[payment.order_id]
        if order.payment_id == payment.id:
            self.put(order.paid(payment.status, refunded=payment.refunded))
        self.facts += ((fact, self.by) for fact in facts)

    def confirm(self, order_id: OrderId, payment_id: PaymentId) -> None:
        """Accept the order and take its goods; the invoice number comes with the writing."""
        before = self.orders[order_id]
        order, fact = before.confirm(payment_id, "", self.now)
        self.confirmed.append(order_id)
        self.put(order.paid(self.payments[payment_id].status), fact)
        for variant, quantity in order.quantities():
            self.on_hand[variant] -= quantity
            if before.status is OrderStatus.PENDING_PAYMENT:
                self.held[variant] -= quantity
            self._move(order_id, variant, -quantity, MoveKind.SOLD)

    def give_back(self, order: Order) -> None:
        """Release what an order held, or return what it had taken. `order` as it was before."""
        for variant, quantity in order.quantities():
            if order.status is OrderStatus.PENDING_PAYMENT:
                self.held[variant] -= quantity
            elif order.status in SOLD:
                self.on_hand[variant] += quantity
                self._move(order.id, variant, quantity, MoveKind.RETURNED)

    def can_be_had(self, order: Order) -> bool:
        """Whether all lines of an order that holds nothing could be taken from `goods` now."""
        wanted: dict[VariantId, int] = defaultdict(int)
        for variant, quantity in order.quantities():
            wanted[variant] += quantity
        return all(quantity <= self._free(variant) for variant, quantity in wanted.items())

    def _free(self, variant: VariantId) -> int:
        item = self.goods.get(variant)
        if item is None or not item.on_sale:
            return 0
        return item.available + self.on_hand.get(variant, 0) - self.held.get(variant, 0)

    def refund(self, payment_id: PaymentId, amount: Money, reason: str) -> Refund:
        """Ask money back; cash was handed back by whoever recorded it. Raises `RefundTooLarge`."""
        payment = self.payments[payment_id]
        cash = payment.method == "cod"
        refund = Refund(
            id=RefundId(self._ids.new()),
            payment_id=payment_id,
            order_id=payment.order_id,
            amount=amount,
            reason=reason,
            requested_at=self.now,
            next_try_at=None if cash else self.now,
        )
        asked, fact = payment.ask_back(refund)
        self.put_payment(asked, fact)
        self.new_refunds[refund.id] = refund
        self._note(refund, "requested", f"{REFUND_ASKED}: {reason}")
        return self.gave_back(refund) if cash else refund

    def gave_back(self, refund: Refund) -> Refund:
        """The money has gone back."""
        payment, fact = self.payments[refund.payment_id].gave_back(refund, self.now)
        done = replace(
            refund,
            status=RefundStatus.PROCESSED,
            processed_at=self.now,
            next_try_at=None,
            error=None,
        )
        self.put_payment(payment, fact)
        self.put_refund(done)
        self._note(done, done.status, "Refunded")
        return done

    def refuse_refund(self, refund: Refund, error: str) -> Refund:
        """The gateway will never send this money back: staff has to look after it."""
        self.put_payment(self.payments[refund.payment_id].keeps(refund))
        failed = replace(refund, status=RefundStatus.FAILED, next_try_at=None, error=error[:500])
        self.put_refund(failed)
        self._note(failed, failed.status, "The refund did not go through")
        return failed

    def put_refund(self, refund: Refund) -> None:
        where = self.new_refunds if refund.id in self.new_refunds else self.changed_refunds
        where[refund.id] = refund

    def _note(self, refund: Refund, status: str, description: str) -> None:
        order, money = self.orders[refund.order_id], refund.amount
        # Money that came in a wrong currency goes back in it: the entry has no word for that.
        ours = money.currency == order.breakdown.total.currency
        amount = money.amount if ours else 0
        self.put(order.note(self.now, "refund", status, description, amount=amount))

    def _move(self, order_id: OrderId, variant: VariantId, delta: int, kind: MoveKind) -> None:
        self.moves.append(
            StockMove(
                id=self._ids.new(),
                variant_id=variant,
                delta=delta,
                kind=kind,
                order_id=order_id,
                at=self.now,
            )
        )


class Bookkeeping:
    """Call only inside an open unit of work. A fixed number of statements, whatever the size."""

    def __init__(
        self,
        uow: UnitOfWork,
        orders: Orders,
        payments: Payments,
        refunds: Refunds,
        shelf: Shelf,
        invoices: Invoices,
        ids: Ids,
        terms: Terms,
    ) -> None:
        self._uow = uow
        self._orders = orders
        self._payments = payments
        self._refunds = refunds
        self._shelf = shelf
        self._invoices = invoices
        self._ids = ids
        self._terms = terms

    async def open(self, order_ids: Iterable[OrderId], now: datetime) -> Books:
        """Load and lock the orders, in the order of their ids, with all of their payments."""
        orders = await self._orders.find(order_ids)
        payments = await self._payments.of_orders(orders)
        every = (payment for of_order in payments.values() for payment in of_order)
        return Books(self._ids, now, orders, every)

    async def load_goods(self, books: Books, orders: Iterable[Order]) -> None:
        """Lock the stock of orders that hold none, so that `can_be_had` can tell."""
        wanted = {variant for order in orders for variant, _ in order.quantities()}
        if wanted:
            books.goods = await self._shelf.lock(wanted)

    async def write(self, books: Books) -> None:
        """Store everything; stock last of all that others wait for, but for the invoice counter."""
        await self._payments.save([books.payments[id_] for id_ in sorted(books.changed_payments)])
        await self._payments.add([books.payments[id_] for id_ in books.new_payments])
        await self._refunds.add(list(books.new_refunds.values()))
        await self._refunds.save(list(books.changed_refunds.values()))
        touched = books.on_hand.keys() | books.held.keys()
        changes = [
            StockChange(
                variant_id=id_, on_hand=books.on_hand.get(id_, 0), held=books.held.get(id_, 0)
            )
            for id_ in touched
        ]
        await self._shelf.change([one for one in changes if one.on_hand or one.held])
        await self._shelf.record(books.moves)  # after that, as in `Booking.take_stock`
        await self._number(books)
        await self._orders.save([books.orders[id_] for id_ in sorted(books.changed_orders)])
        for fact, by in books.facts:
            self._uow.emit(fact, correlation=by)

    async def _number(self, books: Books) -> None:
        if not books.confirmed:
            return
        series, year = self._terms.invoice_series, financial_year(books.now)
        first = await self._invoices.draw(series, year, len(books.confirmed))
        numbers = {
            order_id: invoice_number(series, year, first + i)
            for i, order_id in enumerate(books.confirmed)
        }
        for order_id, number in numbers.items():
            books.orders[order_id] = replace(books.orders[order_id], invoice_number=number)
        books.facts = [
            (replace(fact, invoice_number=numbers[fact.order_id]), by)
            if isinstance(fact, OrderConfirmed)
            else (fact, by)
            for fact, by in books.facts
        ]
