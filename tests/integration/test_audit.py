"""The audit passes a shop that is in order, and finds each kind of damage."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dishka import AsyncContainer

from shop.adapters.sandbox.gateway import SandboxGateway
from shop.adapters.sql.database import Database
from shop.core.checkout.audit import Audit, Report
from shop.core.checkout.cancellation import Cancellation
from shop.core.checkout.order_mails import CONSUMER
from shop.core.checkout.refunds import Refunding, RefundSender, RequestRefund
from shop.core.kernel.access import NOBODY
from shop.core.notifications.service import Mailer
from shop.core.orders.model import PaymentMethod
from shop.core.orders.visitor import Visitor
from shop.entrypoints.consumers.reactions import reactions
from shop.ports.bus import EventBus, Subscriptions
from shop.ports.outbox import Outbox
from shop.ports.system import Clock, Ids
from tests.kit.clock import ManualClock
from tests.kit.containers import running, settings_for
from tests.kit.goods import stocked
from tests.kit.orders import Shown, an_order, captured, expire, settle, staff, using


async def audited(container: AsyncContainer) -> Report:
    async with using(container, Audit) as audit:
        return await audit.run()


async def pass_events_on(container: AsyncContainer) -> None:
    """What relay, consumer and mailer do."""
    outbox, bus = await container.get(Outbox), await container.get(EventBus)
    subscriptions = await container.get(Subscriptions)
    [reaction] = reactions(container)
    while batch := await outbox.oldest(500):
        await bus.publish(batch)
        await outbox.done(batch)
        while events := await subscriptions.fetch(CONSUMER, 100):
            opened = [reaction.open(event) for event in events]
            await reaction.react([event for event in opened if event])
            await subscriptions.ack(CONSUMER, events[-1])
        async with using(container, Mailer) as mailer:
            await mailer.send_due()


async def cancel(container: AsyncContainer, order: Shown) -> None:
    async with using(container, Cancellation) as cancellation:
        visitor = Visitor(caller=NOBODY, opened=order.order.id)
        await cancellation.by_customer(visitor, order.order.id, lambda *_: b"")


async def pay(container: AsyncContainer, order: Shown) -> None:
    """At the sandbox, which has to know the payment when it is to give money back."""
    gateway = await container.get(SandboxGateway)
    await gateway.answer((order.payment.link_url or "").rpartition("/")[2], success=True)
    link = await gateway.fetch_link(order.payment)
    await settle(container, captured(order.payment, link.captures[0].provider_payment_id))


async def send_refunds(container: AsyncContainer) -> None:
    async with using(container, RefundSender) as sender:
        await sender.send_due()


async def a_busy_shop(container: AsyncContainer) -> dict[str, Shown]:
    """Orders of every fate: by cash, paid, waiting, cancelled, expired, refunded in part."""
    [variant] = await stocked(container, 100)
    orders = {
        "cash": await an_order(container, variant, payment_method=PaymentMethod.COD),
        "paid": await an_order(container, variant),
        "waiting": await an_order(container, variant),
        "cancelled": await an_order(container, variant),
        "returned": await an_order(container, variant, payment_method=PaymentMethod.COD),
        "refunded": await an_order(container, variant),
    }
    for name in ("paid", "cancelled", "refunded"):
        await pay(container, orders[name])
    await cancel(container, orders["cancelled"])
    await cancel(container, orders["returned"])
    caller = staff(await container.get(Ids))
    async with using(container, Refunding) as refunding:
        part = RequestRefund(order_id=orders["refunded"].order.id, amount=100)
        await refunding.request(caller, part, lambda _: b"")
    return orders


async def test_an_empty_shop_agrees(container: AsyncContainer) -> None:
    assert (await audited(container)).agrees


async def test_what_is_on_its_way_is_counted_and_not_blamed(container: AsyncContainer) -> None:
    await a_busy_shop(container)
    report = await audited(container)
    assert report.findings == []
    assert report.checked["orders"] == 6
    assert report.checked["invoices"] == 5
    assert report.underway["orders that wait for their payment"] == 1
    assert report.underway["confirmations not written yet"] == 5
    assert report.underway["refunds not done yet"] == 2
    assert report.underway["events in the outbox"] > 10


async def test_a_busy_shop_agrees_when_all_has_arrived(container: AsyncContainer) -> None:
    await a_busy_shop(container)
    await pass_events_on(container)
    report = await audited(container)
    assert report.findings == []
    assert report.underway["confirmations not written yet"] == 0
    assert report.underway["events in the outbox"] == 0
    assert report.checked["mails"] == 7


async def test_what_is_overdue_is_blamed(container: AsyncContainer, clock: ManualClock) -> None:
    await a_busy_shop(container)
    clock.advance(61)
    found = " / ".join((await audited(container)).findings)
    assert "outbox: its oldest event has waited for 61 s" in found
    assert "the refund of 100 has been due for more than a minute" in found
    assert "expired" not in found
    clock.advance(900)
    found = " / ".join((await audited(container)).findings)
    assert "should have expired more than a minute ago" in found
    await expire(container)
    assert "should have expired" not in " / ".join((await audited(container)).findings)


async def test_mails_that_nobody_sends_are_blamed(
    container: AsyncContainer, clock: ManualClock
) -> None:
    [variant] = await stocked(container, 5)
    await an_order(container, variant, payment_method=PaymentMethod.COD)
    outbox, bus = await container.get(Outbox), await container.get(EventBus)
    batch = await outbox.oldest(100)
    await bus.publish(batch)
    await outbox.done(batch)
    [reaction] = reactions(container)
    opened = [reaction.open(event) for event in batch]
    await reaction.react([event for event in opened if event])
    assert (await audited(container)).agrees
    clock.advance(61)
    assert (await audited(container)).findings == ["mails: 1 have been due for more than a minute"]


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[AsyncContainer]:
    """A busy shop on SQLite where all has arrived."""
    async with running(settings_for("sqlite", tmp_path)) as container:
        await a_busy_shop(container)
        await send_refunds(container)
        await pass_events_on(container)
        clock = await container.get(Clock)
        assert isinstance(clock, ManualClock)
        clock.advance(61)  # nothing of it is excused as new
        yield container


_PAID = "(SELECT id FROM orders WHERE payment_status = 'paid' AND status = 'confirmed')"
DAMAGE: list[tuple[str, str]] = [
    ("UPDATE variants SET on_hand = on_hand + 1", "lie on the shelf, the ledger says"),
    ("UPDATE variants SET held = held + 1", "are held, unpaid orders want"),
    ("UPDATE stock_moves SET delta = delta - 1 WHERE kind = 'sold'", "the ledger says"),
    ("DELETE FROM stock_moves WHERE kind = 'sold'", "0 pieces of 0 variants sold"),
    ("DELETE FROM stock_moves WHERE kind = 'returned'", "0 pieces of 0 variants returned"),
    ("UPDATE stock_moves SET order_id = x'00' WHERE kind = 'sold'", "do not exist"),
    ("UPDATE orders SET invoice_number = NULL WHERE id IN {_PAID}", "and invoice None"),
    ("UPDATE orders SET invoice_number = NULL WHERE id IN {_PAID}", "INV/29-30 has no invoice"),
    ("UPDATE invoice_counters SET last = last + 1", "INV/29-30 has no invoice 6"),
    ("UPDATE invoice_counters SET last = last - 1", "INV/29-30 never drew 5"),
    (
        (
            "UPDATE orders SET document = replace(document, 'Order confirmed', 'x'), "
            "invoice_number = invoice_number || 'x'"
        ),
        "is no invoice number",
    ),
    (
        (
            'UPDATE orders SET document = replace(document, \'"status":"pending_payment"\', '
            '\'"status":"confirmed"\') WHERE id IN {_PAID}'
        ),
        "was confirmed 2 times",
    ),
    (
        "UPDATE orders SET hold_until = NULL WHERE status = 'pending_payment'",
        "waits for its payment without end",
    ),
    ("UPDATE orders SET total = total + 1 WHERE id IN {_PAID}", "and its payment is over"),
    ("UPDATE orders SET payment_id = x'00000000000000000000000000000000'", "does not exist"),
    ("UPDATE orders SET payment_status = 'created' WHERE id IN {_PAID}", "which is paid"),
    ("UPDATE orders SET refunded = 7 WHERE id IN {_PAID}", "says 7 was refunded"),
    (
        "UPDATE payments SET status = 'created' WHERE order_id IN {_PAID}",
        "is confirmed without money",
    ),
    ("UPDATE orders SET status = 'expired' WHERE id IN {_PAID}", "that pays for nothing"),
    (
        (
            "UPDATE payments SET refunding = refunding - 1, refunded = refunded - 1 "
            "WHERE refunding > 100"
        ),
        "keeps 1 that pays for nothing",
    ),
    ("UPDATE refunds SET amount = amount + 1", "its refunds 101"),
    ("UPDATE refunds SET status = 'failed'", "its refunds 0"),
    ("UPDATE refunds SET status = 'pending', next_try_at = NULL", "nobody asks for the refund"),
    ("DELETE FROM emails WHERE dedupe LIKE 'order-confirmed:%'", "0 confirmations by mail"),
    (
        (
            "UPDATE emails SET subject_id = (SELECT id FROM orders LIMIT 1) "
            "WHERE dedupe LIKE 'order-confirmed:%'"
        ),
        "confirmations by mail instead of 1",
    ),
    ("UPDATE emails SET status = 'failed'", "could not be sent"),
    (
        (
            "INSERT INTO dead_letters "
            "SELECT 'order-mails', id, topic, \"key\", kind, body, 'x', 5, "
            "'2030-01-01 12:00:00.000000' FROM event_log LIMIT 1"
        ),
        "1 dead letters",
    ),
]


async def run(shop: AsyncContainer, statement: str) -> None:
    database = await shop.get(Database)

    async def change() -> Any:
        async with database.unit() as conn:
            return await conn.run(sa.text(statement))

    assert await database.run(change())


@pytest.mark.parametrize(("statement", "finding"), DAMAGE)
async def test_damage_is_found(shop: AsyncContainer, statement: str, finding: str) -> None:
    before = await audited(shop)
    assert before.findings == []
    await run(shop, statement.replace("{_PAID}", _PAID))
    report = await audited(shop)
    assert not report.agrees
    assert finding in " / ".join(report.findings)


async def test_all_of_a_returned_order_is_on_the_shelf_or_none(shop: AsyncContainer) -> None:
    await run(shop, "UPDATE orders SET status = 'returned' WHERE status = 'cancelled'")
    assert (await audited(shop)).findings == []
    await run(shop, "UPDATE stock_moves SET delta = delta - 1 WHERE kind = 'returned'")
    found = " / ".join((await audited(shop)).findings)
    assert "the ledger says 1 pieces of 1 variants returned, the order 2 pieces" in found


async def test_a_lost_event_is_no_event_on_its_way(
    container: AsyncContainer, clock: ManualClock
) -> None:
    """A mail that is missing is excused only while the event about it can still be heard.

    For a minute that may be on a bus which the audit does not see.
    """
    [variant] = await stocked(container, 5)
    await an_order(container, variant, payment_method=PaymentMethod.COD)
    outbox = await container.get(Outbox)
    assert (await audited(container)).agrees
    await outbox.done(await outbox.oldest(100))
    assert (await audited(container)).agrees
    clock.advance(61)
    [finding] = (await audited(container)).findings
    assert finding.endswith("has 0 confirmations by mail instead of 1")
