"""Cancelling, refunding, shipping, new links."""

from typing import Any

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.adapters.sandbox.gateway import SandboxGateway
from shop.core.checkout.audit import Audit
from shop.core.checkout.books import Bookkeeping, Books
from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.fulfilment import Fulfilment, ReturnRefused, ReturnWish
from shop.core.checkout.links import PaymentLinks
from shop.core.checkout.once import Attempt
from shop.core.checkout.refunds import Refunding, RefundSender, RequestRefund
from shop.core.checkout.settlement import Outcome
from shop.core.kernel.access import NOBODY
from shop.core.kernel.errors import Denied, StaleWrite, Unauthenticated
from shop.core.kernel.ids import OrderId
from shop.core.orders.model import (
    OrderNotFound,
    OrderState,
    OrderStatus,
    PaymentMethod,
    ReturnedItem,
)
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import PaymentNotFound, PaymentStatus, RefundStatus, RefundTooLarge
from shop.ports.idempotency import IdempotencyKey, KeyReused
from shop.ports.outbox import Outbox
from shop.ports.payments import PaymentReads
from shop.ports.system import Ids
from tests.kit.clock import ManualClock
from tests.kit.goods import stocked
from tests.kit.orders import Shown, an_order, captured, settle, shown, staff, stock, using


def body(*_: Any) -> bytes:
    return b"answer"


async def cancel(container: AsyncContainer, order: Shown, attempt: Attempt | None = None) -> bool:
    visitor = Visitor(caller=NOBODY, opened=order.order.id)
    async with using(container, Cancellation) as cancellation:
        _, replayed = await cancellation.by_customer(visitor, order.order.id, body, attempt)
    return replayed


async def refund(
    container: AsyncContainer, order_id: OrderId, amount: int | None = None, **changes: Any
) -> None:
    caller = staff(await container.get(Ids))
    command = RequestRefund(order_id=order_id, amount=amount, **changes)
    async with using(container, Refunding) as refunding:
        await refunding.request(caller, command, body)


async def send(container: AsyncContainer) -> int:
    async with using(container, RefundSender) as sender:
        return await sender.send_due()


async def pay(container: AsyncContainer, order: Shown) -> str:
    """At the sandbox, then settled; returns the gateway's payment id."""
    gateway = await container.get(SandboxGateway)
    await gateway.answer((order.payment.link_url or "").rpartition("/")[2], success=True)
    link = await gateway.fetch_link(order.payment)
    paid = link.captures[0].provider_payment_id
    await settle(container, captured(order.payment, paid))
    return paid


