"""What every store of orders, payments and refunds must do."""

from datetime import date, timedelta

import pytest
from dishka import AsyncContainer
from msgspec.structs import replace

from shop.core.kernel.errors import Malformed, StaleWrite
from shop.core.kernel.ids import OrderId, PaymentId, RefundId
from shop.core.orders.model import OrderNotFound, OrderStatus
from shop.core.payments.model import (
    PaymentNotFound,
    PaymentStatus,
    Refund,
    RefundNotFound,
    RefundStatus,
)
from shop.ports.orders import Invoices, OrderFilter, OrderReads, Orders
from shop.ports.payments import PaymentReads, Payments, Refunds, WebhookLog
from shop.ports.system import Ids
from shop.ports.uow import UnitOfWork
from tests.kit.clock import NOON, ManualClock
from tests.kit.goods import stocked
from tests.kit.orders import an_order, shown


async def test_an_order_and_its_payment_come_back_equal(container: AsyncContainer) -> None:
    one, other = await stocked(container, 5, 5)
    first, second = await an_order(container, one), await an_order(container, other)
    async with container() as scope:
        uow, orders = await scope.get(UnitOfWork), await scope.get(Orders)
        payments = await scope.get(Payments)
        async with uow.begin():
            moved, _ = (await orders.get(first.order.id)).cancel(
                "customer", "Changed my mind", NOON
            )
            [saved] = await orders.save([moved])
            found = await orders.find([first.order.id, second.order.id, OrderId(moved.payment_id)])
            assert found == {saved.id: saved, second.order.id: second.order}
            linked = replace(first.payment, provider_payment_id="pay_A", paid_at=NOON)
            [paid] = await payments.save([linked])
            assert await payments.by_provider(["pay_A", "pay_a"]) == {"pay_A": paid}
            assert await payments.of_orders([saved.id]) == {saved.id: [paid]}
    assert (await shown(container, saved.id)).order == saved
    reads = await container.get(OrderReads)
    assert await reads.by_number(saved.number) == saved


async def test_of_many_orders_those_are_found_that_there_are(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5)
    first, second = [(await an_order(container, variant, 1)).order for _ in range(2)]
    unknown = OrderId((await container.get(Ids)).new())
    reads = await container.get(OrderReads)
    assert await reads.find([]) == {}
    found = await reads.find([second.id, unknown, first.id, second.id])
    assert found == {first.id: first, second.id: second}


async def test_what_is_not_there_is_reported(container: AsyncContainer) -> None:
    id_ = (await container.get(Ids)).new()
    orders, payments = await container.get(OrderReads), await container.get(PaymentReads)
    with pytest.raises(OrderNotFound):
        await orders.get(OrderId(id_))
    with pytest.raises(OrderNotFound):
        await orders.by_number("260101-0000-0000")
    with pytest.raises(PaymentNotFound):
        await payments.get(PaymentId(id_))
    with pytest.raises(RefundNotFound):
        await payments.refund(RefundId(id_))


async def test_the_second_of_two_writers_is_refused(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5)
    old = await an_order(container, variant)
    async with container() as scope:
        uow, orders = await scope.get(UnitOfWork), await scope.get(Orders)
        payments = await scope.get(Payments)
        async with uow.begin():
            await orders.save([old.order])
            await payments.save([old.payment])
        with pytest.raises(StaleWrite):
            async with uow.begin():
                await orders.save([old.order])
        with pytest.raises(StaleWrite):
            async with uow.begin():
                await payments.save([old.payment])


async def test_a_number_and_a_payment_of_the_gateway_belong_to_one(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 5)
    one, two = await an_order(container, variant, 1), await an_order(container, variant, 1)
    new = OrderId((await container.get(Ids)).new())
    async with container() as scope:
        uow, orders = await scope.get(UnitOfWork), await scope.get(Orders)
        payments = await scope.get(Payments)
        with pytest.raises(StaleWrite):
            async with uow.begin():
                await orders.add([replace(one.order, id=new)])
        with pytest.raises(StaleWrite):
            async with uow.begin():
                await payments.save(
                    [replace(p, provider_payment_id="pay_A") for p in (one.payment, two.payment)]
                )
    assert (await shown(container, one.order.id)).payment == one.payment


async def test_an_undone_unit_leaves_no_gap_between_invoices(container: AsyncContainer) -> None:
    async with container() as scope:
        uow, invoices = await scope.get(UnitOfWork), await scope.get(Invoices)
        async with uow.begin():
            assert await invoices.draw("INV", "26-27", 3) == 1
        with pytest.raises(ZeroDivisionError):
            async with uow.begin():
                assert await invoices.draw("INV", "26-27", 5) == 4
                raise ZeroDivisionError
        async with uow.begin():
            assert await invoices.draw("INV", "26-27", 1) == 4
            assert await invoices.draw("INV", "27-28", 1) == 1


