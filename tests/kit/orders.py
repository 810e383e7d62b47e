"""What happens to an order after it was placed, by the use cases themselves."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from dishka import AsyncContainer
from msgspec import Struct

from shop.core.checkout.expiry import Expiry
from shop.core.checkout.replies import Placed
from shop.core.checkout.settlement import Captured, Outcome, Report, Settled, Settlement
from shop.core.kernel.access import Caller, Role
from shop.core.kernel.ids import OrderId, PaymentId, UserId, VariantId
from shop.core.kernel.money import Money
from shop.core.orders.model import Order
from shop.core.payments.model import Capture, Payment, Refund
from shop.ports.inventory import Shelf
from shop.ports.orders import OrderReads
from shop.ports.payments import PaymentReads
from shop.ports.system import Ids
from shop.ports.uow import UnitOfWork
from tests.kit.buying import a_cart, an_order_for, check_out

T = TypeVar("T")


class Shown(Struct):
    """An order with its money, as stored."""

    order: Order
    payments: list[Payment]
    refunds: list[Refund]

    @property
    def payment(self) -> Payment:
        return next(one for one in self.payments if one.id == self.order.payment_id)


async def an_order(
    container: AsyncContainer, variant: VariantId, quantity: int = 2, **changes: Any
) -> Shown:
    """A guest's order for one variant, to be paid online."""
    token = (await container.get(Ids)).secret()
    owner = f"cart:{hashlib.sha256(token).hexdigest()}"
    await a_cart(container, owner, (variant, quantity))
    [placed] = await check_out(container, an_order_for(owner, key=token.hex(), **changes))
    assert isinstance(placed, Placed), placed
    return await shown(container, placed.order_id)


async def shown(container: AsyncContainer, order_id: OrderId) -> Shown:
    reads, payments = await container.get(OrderReads), await container.get(PaymentReads)
    refunds = (await payments.refunds_of([order_id])).get(order_id, [])
    return Shown(await reads.get(order_id), await payments.of_order(order_id), refunds)


def captured(payment: Payment, provider_id: str = "pay_1", **changes: Any) -> Captured:
    amount = changes.pop("amount", payment.amount.amount)
    money = Money(amount, changes.pop("currency", "INR"))
    return Captured(
        payment_id=payment.id,
        capture=Capture(provider_payment_id=provider_id, amount=money),
        **changes,
    )


async def settle(container: AsyncContainer, *reports: Report) -> list[Outcome]:
    """One batch, as the desk does."""
    async with using(container, Settlement) as settlement:
        answers = await settlement.settle_all(reports)
    assert all(isinstance(one, Settled) for one in answers)
    return [one.outcome for one in answers if isinstance(one, Settled)]


async def expire(container: AsyncContainer) -> int:
    async with using(container, Expiry) as expiry:
        return await expiry.run_once()


async def stock(container: AsyncContainer, variant: VariantId) -> tuple[int, int]:
    """On hand, and held."""
    async with container() as scope:
        uow, shelf = await scope.get(UnitOfWork), await scope.get(Shelf)
        async with uow.begin():
            item = (await shelf.find([variant]))[variant]
    return item.on_hand, item.held


@asynccontextmanager
async def using(container: AsyncContainer, what: type[T]) -> AsyncIterator[T]:
    async with container() as scope:
        yield await scope.get(what)


def staff(ids: Ids) -> Caller:
    return Caller(user_id=UserId(ids.new()), roles=frozenset({Role.STAFF}))


def unknown_payment(ids: Ids) -> PaymentId:
    return PaymentId(ids.new())
