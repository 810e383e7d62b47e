"""An order that costs nothing is paid when it is placed: no gateway takes a link over 0."""

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from dishka import AsyncContainer

from shop.adapters.sandbox.gateway import SandboxGateway
from shop.core.checkout.audit import Audit
from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.replies import Placed
from shop.core.kernel.access import NOBODY
from shop.core.orders.model import OrderStatus, PaymentMethod
from shop.core.orders.visitor import Visitor
from shop.core.payments.model import PaymentStatus
from shop.ports.outbox import Outbox
from shop.settings import Shipping
from tests.kit.buying import a_cart, an_order_for, check_out
from tests.kit.containers import running, settings_for
from tests.kit.goods import stocked
from tests.kit.orders import an_order, shown, stock, using


@pytest.fixture
async def container(storage: str, tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    settings = settings_for(storage, tmp_path, shipping=Shipping(standard_amount=0))
    async with running(settings) as container:
        yield container


async def findings(container: AsyncContainer) -> list[str]:
    async with using(container, Audit) as audit:
        return list((await audit.run()).findings)


@pytest.mark.parametrize("method", list(PaymentMethod))
async def test_it_is_confirmed_at_once(container: AsyncContainer, method: PaymentMethod) -> None:
    [variant] = await stocked(container, 5, price=0)
    found = await an_order(container, variant, payment_method=method)
    assert found.order.breakdown.total.amount == 0
    assert (found.order.status, found.order.payment_status) == (OrderStatus.CONFIRMED, "paid")
    assert found.order.invoice_number
    assert (found.payment.status, found.payment.link_url) == (PaymentStatus.PAID, None)
    assert await stock(container, variant) == (3, 0)
    kinds = [event.kind for event in await (await container.get(Outbox)).oldest(100)]
    assert kinds[-3:] == [
        "shop.order.placed.v1",
        "shop.payment.captured.v1",
        "shop.order.confirmed.v1",
    ]
    assert await findings(container) == []


async def test_the_answer_says_that_it_is_paid(container: AsyncContainer) -> None:
    free, dear = await stocked(container, 5, price=0) + await stocked(container, 5)
    await a_cart(container, "cart:free", (free, 1))
    await a_cart(container, "cart:dear", (dear, 1))
    answers = await check_out(
        container, an_order_for("cart:free"), an_order_for("cart:dear", key="key-2")
    )
    payments = []
    for answer in answers:
        assert isinstance(answer, Placed)
        assert answer.body is not None
        payments.append(msgspec.json.decode(answer.body)["payment"])
    assert (payments[0]["status"], payments[0]["url"]) == ("paid", None)
    assert payments[1]["status"] == "created"
    assert payments[1]["url"].startswith("http")


async def test_cancelled_it_gives_back_the_goods_and_no_money(container: AsyncContainer) -> None:
    [variant] = await stocked(container, 5, price=0)
    order = await an_order(container, variant)
    async with using(container, Cancellation) as cancellation:
        visitor = Visitor(caller=NOBODY, opened=order.order.id)
        await cancellation.by_customer(visitor, order.order.id, lambda *_: b"")
    now = await shown(container, order.order.id)
    assert (now.order.status, now.refunds) == (OrderStatus.CANCELLED, [])
    assert await stock(container, variant) == (5, 0)
    assert await findings(container) == []


async def test_the_gateway_is_not_asked(
    container: AsyncContainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(SandboxGateway, "link_now", lambda _, request: asked.append(request))
    [variant] = await stocked(container, 5, price=0)
    await an_order(container, variant)
    assert asked == []
