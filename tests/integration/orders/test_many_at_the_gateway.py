"""A gateway that is slow, or silent for one, holds up nobody else."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from dishka import AsyncContainer

from shop.adapters.sandbox.gateway import SandboxGateway
from shop.core.checkout.links import PaymentLinks
from shop.core.checkout.refunds import Refunding, RefundSender, RequestRefund
from shop.core.kernel.ids import VariantId
from shop.core.kernel.side_by_side import AT_ONCE
from shop.core.orders.model import OrderStatus
from shop.core.payments.model import Payment, PaymentStatus, RefundStatus
from shop.ports.payments import GatewayRefused, GatewayUnavailable
from shop.ports.system import Ids
from tests.kit.clock import ManualClock
from tests.kit.goods import stocked
from tests.kit.orders import Shown, an_order, captured, expire, settle, shown, staff, stock, using

MANY = 12
GRACE = 11
HOLD = 901
CHECK = 300


class Watched:
    """Stands before a call of the gateway: counts who waits together, and fails for some.

    The first wait until as many have come as may, however long the database keeps them; and a
    moment longer, in which one too many would come.
    """

    def __init__(self, call: Callable[..., Awaitable[Any]], key: str) -> None:
        self._call = call
        self._key = key
        self._now: Counter[Any] = Counter()
        self.asked = self.most = 0
        self.expected = AT_ONCE
        self._full = asyncio.Event()
        #: The same of what belongs to one payment.
        self.most_of_one = 0
        self.fails: dict[Any, Exception] = {}

    async def __call__(self, asked: Any, *more: Any, **how: Any) -> Any:
        key = getattr(asked, self._key)
        self.asked += 1
        self._now[key] += 1
        self.most = max(self.most, self._now.total())
        self.most_of_one = max(self.most_of_one, self._now[key])
        if self.most >= self.expected:
            self._full.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._full.wait(), 10)
        await asyncio.sleep(0.01)
        try:
            if key in self.fails:
                raise self.fails[key]
            return await self._call(asked, *more, **how)
        finally:
            self._now[key] -= 1


@pytest.fixture
async def gateway(container: AsyncContainer) -> SandboxGateway:
    return await container.get(SandboxGateway)


@pytest.fixture
def closing(gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(gateway.cancel_link, "order_id")
    monkeypatch.setattr(gateway, "cancel_link", watched)
    return watched


@pytest.fixture
def fetching(gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(gateway.fetch_link, "order_id")
    monkeypatch.setattr(gateway, "fetch_link", watched)
    return watched


@pytest.fixture
def refunding(gateway: SandboxGateway, monkeypatch: pytest.MonkeyPatch) -> Watched:
    watched = Watched(gateway.refund, "payment_id")
    monkeypatch.setattr(gateway, "refund", watched)
    return watched


async def pay(gateway: SandboxGateway, payment: Payment) -> None:
    await gateway.answer((payment.link_url or "").rpartition("/")[2], success=True)


async def statuses(container: AsyncContainer, orders: list[Shown]) -> list[OrderStatus]:
    return [(await shown(container, one.order.id)).order.status for one in orders]


# --- overdue orders ------------------------------------------------------------------------------


async def test_links_of_overdue_orders_are_closed_a_few_at_a_time(
    container: AsyncContainer, clock: ManualClock, closing: Watched
) -> None:
    [variant] = await stocked(container, MANY)
    for _ in range(MANY):
        await an_order(container, variant, 1)
    assert await stock(container, variant) == (MANY, MANY)
    clock.advance(HOLD)
    assert await expire(container) == MANY
    assert closing.most == AT_ONCE
    assert await stock(container, variant) == (MANY, 0)


async def test_an_order_the_gateway_is_silent_about_delays_no_other(
    container: AsyncContainer, clock: ManualClock, closing: Watched
) -> None:
    [variant] = await stocked(container, MANY)
    orders = [await an_order(container, variant, 1) for _ in range(MANY)]
    clock.advance(HOLD)
    closing.fails[orders[3].order.id] = GatewayUnavailable("No answer.")
    assert await expire(container) == MANY - 1
    assert await statuses(container, orders) == [
        OrderStatus.PENDING_PAYMENT if one is orders[3] else OrderStatus.EXPIRED for one in orders
    ]
    assert await stock(container, variant) == (MANY, 1)
    closing.fails.clear()
    assert await expire(container) == 1
    assert await stock(container, variant) == (MANY, 0)


async def test_a_fault_is_not_taken_for_silence(
    container: AsyncContainer, clock: ManualClock, closing: Watched
) -> None:
    [variant] = await stocked(container, 2)
    orders = [await an_order(container, variant, 1) for _ in range(2)]
    clock.advance(HOLD)
    closing.expected = 1
    closing.fails[orders[0].order.id] = ZeroDivisionError("A bug.")
    with pytest.raises(ZeroDivisionError):
        await expire(container)


async def test_those_that_were_paid_in_the_last_second_are_confirmed_and_the_others_expire(
    container: AsyncContainer, clock: ManualClock, gateway: SandboxGateway
) -> None:
    [variant] = await stocked(container, MANY)
    orders = [await an_order(container, variant, 1) for _ in range(MANY)]
    for one in orders[::2]:
        await pay(gateway, one.payment)
    clock.advance(HOLD)
    assert await expire(container) == MANY / 2
    assert await statuses(container, orders) == [OrderStatus.CONFIRMED, OrderStatus.EXPIRED] * (
        MANY // 2
    )


# --- links that were not made at checkout ---------------------------------------------------------


async def test_missing_links_are_made_a_few_at_a_time_and_silence_delays_no_other(
    container: AsyncContainer,
    clock: ManualClock,
    gateway: SandboxGateway,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    making = Watched(gateway.create_link, "reference")
    monkeypatch.setattr(gateway, "create_link", making)
    [variant] = await stocked(container, MANY)
    with monkeypatch.context() as slow:
        slow.setattr(gateway, "link_now", lambda _: None)
        orders = [await an_order(container, variant, 1) for _ in range(MANY)]
    references = [one.payment.id.hex for one in orders]
    making.fails = dict.fromkeys(references[:5], GatewayUnavailable("No answer."))
    making.fails[references[5]] = GatewayRefused("No such account.")

    async def states() -> list[tuple[PaymentStatus, bool]]:
        now = [(await shown(container, one.order.id)).payment for one in orders]
        return [(one.status, one.link_url is not None) for one in now]

    async with using(container, PaymentLinks) as links:
        assert await links.create_missing() == 0, "checkouts may still be at it"
        clock.advance(GRACE)
        assert await links.create_missing() == MANY - 5
        assert making.most == AT_ONCE
        without, linked = (PaymentStatus.CREATED, False), (PaymentStatus.CREATED, True)
        refused = (PaymentStatus.FAILED, False)
        assert await states() == [without] * 5 + [refused] + [linked] * (MANY - 6)
        making.fails.clear()
        assert await links.create_missing() == 5
        assert await links.create_missing() == 0
    assert await states() == [linked] * 5 + [refused] + [linked] * (MANY - 6)


# --- links whose news never came -----------------------------------------------------------------


async def test_links_are_asked_about_a_few_at_a_time_and_silence_puts_off_one_alone(
    container: AsyncContainer, clock: ManualClock, gateway: SandboxGateway, fetching: Watched
) -> None:
    [variant] = await stocked(container, 10)
    orders = [await an_order(container, variant, 1) for _ in range(10)]
    for one in orders:
        await pay(gateway, one.payment)
    clock.advance(CHECK)
    fetching.fails[orders[0].order.id] = GatewayUnavailable("No answer.")
    async with using(container, PaymentLinks) as links:
        assert await links.check_due() == 9
        assert await links.check_due() == 0
        assert fetching.asked == 10  # it is not asked about again at once
        assert fetching.most == AT_ONCE
        assert await statuses(container, orders) == [
            OrderStatus.PENDING_PAYMENT,
            *[OrderStatus.CONFIRMED] * 9,
        ]
        fetching.fails.clear()
        clock.advance(CHECK)
        assert await links.check_due() == 1
    assert await statuses(container, orders) == [OrderStatus.CONFIRMED] * 10


# --- refunds -------------------------------------------------------------------------------------


async def refunds_wished_for(
    container: AsyncContainer, gateway: SandboxGateway, variant: VariantId, each: int
) -> list[Shown]:
    """Five paid orders, of each of which a little is to go back, so many times."""
    caller = staff(await container.get(Ids))
    orders = [await an_order(container, variant, 1) for _ in range(5)]
    for one in orders:
        await pay(gateway, one.payment)
        link = await gateway.fetch_link(one.payment)
        await settle(container, captured(one.payment, link.captures[0].provider_payment_id))
        wish = RequestRefund(order_id=one.order.id, amount=100)
        for _ in range(each):
            async with using(container, Refunding) as desk:
                await desk.request(caller, wish, lambda _: b"answer")
    return orders


async def test_refunds_are_asked_for_a_few_at_a_time_and_those_of_one_payment_in_turn(
    container: AsyncContainer, gateway: SandboxGateway, refunding: Watched
) -> None:
    [variant] = await stocked(container, 5)
    orders = await refunds_wished_for(container, gateway, variant, 2)
    silent = orders[3].payment.id
    refunding.fails[silent] = GatewayUnavailable("No answer.")
    async with using(container, RefundSender) as sender:
        assert await sender.send_due() == 10
    assert (refunding.most, refunding.most_of_one) == (AT_ONCE, 1)
    for one in orders:
        now = await shown(container, one.order.id)
        late = one.payment.id == silent
        status = RefundStatus.PENDING if late else RefundStatus.PROCESSED
        assert [(each.status, each.attempts) for each in now.refunds] == [(status, 1)] * 2
        assert now.payment.refunded == (0 if late else 200)


async def test_a_fault_with_one_refund_leaves_the_others_recorded(
    container: AsyncContainer, gateway: SandboxGateway, refunding: Watched
) -> None:
    [variant] = await stocked(container, 5)
    orders = await refunds_wished_for(container, gateway, variant, 1)
    bad = orders[0].payment.id
    refunding.fails[bad] = ZeroDivisionError("A bug.")
    async with using(container, RefundSender) as sender:
        with pytest.raises(ZeroDivisionError):
            await sender.send_due()
    for one in orders:
        now = await shown(container, one.order.id)
        assert now.payment.refunded == (0 if one.payment.id == bad else 100)
