"""What the gateway reports, and what becomes of orders and money."""

from dishka import AsyncContainer
from msgspec.structs import replace

from shop.adapters.sandbox.gateway import SandboxGateway
from shop.core.checkout.settlement import AttemptFailed, Outcome, RefundMoved, Report
from shop.core.checkout.tidying import CheckoutTidying
from shop.core.orders.model import OrderStatus, PaymentMethod
from shop.core.payments.model import PaymentStatus, RefundStatus
from shop.ports.inventory import StockLedger
from shop.ports.outbox import Outbox
from shop.ports.system import Ids
from tests.kit.clock import ManualClock
from tests.kit.goods import stocked
from tests.kit.orders import an_order, captured, expire, settle, shown, stock, unknown_payment

QUARTER_OF_AN_HOUR = 900


async def test_a_capture_confirms_the_order_and_sells_its_goods(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    assert await stock(container, variant) == (5, 2)
    assert await settle(container, captured(order.payment)) == [Outcome.CONFIRMED]
    now = await shown(container, order.order.id)
    assert now.order.status is OrderStatus.CONFIRMED
    assert now.order.payment_status == PaymentStatus.PAID == now.payment.status
    assert now.order.invoice_number == "INV/29-30/000001"
    assert await stock(container, variant) == (3, 0)
    moves = await (await container.get(StockLedger)).moves(variant)
    assert [(m.delta, m.order_id) for m in moves if m.order_id] == [(-2, order.order.id)]
    kinds = [e.kind for e in await (await container.get(Outbox)).oldest(100)]
    assert kinds.count("shop.order.confirmed.v1") == 1
    assert kinds.count("shop.payment.captured.v1") == 1


async def test_the_same_news_ten_times_changes_nothing(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    webhook = captured(order.payment, event_id="evt_1")
    by_callback = captured(order.payment)
    twins = [webhook, by_callback, webhook, captured(order.payment, event_id="evt_2")]
    assert await settle(container, *twins) == [Outcome.CONFIRMED] + [Outcome.NOTHING_NEW] * 3
    before = await shown(container, order.order.id)
    for _ in range(10):
        assert await settle(container, webhook) == [Outcome.NOTHING_NEW]
    assert await shown(container, order.order.id) == before
    assert await stock(container, variant) == (3, 0)


async def test_news_that_came_so_long_ago_that_it_is_forgotten_changes_nothing(
    container: AsyncContainer, clock: ManualClock
) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    webhook = captured(order.payment, event_id="evt_1")
    assert await settle(container, webhook) == [Outcome.CONFIRMED]
    before = await shown(container, order.order.id)
    async with container() as scope:
        tidying = await scope.get(CheckoutTidying)
        clock.advance(30 * 86_400)
        assert await tidying.tidy() == 0
        clock.advance(seconds=1)
        assert [await tidying.tidy(), await tidying.tidy()] == [1, 0]
    assert await settle(container, webhook) == [Outcome.NOTHING_NEW]
    assert await shown(container, order.order.id) == before
    assert await stock(container, variant) == (3, 0)


async def test_a_failure_after_the_capture_is_too_late(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    failed = AttemptFailed(payment_id=order.payment.id)
    assert await settle(container, failed, captured(order.payment), failed) == [
        Outcome.RECORDED,
        Outcome.CONFIRMED,
        Outcome.NOTHING_NEW,
    ]
    assert (await shown(container, order.order.id)).payment.status is PaymentStatus.PAID


async def test_a_second_capture_is_recorded_and_goes_back(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    news = [captured(order.payment, "pay_1"), captured(order.payment, "pay_2")]
    assert await settle(container, *news) == [Outcome.CONFIRMED, Outcome.GOING_BACK]
    now = await shown(container, order.order.id)
    assert [one.provider_payment_id for one in now.payments] == ["pay_1", "pay_2"]
    [refund] = now.refunds
    assert refund.payment_id == now.payments[1].id
    assert refund.amount == order.payment.amount
    assert now.order.status is OrderStatus.CONFIRMED
    assert now.order.payment_id == now.payments[0].id
    assert await stock(container, variant) == (3, 0)


async def test_a_wrong_amount_or_currency_goes_back_in_full(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 9)
    for wrong in ({"amount": 1}, {"amount": 10**9}, {"currency": "USD"}):
        order = await an_order(container, variant, 1)
        report = captured(order.payment, f"pay_{wrong}", **wrong)
        assert await settle(container, report) == [Outcome.GOING_BACK]
        now = await shown(container, order.order.id)
        assert now.order.status is OrderStatus.PENDING_PAYMENT
        assert [one.amount for one in now.refunds] == [report.capture.amount]
        told = now.order.timeline[-1]
        assert (told.kind, told.amount) == ("refund", wrong.get("amount", 0))


async def test_money_about_nothing_of_ours_changes_nothing(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5)
    order = await an_order(container, variant)
    ids = await container.get(Ids)
    stranger = replace(captured(order.payment, "pay_x"), payment_id=unknown_payment(ids))
    nobody = replace(captured(order.payment, "pay_y"), payment_id=None)
    refund = RefundMoved(provider_refund_id="rfnd_x", status=RefundStatus.PROCESSED)
    answers = await settle(container, stranger, nobody, refund, Report(event_id="evt_0"))
    assert answers == [Outcome.UNKNOWN] * 3 + [Outcome.NOTHING_NEW]


async def test_money_after_the_hold_confirms_while_the_goods_are_there(
    container: AsyncContainer, clock: ManualClock
) -> None:
    [variant] = await stocked(container, 3)
    order = await an_order(container, variant, 2)
    clock.advance(QUARTER_OF_AN_HOUR)
    assert await expire(container) == 1
    assert await stock(container, variant) == (3, 0)
    gone = await shown(container, order.order.id)
    assert (gone.order.status, gone.payment.status) == (OrderStatus.EXPIRED, PaymentStatus.EXPIRED)
    assert await settle(container, captured(order.payment)) == [Outcome.CONFIRMED]
    assert await stock(container, variant) == (1, 0)


async def test_of_two_late_payments_for_the_last_goods_one_goes_back(
    container: AsyncContainer, clock: ManualClock
) -> None:
    [variant] = await stocked(container, 3)
    first = await an_order(container, variant, 2)
    clock.advance(QUARTER_OF_AN_HOUR)
    await expire(container)
    second = await an_order(container, variant, 2)
    clock.advance(QUARTER_OF_AN_HOUR)
    await expire(container)
    news = [captured(first.payment, "pay_1"), captured(second.payment, "pay_2")]
    assert await settle(container, *news) == [Outcome.CONFIRMED, Outcome.GOING_BACK]
    assert await stock(container, variant) == (1, 0)
    late = await shown(container, second.order.id)
    assert late.order.status is OrderStatus.EXPIRED
    assert late.refunds[0].amount == late.payment.amount


async def test_an_order_paid_before_the_clock_strikes_is_settled_not_expired(
    container: AsyncContainer, clock: ManualClock
) -> None:
    [variant] = await stocked(container, 3)
    order = await an_order(container, variant, 2)
    token = (order.payment.link_url or "").rpartition("/")[2]
    gateway = await container.get(SandboxGateway)
    await gateway.answer(token, success=True)
    clock.advance(QUARTER_OF_AN_HOUR)
    assert await expire(container) == 0
    assert (await shown(container, order.order.id)).order.status is OrderStatus.CONFIRMED


async def test_a_batch_numbers_its_invoices_without_gaps(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 9)
    placed = [await an_order(container, variant, 1) for _ in range(3)]
    cod = await an_order(container, variant, 1, payment_method=PaymentMethod.COD)
    await settle(container, *(captured(o.payment, f"pay_{o.order.number}") for o in placed))
    numbers = [(await shown(container, o.order.id)).order.invoice_number for o in (cod, *placed)]
    assert numbers == [f"INV/29-30/{n:06}" for n in (1, 2, 3, 4)]
