"""Whatever comes, in whatever order: no money is lost, no goods are sold twice."""

import asyncio
from pathlib import Path
from typing import Literal, get_args

import pytest
from dishka import AsyncContainer
from hypothesis import HealthCheck, given, settings, strategies as st

from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.settlement import AttemptFailed, Report
from shop.core.kernel.access import NOBODY
from shop.core.orders.model import SOLD, OrderState
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import UNPAID
from shop.ports.outbox import Outbox
from shop.ports.system import Clock
from tests.kit.clock import ManualClock
from tests.kit.containers import running, settings_for
from tests.kit.goods import stocked
from tests.kit.orders import Shown, an_order, captured, expire, settle, shown, stock, using

STOCK, QUANTITY = 3, 2
Step = Literal["capture", "again", "second", "wrong", "fail", "expire", "cancel"]
STEPS: tuple[Step, ...] = get_args(Step)


def report(step: Step, order: Shown) -> Report | None:
    payment, number = order.payment, order.order.number
    match step:
        case "capture" | "again":
            return captured(payment, f"pay_{number}_1", event_id=f"evt_{number}_{step}")
        case "second":
            return captured(payment, f"pay_{number}_2")
        case "wrong":
            return captured(payment, f"pay_{number}_3", amount=1)
        case "fail":
            return AttemptFailed(payment_id=payment.id)
    return None


async def act(container: AsyncContainer, step: Step, order: Shown) -> None:
    if step == "expire":
        clock = await container.get(Clock)
        assert isinstance(clock, ManualClock)
        clock.advance(900)
        await expire(container)
    elif step == "cancel":
        visitor = Visitor(caller=NOBODY, opened=order.order.id)
        async with using(container, Cancellation) as cancellation:
            try:
                await cancellation.by_customer(visitor, order.order.id, lambda *_: b"")
            except OrderState:
                return


async def live(steps: list[tuple[Step, int]], *, together: bool) -> None:
    async with running(settings_for("memory", Path())) as container:
        [variant] = await stocked(container, STOCK)
        orders = [
            await an_order(container, variant, 1),
            await an_order(container, variant, QUANTITY),
        ]
        batch: list[Report] = []
        for step, which in steps:
            news = report(step, orders[which])
            if news is not None and together:
                batch.append(news)
                continue
            await settle(container, *batch)
            batch.clear()
            if news is not None:
                await settle(container, news)
            else:
                await act(container, step, orders[which])
        await settle(container, *batch)
        sold = 0
        for order in orders:
            now = await shown(container, order.order.id)
            check_money(now, [step for step, which in steps if orders[which] is order])
            if now.order.status in SOLD:
                sold += sum(line.quantity for line in now.order.lines)
        on_hand, held = await stock(container, variant)
        assert on_hand == STOCK - sold
        assert 0 <= held <= on_hand
        kinds = [(e.key, e.kind) for e in await (await container.get(Outbox)).oldest(1000)]
        for order in orders:
            assert kinds.count((order.order.id, "shop.order.confirmed.v1")) <= 1


def check_money(now: Shown, steps: list[Step]) -> None:
    """Each amount that arrived is recorded once; one is kept at most, all others go back."""
    number = now.order.number
    arrived = {
        f"pay_{number}_{n}"
        for n, names in (("1", {"capture", "again"}), ("2", {"second"}), ("3", {"wrong"}))
        if names & set(steps)
    }
    recorded = [one for one in now.payments if one.status not in UNPAID]
    assert sorted(one.provider_payment_id or "" for one in recorded) == sorted(arrived)
    kept = [one for one in recorded if one.refundable]
    for one in recorded:
        assert one.refundable in {0, one.amount.amount}
    if now.order.status in SOLD:
        assert [one.id for one in kept] == [now.order.payment_id]
        assert kept[0].amount == now.order.breakdown.total
    else:
        assert kept == []
    assert now.order.payment_status == now.payment.status


@pytest.mark.parametrize("together", [False, True])
@given(steps=st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from([0, 1])), max_size=9))
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_money_and_goods_add_up_after_any_news(
    steps: list[tuple[Step, int]], *, together: bool
) -> None:
    asyncio.run(live(steps, together=together))