async def test_a_list_of_orders_stays_right_while_orders_are_added(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 9)
    placed = [(await an_order(container, variant, 1)).order for _ in range(3)]
    reads = await container.get(OrderReads)
    first = await reads.page(OrderFilter(), 2, None)
    newest = (await an_order(container, variant, 1)).order
    rest = await reads.page(OrderFilter(), 2, first.next_cursor)
    assert [*first.items, *rest.items] == placed[::-1]
    assert rest.next_cursor is None
    with pytest.raises(Malformed):
        await reads.page(OrderFilter(), 2, "nonsense")
    for which, found in [
        (OrderFilter(text=newest.number[:15]), 1),
        (OrderFilter(text="buyer@"), 4),
        (OrderFilter(text="%"), 0),
        (OrderFilter(status=OrderStatus.CONFIRMED), 0),
        (OrderFilter(placed_from=NOON.date(), placed_until=NOON.date()), 4),
        (OrderFilter(placed_from=NOON.date() + timedelta(days=1)), 0),
        (OrderFilter(placed_from=date.min, placed_until=date.max), 4),
    ]:
        assert len((await reads.page(which, 9, None)).items) == found, which


async def test_overdue_orders_come_with_the_longest_overdue_first(
    container: AsyncContainer, clock: ManualClock
) -> None:
    [variant] = await stocked(container, 9)
    first = (await an_order(container, variant, 1)).order
    clock.advance(60)
    second = (await an_order(container, variant, 1)).order
    reads = await container.get(OrderReads)
    assert await reads.overdue(clock.now(), 9) == []
    clock.advance(840)
    assert await reads.overdue(clock.now(), 9) == [first]
    clock.advance(60)
    assert await reads.overdue(clock.now(), 9) == [first, second]


async def test_refunds_are_found_when_they_are_due(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 9)
    order = await an_order(container, variant)
    refund = Refund(
        id=RefundId((await container.get(Ids)).new()),
        payment_id=order.payment.id,
        order_id=order.order.id,
        amount=order.payment.amount,
        reason="Broken",
        requested_at=NOON,
        next_try_at=NOON,
    )
    reads = await container.get(PaymentReads)
    async with container() as scope:
        uow, refunds = await scope.get(UnitOfWork), await scope.get(Refunds)
        async with uow.begin():
            await refunds.add([refund])
        assert await reads.refunds_due(NOON, 9) == [refund]
        assert await reads.refunds_due(NOON - timedelta(seconds=1), 9) == []
        later = NOON + timedelta(minutes=3)
        async with uow.begin():
            assert await refunds.take_due(NOON - timedelta(seconds=1), later, 9) == []
            assert await refunds.take_due(NOON, later, 9) == [replace(refund, next_try_at=later)]
            assert await refunds.take_due(NOON, later, 9) == []
        assert await reads.refunds_due(NOON, 9) == []
        assert await reads.refunds_due(later, 9) == [replace(refund, next_try_at=later)]
        async with uow.begin():
            done = replace(
                refund,
                status=RefundStatus.PROCESSED,
                provider_refund_id="rfnd_A",
                next_try_at=None,
            )
            [saved] = await refunds.save([done])
            assert await refunds.by_provider(["rfnd_A", "rfnd_a"]) == {"rfnd_A": saved}
        with pytest.raises(StaleWrite):
            async with uow.begin():
                await refunds.save([done])
    assert await reads.refunds_due(NOON, 9) == []
    assert await reads.refund(refund.id) == saved


async def test_payments_without_link_and_those_to_check_are_found(
    container: AsyncContainer,
) -> None:
    [variant] = await stocked(container, 9)
    order = await an_order(container, variant)
    reads = await container.get(PaymentReads)
    bare = replace(order.payment, link_id=None, link_url=None, check_at=NOON)
    async with container() as scope:
        uow, payments = await scope.get(UnitOfWork), await scope.get(Payments)
        async with uow.begin():
            [bare] = await payments.save([bare])
        assert await reads.unlinked(NOON + timedelta(seconds=1), 9) == [bare]
        assert await reads.unlinked(NOON, 9) == []
        assert await reads.to_check(NOON, 9) == [bare]
        later = NOON + timedelta(minutes=4)
        async with uow.begin():
            assert await payments.take_to_check(NOON - timedelta(seconds=1), later, 9) == []
            taken = await payments.take_to_check(NOON, later, 9)
            assert taken == [replace(bare, check_at=later)]
            assert await payments.take_to_check(NOON, later, 9) == []
        assert await reads.to_check(NOON, 9) == []
        assert await reads.to_check(later, 9) == taken
        async with uow.begin():
            await payments.save([replace(bare, status=PaymentStatus.CANCELLED, check_at=None)])
    assert await reads.unlinked(NOON + timedelta(seconds=1), 9) == []
    assert await reads.to_check(NOON, 9) == []


async def test_a_webhook_event_is_fresh_once(container: AsyncContainer) -> None:
    async with container() as scope:
        uow, log = await scope.get(UnitOfWork), await scope.get(WebhookLog)
        async with uow.begin():
            assert await log.fresh(["a", "b", "a"], NOON) == {"a", "b"}
        async with uow.begin():
            assert await log.fresh(["A", "b"], NOON) == {"A"}


async def test_old_webhook_events_are_forgotten_some_at_a_time(container: AsyncContainer) -> None:
    async with container() as scope:
        uow, log = await scope.get(UnitOfWork), await scope.get(WebhookLog)
        later = NOON + timedelta(seconds=1)
        async with uow.begin():
            await log.fresh(["a", "b", "c"], NOON)
            await log.fresh(["d"], later)
        async with uow.begin():
            assert await log.forget(later, 2) == 2
            assert await log.forget(later, 2) == 1
            assert await log.forget(later, 2) == 0
            assert await log.fresh(["a", "b", "c", "d"], later) == {"a", "b", "c"}
