"""One step of an order's life: done once for a key, and written down when staff did it."""

from collections.abc import Callable, Sequence

from shop.core.checkout.books import Bookkeeping, Books
from shop.core.checkout.once import Attempt, Once
from shop.core.kernel.access import Caller
from shop.core.kernel.ids import OrderId
from shop.core.kernel.insisting import insist
from shop.core.orders.model import Order
from shop.core.payments.model import Payment, Refund
from shop.ports.payments import PaymentReads
from shop.ports.system import Clock
from shop.ports.uow import UnitOfWork

Answer = Callable[[Order, Sequence[Payment], Sequence[Refund]], bytes]
#: The answer, and whether it is a repeat's.
Answered = tuple[bytes, bool]


class OrderSteps:
    """Each step locks its order, so that of a cancellation and a shipment one wins."""

    def __init__(
        self, uow: UnitOfWork, books: Bookkeeping, once: Once, payments: PaymentReads, clock: Clock
    ) -> None:
        self._uow = uow
        self._books = books
        self._once = once
        self._payments = payments
        self._clock = clock

    async def take(
        self,
        order_id: OrderId,
        change: Callable[[Books], None],
        answer: Answer,
        attempt: Attempt | None = None,
        *,
        status: int = 200,
        staff: tuple[Caller, str] | None = None,
    ) -> Answered:
        """Change the order and all that hangs on it in one unit.

        `staff` is who did it and what the admin log calls it; a customer's own step is not there.
        """

        async def once() -> Answered:
            earlier = (await self._payments.refunds_of([order_id])).get(order_id, [])
            async with self._uow.begin():
                # Who waited here for its own twin sees the answer of that.
                books = await self._books.open([order_id], self._clock.now())
                known = await self._once.answered(attempt)
                if known is not None:
                    return known, True
                change(books)
                await self._books.write(books)
                refunds = [*earlier, *books.new_refunds.values()]
                body = answer(books.orders[order_id], books.of(order_id), refunds)
                await self._once.keep(attempt, order_id, body, status, books.now)
                if staff is not None:
                    caller, action = staff
                    self._uow.log(caller.did(action, order_id, books.now))
            return body, False

        # Somebody may have moved the order meanwhile, perhaps this request's own twin.
        return await insist(once)