async def test_an_unpaid_order_gives_its_stock_back_and_its_link_is_closed(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    await cancel(container, order)
    assert await stock(container, variant) == (5, 0)
    now = await shown(container, order.order.id)
    assert (now.order.status, now.payment.status) == (
        OrderStatus.CANCELLED,
        PaymentStatus.CANCELLED,
    )
    link = await (await container.get(SandboxGateway)).fetch_link(order.payment)
    assert link.status == "cancelled"
    assert await settle(container, captured(order.payment)) == [Outcome.GOING_BACK]
    assert len((await shown(container, order.order.id)).refunds) == 1


@pytest.mark.parametrize(
    ("reason", "line"),
    [("Out of clay", "Cancelled by the shop: Out of clay"), ("", "Cancelled by the shop")],
)
async def test_the_timeline_says_who_cancelled_and_why(
    container: AsyncContainer, reason: str, line: str
) -> None:
    [variant] = await stocked(container, 5)
    order, other = await an_order(container, variant), await an_order(container, variant)
    caller = staff(await container.get(Ids))
    async with using(container, Cancellation) as cancellation:
        await cancellation.by_staff(caller, order.order.id, reason, body)
    await cancel(container, other)
    by_shop, by_buyer = [(await shown(container, o.order.id)).order for o in (order, other)]
    assert by_shop.timeline[-1].description == line
    assert by_buyer.timeline[-1].description == "Cancelled by the customer"
    assert by_shop.forget_buyer().timeline[-1].description == "Cancelled"


async def test_a_paid_order_that_is_cancelled_is_refunded(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    await pay(container, order)
    await refund(container, order.order.id, 100)
    await cancel(container, order)
    assert await stock(container, variant) == (5, 0)
    assert await send(container) == 2
    now = await shown(container, order.order.id)
    assert [one.status for one in now.refunds] == [RefundStatus.PROCESSED] * 2
    assert now.payment.refunded == now.payment.amount.amount == now.order.refunded
    assert now.order.payment_status == PaymentStatus.REFUNDED
    assert await send(container) == 0


async def test_a_repeated_key_cancels_once_and_another_request_is_refused(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    attempt = Attempt(key=IdempotencyKey("k", "order:1"), digest=b"1" * 32)
    assert await cancel(container, order, attempt) is False
    assert await cancel(container, order, attempt) is True
    with pytest.raises(KeyReused):
        await cancel(container, order, replace(attempt, digest=b"2" * 32))
    with pytest.raises(OrderState):
        await cancel(container, order)
    assert await stock(container, variant) == (5, 0)


async def test_nobody_refunds_more_than_was_paid(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    total = order.payment.amount.amount
    with pytest.raises(RefundTooLarge):
        await refund(container, order.order.id, 1)
    await settle(container, captured(order.payment))
    await refund(container, order.order.id, total - 1)
    with pytest.raises(RefundTooLarge):
        await refund(container, order.order.id, 2)
    await refund(container, order.order.id)
    now = await shown(container, order.order.id)
    assert [one.amount.amount for one in now.refunds] == [total - 1, 1]


async def test_a_refund_the_gateway_refuses_is_recorded_and_can_be_asked_again(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    await settle(container, captured(order.payment, "pay_the_sandbox_never_saw"))
    await refund(container, order.order.id)
    await send(container)
    now = await shown(container, order.order.id)
    assert now.refunds[0].status is RefundStatus.FAILED
    assert now.refunds[0].error
    assert now.payment.status is PaymentStatus.PAID
    assert now.payment.refundable == now.payment.amount.amount
    await refund(container, order.order.id)


async def test_a_refund_that_lost_a_race_is_asked_for_once_more(
    container: AsyncContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    [variant] = await stocked(container, 9)
    order = await an_order(container, variant)
    await settle(container, captured(order.payment))
    write, lost = Bookkeeping.write, [StaleWrite("Somebody else was faster.")]

    async def loses_once(self: Bookkeeping, books: Books) -> None:
        await write(self, books)
        if lost:
            raise lost.pop()

    monkeypatch.setattr(Bookkeeping, "write", loses_once)
    await refund(container, order.order.id, 100)
    assert [one.amount.amount for one in (await shown(container, order.order.id)).refunds] == [100]


async def test_money_that_came_twice_can_be_asked_back_when_its_refund_was_refused(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 9)
    order, other = await an_order(container, variant), await an_order(container, variant)
    total = order.payment.amount.amount
    for paid in ("pay_1", "pay_2"):  # neither is known to the sandbox, which refuses to refund
        await settle(container, captured(order.payment, paid))
    await send(container)
    twice = (await shown(container, order.order.id)).payments[1]
    assert twice.refundable == total
    with pytest.raises(PaymentNotFound):
        await refund(container, order.order.id, payment_id=other.payment.id)
    await refund(container, order.order.id, payment_id=twice.id)
    now = await shown(container, order.order.id)
    assert [one.refundable for one in now.payments] == [total, 0]
    with pytest.raises(RefundTooLarge):
        await refund(container, order.order.id, 1, payment_id=twice.id)


async def test_cash_is_taken_at_the_door_and_a_cancelled_one_never(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 5)
    caller = staff(await container.get(Ids))
    order = await an_order(container, variant, 1, payment_method=PaymentMethod.COD)
    async with using(container, Fulfilment) as fulfilment:
        await fulfilment.pack(caller, order.order.id, body)
        await fulfilment.ship(caller, order.order.id, ("Post", "T1"), body)
        with pytest.raises(OrderState):
            await cancel(container, order)
        await fulfilment.deliver(caller, order.order.id, body)
    assert (await shown(container, order.order.id)).order.payment_status == PaymentStatus.PAID
    other = await an_order(container, variant, 1, payment_method=PaymentMethod.COD)
    await cancel(container, other)
    now = await shown(container, other.order.id)
    assert now.payment.status is PaymentStatus.CANCELLED
    assert now.refunds == []
    assert await stock(container, variant) == (4, 0)


@pytest.mark.parametrize(("restock", "left"), [(True, 5), (False, 3)])
async def test_what_came_back_is_for_sale_again_if_staff_say_so_and_the_refund_is_its_own_step(
    container: AsyncContainer, *, restock: bool, left: int
) -> None:
    [variant] = await stocked(container, 5)
    caller = staff(await container.get(Ids))
    order = await an_order(container, variant)
    id_ = order.order.id
    await pay(container, order)
    async with using(container, Fulfilment) as fulfilment:
        await fulfilment.pack(caller, id_, body)
        await fulfilment.ship(caller, id_, ("Post", "T1"), body)
        with pytest.raises(OrderState):
            await fulfilment.take_back(caller, id_, body, restock=restock)
        await fulfilment.deliver(caller, id_, body)
        customer = replace(caller, roles=frozenset())
        with pytest.raises(Denied):
            await fulfilment.take_back(customer, id_, body, restock=restock)
        await fulfilment.take_back(caller, id_, body, restock=restock)
        with pytest.raises(OrderState):
            await fulfilment.take_back(caller, id_, body, restock=restock)
    assert await stock(container, variant) == (left, 0)
    now = await shown(container, id_)
    assert (now.order.status, now.order.payment_status) == (OrderStatus.RETURNED, "paid")
    assert (now.order.timeline[-1].description, now.refunds) == ("Returned", [])
    *_, last = await (await container.get(Outbox)).oldest(500)
    assert last.kind == "shop.order.returned.v1"
    async with using(container, Audit) as audit:
        assert (await audit.run()).findings == []
    await refund(container, id_)
    assert await send(container) == 1
    now = await shown(container, id_)
    assert now.order.status is OrderStatus.RETURNED
    assert now.order.payment_status == PaymentStatus.REFUNDED


async def test_all_requests_together_return_no_more_than_was_bought(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 5)
    caller = staff(await container.get(Ids))
    order = await an_order(container, variant, 3)
    id_ = order.order.id
    visitor = Visitor(caller=NOBODY, opened=id_)

    def wish(quantity: int) -> ReturnWish:
        return ReturnWish(items=(ReturnedItem(variant_id=variant, quantity=quantity),))

    await pay(container, order)
    async with using(container, Fulfilment) as fulfilment:
        await fulfilment.pack(caller, id_, body)
        await fulfilment.ship(caller, id_, ("Post", "T1"), body)
        await fulfilment.deliver(caller, id_, body)
        await fulfilment.ask_return(visitor, id_, wish(2), body)
        with pytest.raises(ReturnRefused):
            await fulfilment.ask_return(visitor, id_, wish(2), body)
        await fulfilment.ask_return(visitor, id_, wish(1), body)
    now = await shown(container, id_)
    assert [item.quantity for item in now.order.asked_back] == [2, 1]


async def test_only_staff_moves_orders_and_only_owners_see_them(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    async with using(container, Fulfilment) as fulfilment:
        with pytest.raises(Unauthenticated):
            await fulfilment.pack(NOBODY, order.order.id, body)
        customer = replace(staff(await container.get(Ids)), roles=frozenset())
        with pytest.raises(Denied):
            await fulfilment.pack(customer, order.order.id, body)
    async with using(container, Cancellation) as cancellation:
        with pytest.raises(OrderNotFound):
            await cancellation.by_customer(Visitor(caller=customer), order.order.id, body)


async def test_a_new_link_replaces_the_old_one(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    visitor = Visitor(caller=NOBODY, opened=order.order.id)
    async with using(container, PaymentLinks) as links:
        await links.renew(visitor, order.order.id, body)
    now = await shown(container, order.order.id)
    assert [one.status for one in now.payments] == [PaymentStatus.CANCELLED, PaymentStatus.CREATED]
    assert now.order.payment_id == now.payments[1].id
    assert now.payment.link_url != order.payment.link_url
    late = [captured(now.payments[0], "pay_old"), captured(now.payments[1], "pay_new")]
    assert await settle(container, *late) == [Outcome.CONFIRMED, Outcome.GOING_BACK]
    paid = await shown(container, order.order.id)
    assert paid.payment.provider_payment_id == "pay_old"


async def test_a_link_that_was_paid_meanwhile_is_settled_instead_of_renewed(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    gateway = await container.get(SandboxGateway)
    await gateway.answer((order.payment.link_url or "").rpartition("/")[2], success=True)
    async with using(container, PaymentLinks) as links:
        await links.renew(Visitor(caller=NOBODY, opened=order.order.id), order.order.id, body)
    assert (await shown(container, order.order.id)).order.status is OrderStatus.CONFIRMED


async def test_a_payment_whose_webhook_never_comes_is_found_by_asking(
    container: AsyncContainer, clock: ManualClock
) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    gateway = await container.get(SandboxGateway)
    await gateway.answer((order.payment.link_url or "").rpartition("/")[2], success=True)
    reads = await container.get(PaymentReads)
    assert await reads.to_check(clock.now(), 10) == []
    clock.advance(300)
    async with using(container, PaymentLinks) as links:
        assert await links.check_due() == 1
        assert await links.check_due() == 0
    assert (await shown(container, order.order.id)).order.status is OrderStatus.CONFIRMED
