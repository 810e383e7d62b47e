"""From a commit to the mail about it: each effect once, whatever dies in between."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from dishka import AsyncContainer

from shop.core.inventory.model import StockAdjusted
from shop.core.kernel.context import correlation
from shop.core.notifications.model import Email, EmailStatus
from shop.core.notifications.service import Mailer
from shop.core.orders.model import PaymentMethod
from shop.entrypoints.actors.consumer import TRIES, Consumer, Reaction
from shop.entrypoints.actors.lanes import Arrived
from shop.entrypoints.actors.log_feed import LogFeeds
from shop.entrypoints.actors.relay import OutboxRelay
from shop.entrypoints.consumers.reactions import reactions
from shop.entrypoints.consumers.registry import EVENTS, Opener
from shop.entrypoints.consumers.replay import replay_all
from shop.ports.bus import DeadLetters, EventBus, Feeds, Subscriptions
from shop.ports.mail import EmailFilter, EmailReads
from shop.ports.outbox import Envelope, Outbox
from shop.ports.system import Clock, Lease
from shop.ports.uow import UnitOfWork
from tests.kit.clock import ManualClock
from tests.kit.goods import stocked
from tests.kit.orders import Shown, an_order, using


class Stopped(Exception):
    """The process died here."""


class DeadAfterPublishing(EventBus):
    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    async def publish(self, batch: Sequence[Envelope]) -> None:
        await self._bus.publish(batch)
        raise Stopped


class DeadBeforeAck(Subscriptions):
    def __init__(self, real: Subscriptions) -> None:
        self._real = real

    async def fetch(
        self, consumer: str, limit: int, after: Envelope | None = None
    ) -> list[Envelope]:
        return await self._real.fetch(consumer, limit, after)

    async def ack(self, consumer: str, last: Envelope) -> None:  # noqa: ARG002 - the port's names
        raise Stopped

    async def lag(self, consumer: str) -> int:
        return await self._real.lag(consumer)

    async def forget(self, before: datetime) -> int:
        return await self._real.forget(before)


async def no_time(_: float) -> None:
    """Pauses of nothing."""


async def relay_of(container: AsyncContainer, holder: str = "me", **parts: Any) -> OutboxRelay:
    return OutboxRelay(
        await container.get(Outbox),
        parts.pop("bus", None) or await container.get(EventBus),
        await container.get(Lease),
        await container.get(Clock),
        holder,
        **parts,
    )


async def _subscriptions(container: AsyncContainer) -> Subscriptions:
    found: Subscriptions = await container.get(Subscriptions)
    return found


async def consumer_of(
    container: AsyncContainer,
    reaction: Reaction,
    subscriptions: Subscriptions | None = None,
    holder: str = "me",
) -> Consumer:
    lease, clock = await container.get(Lease), await container.get(Clock)
    feeds = LogFeeds(subscriptions or await _subscriptions(container), lease, clock, holder)
    return Consumer(reaction, feeds, await container.get(DeadLetters), clock, sleep=no_time)


async def a_sold_order(container: AsyncContainer) -> Shown:
    [variant] = await stocked(container, 5)
    return await an_order(container, variant, payment_method=PaymentMethod.COD)


async def confirmations(container: AsyncContainer) -> list[Email]:
    page = await (await container.get(EmailReads)).page(EmailFilter(), 100, None)
    return [mail for mail in page.items if "confirm" in mail.subject.lower()]


async def test_a_confirmed_order_is_told_of_by_one_mail(container: AsyncContainer) -> None:
    order = await a_sold_order(container)
    relay = await relay_of(container)
    [reaction] = reactions(container)
    consumer = await consumer_of(container, reaction)
    while await relay.relay():
        pass
    while await consumer.consume():
        pass
    [mail] = await confirmations(container)
    assert order.order.number in mail.subject
    assert mail.to == order.order.email
    assert await consumer.consume() == 0
    assert await (await container.get(Outbox)).waiting() == 0


async def test_a_relay_that_dies_after_publishing_doubles_nothing(
    container: AsyncContainer,
) -> None:
    await a_sold_order(container)
    dying = await relay_of(container, bus=DeadAfterPublishing(await container.get(EventBus)))
    with pytest.raises(Stopped):
        await dying.relay()
    waiting = await (await container.get(Outbox)).waiting()
    assert waiting > 0
    assert await (await relay_of(container)).relay() == waiting
    fetched = await (await container.get(Subscriptions)).fetch("anybody", 100)
    assert len(fetched) == waiting == len({event.id for event in fetched})


async def test_a_consumer_that_dies_before_it_acknowledges_doubles_nothing(
    container: AsyncContainer,
) -> None:
    await a_sold_order(container)
    await (await relay_of(container)).relay()
    [reaction] = reactions(container)
    dying = await consumer_of(
        container, reaction, DeadBeforeAck(await container.get(Subscriptions))
    )
    with pytest.raises(Stopped):
        await dying.consume()
    assert len(await confirmations(container)) == 1
    again = await consumer_of(container, reaction)
    assert await again.consume() > 0
    assert await again.consume() == 0
    assert len(await confirmations(container)) == 1


class Recorder:
    """A reaction that fails for some events, and notes what it was given."""

    def __init__(self, *bad: UUID, heals: bool = False) -> None:
        self.bad = set(bad)
        self.heals = heals
        self.tried: list[UUID] = []
        self.done: list[UUID] = []
        self.causes: list[tuple[str, str]] = []

    async def react(self, events: Sequence[Arrived]) -> None:
        for event in events:
            self.tried.append(event.id)
            if event.id in self.bad and not (self.heals and self.tried.count(event.id) > 2):
                raise ValueError("Not this one.")
        self.done += [event.id for event in events]
        self.causes.append((events[0].correlation, correlation.get()))


async def published(container: AsyncContainer) -> list[Envelope]:
    order = await a_sold_order(container)
    now = (await container.get(Clock)).now()
    async with container() as scope:
        uow = await scope.get(UnitOfWork)
        async with uow.begin():
            [line] = order.order.lines
            fact = StockAdjusted(variant_id=line.variant_id, delta=1, reason="found", at=now)
            uow.emit(fact, correlation="request-7")
    await (await relay_of(container)).relay()
    return await (await _subscriptions(container)).fetch("anybody", 100)


def by_key(events: Sequence[Envelope], done: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """What was done for each key, in its order."""
    keys: dict[UUID, UUID] = {event.id: event.key for event in events}
    found: dict[UUID, list[UUID]] = {key: [] for key in keys.values()}
    for one in done:
        found[keys[one]].append(one)
    return found


def heard_by(recorder: Recorder) -> Reaction:
    opener = Opener(list(EVENTS.values()))
    return Reaction("recorder", opener.topics, opener, recorder.react)


async def test_an_event_that_always_fails_is_put_aside_and_the_others_go_on(
    container: AsyncContainer,
) -> None:
    events = await published(container)
    recorder = Recorder(events[0].id)
    reaction = heard_by(recorder)
    consumer = await consumer_of(container, reaction)
    assert await consumer.consume() == len(events)
    assert by_key(events, recorder.done) == by_key(events, [event.id for event in events[1:]])
    assert recorder.tried.count(events[0].id) == TRIES + 1  # once together with the others
    letters = await container.get(DeadLetters)
    [letter] = await letters.all()
    assert (letter.consumer, letter.event, letter.attempts) == ("recorder", events[0], TRIES)
    assert "Not this one." in letter.reason
    failed = await replay_all(container, [reaction])
    assert (failed.through, len(failed.failures)) == (0, 1)
    recorder.bad.clear()
    assert (await replay_all(container, [reaction], consumer="recorder")).through == 1
    assert recorder.done[-1] == events[0].id
    assert await letters.all() == []


async def test_a_passing_trouble_is_waited_out_in_order(container: AsyncContainer) -> None:
    events = await published(container)
    recorder = Recorder(events[0].id, heals=True)
    consumer = await consumer_of(container, heard_by(recorder))
    await consumer.consume()
    assert by_key(events, recorder.done) == by_key(events, [event.id for event in events])
    assert await (await container.get(DeadLetters)).all() == []


async def test_an_event_handled_alone_carries_the_correlation_of_its_cause(
    container: AsyncContainer,
) -> None:
    events = await published(container)
    recorder = Recorder(events[0].id, heals=True)
    await (await consumer_of(container, heard_by(recorder))).consume()
    assert len(recorder.causes) == len(events)
    assert ("request-7", "request-7") in recorder.causes
    assert all(caused_by == current for caused_by, current in recorder.causes)
    assert not correlation.get()


async def test_an_event_that_cannot_be_read_is_put_aside(container: AsyncContainer) -> None:
    [event, *_] = await published(container)
    broken = Envelope(UUID(int=event.id.int + 1), event.topic, event.key, event.kind, b"{")  # type: ignore[arg-type]
    await (await container.get(EventBus)).publish([broken])
    recorder = Recorder()
    await (await consumer_of(container, heard_by(recorder))).consume()
    [letter] = await (await container.get(DeadLetters)).all()
    assert letter.event == broken


async def test_running_actors_pass_a_commit_on_and_stop_well(container: AsyncContainer) -> None:
    [reaction] = reactions(container)
    feeds = await container.get(Feeds)
    consumer = Consumer(
        reaction, feeds, await container.get(DeadLetters), await container.get(Clock)
    )
    relay = await relay_of(container, then=[feeds.wake])
    tasks = [asyncio.create_task(actor.run()) for actor in (relay, consumer)]
    await a_sold_order(container)
    relay.nudge()
    async with asyncio.timeout(10):
        while not await confirmations(container):  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.01)
        await asyncio.gather(relay.drain(), consumer.drain())
        await asyncio.gather(*tasks)
    lease = await container.get(Lease)  # both have let go of theirs
    assert await lease.hold("relay-0", "next", timedelta(seconds=5))
    assert await lease.hold(consumer.name, "next", timedelta(seconds=5))


async def test_a_second_consumer_takes_over_when_the_lease_of_the_first_has_ended(
    container: AsyncContainer, clock: ManualClock
) -> None:
    events = await published(container)
    lease, log = await container.get(Lease), await _subscriptions(container)
    first, second = (LogFeeds(log, lease, clock, name) for name in ("first", "second"))
    given_up: list[str] = []

    async def give_up() -> None:
        given_up.append("first")

    async def nothing() -> None:
        given_up.append("second")

    async with first.join("one", (), give_up) as mine, second.join("one", (), nothing) as theirs:
        deliveries = await mine.fetch(2, wait=0)
        assert [one.event for one in deliveries] == events[:2]
        await mine.commit({"": deliveries[0].offset + 1})
        assert await theirs.fetch(10, wait=0) == []
        clock.advance(6)
        assert [one.event for one in await theirs.fetch(10, wait=0)] == events[1:]
        assert await mine.fetch(10, wait=0) == []
    assert given_up == ["first"]


async def test_a_second_relay_waits_for_the_lease_of_the_first(
    container: AsyncContainer, clock: ManualClock
) -> None:
    lease, span = await container.get(Lease), timedelta(seconds=5)
    assert await lease.hold("relay-0", "first", span)
    await a_sold_order(container)
    second = await relay_of(container, "second")
    task = asyncio.create_task(second.run())
    await asyncio.sleep(0.05)
    outbox = await container.get(Outbox)
    assert await outbox.waiting() > 0
    clock.advance(6)
    async with asyncio.timeout(10):
        await second.drain()
        await task
    assert await outbox.waiting() == 0


async def test_a_queued_mail_is_sent_once(container: AsyncContainer) -> None:
    await a_sold_order(container)
    await (await relay_of(container)).relay()
    [reaction] = reactions(container)
    await (await consumer_of(container, reaction)).consume()
    async with using(container, Mailer) as mailer:
        assert await mailer.send_due() == 1
        assert await mailer.send_due() == 0
    [mail] = await confirmations(container)
    assert (mail.status, mail.attempts) == (EmailStatus.SENT, 1)
    waiting = await (await container.get(Outbox)).oldest(10)
    assert [event.kind for event in waiting] == ["shop.email.sent.v1"]
