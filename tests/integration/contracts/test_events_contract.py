"""What every outbox, inbox, bus, dead letter box, lease and store of secrets must do."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from dishka import AsyncContainer

from shop.core.inventory.model import StockAdjusted
from shop.core.kernel.errors import StaleWrite
from shop.core.kernel.ids import EventId, VariantId
from shop.ports.bus import DeadLetter, DeadLetters, EventBus, Subscriptions
from shop.ports.outbox import Envelope, Inbox, Outbox
from shop.ports.system import Clock, Lease, Secrets
from shop.ports.uow import UnitOfWork, Units
from tests.kit.clock import ManualClock

SPAN = timedelta(seconds=5)


async def emitted(container: AsyncContainer, *subjects: UUID) -> list[Envelope]:
    """One event each, committed one after the other; returns all that wait."""
    now = (await container.get(Clock)).now()
    for subject in subjects:
        async with container() as scope:
            uow = await scope.get(UnitOfWork)
            async with uow.begin():
                uow.emit(StockAdjusted(variant_id=VariantId(subject), delta=1, reason="", at=now))
    outbox: Outbox = await container.get(Outbox)
    return await outbox.oldest(100)


async def test_committed_events_wait_in_their_order_until_they_are_done(
    container: AsyncContainer,
) -> None:
    subjects = [uuid4() for _ in range(5)]
    waiting = await emitted(container, *subjects)
    outbox = await container.get(Outbox)
    assert [event.key for event in waiting] == subjects
    assert await outbox.oldest(2) == waiting[:2]
    await outbox.done(waiting[:2])
    assert await outbox.oldest(100) == waiting[2:]
    assert await outbox.waiting() == 3
    await outbox.done(waiting[:3])  # the first two once more: no harm
    assert await outbox.oldest(100) == waiting[3:]


async def test_an_undone_unit_leaves_no_event(
    container: AsyncContainer, clock: ManualClock
) -> None:
    async with container() as scope:
        uow = await scope.get(UnitOfWork)
        fact = StockAdjusted(variant_id=VariantId(uuid4()), delta=1, reason="", at=clock.now())
        with pytest.raises(ZeroDivisionError):
            async with uow.begin():
                uow.emit(fact)
                raise ZeroDivisionError
    assert await (await container.get(Outbox)).waiting() == 0


async def test_an_event_is_taken_once_by_each_consumer(container: AsyncContainer) -> None:
    first, second, third = [one.id for one in await emitted(container, *(uuid4(),) * 3)]
    async with container() as scope:
        uow, inbox = await scope.get(UnitOfWork), await scope.get(Inbox)
        async with uow.begin():
            assert await inbox.take("one", []) == set()
            assert await inbox.take("one", [first, second, first]) == {first, second}
            assert await inbox.take("one", [first]) == set()
            assert await inbox.take("two", [first]) == {first}
        async with uow.begin():
            assert await inbox.take("one", [third, second, first]) == {third}
            assert await inbox.take("one", [third, second, first]) == set()


async def test_an_undone_unit_gives_the_event_back(container: AsyncContainer) -> None:
    [event] = await emitted(container, uuid4())
    async with container() as scope:
        uow, inbox = await scope.get(UnitOfWork), await scope.get(Inbox)
        with pytest.raises(ZeroDivisionError):
            async with uow.begin():
                assert await inbox.take("one", [event.id])
                raise ZeroDivisionError
        async with uow.begin():
            assert await inbox.take("one", [event.id]) == {event.id}


async def test_of_two_who_take_an_event_at_once_one_has_it(container: AsyncContainer) -> None:
    async def take(events: list[EventId]) -> int:
        async with container() as scope:
            uow, units = await scope.get(UnitOfWork), await scope.get(Units)
            inbox: Inbox = await scope.get(Inbox)

            async def work() -> set[EventId]:
                async with uow.begin():
                    return await inbox.take("one", events)

            try:
                return len(await units.run(work()))
            except StaleWrite:
                return 0

    for _ in range(3):  # the first time, only one of them has a connection already
        events = [one.id for one in await emitted(container, uuid4(), uuid4())][-2:]
        assert sorted(await asyncio.gather(*(take(events) for _ in range(4)))) == [0, 0, 0, 2]


async def test_an_inbox_outside_a_unit_of_work_is_a_bug(container: AsyncContainer) -> None:
    async with container() as scope:
        inbox = await scope.get(Inbox)
        with pytest.raises(RuntimeError):
            await inbox.take("one", [(await emitted(container, uuid4()))[0].id])


async def test_each_consumer_reads_the_whole_log_at_its_own_pace(
    container: AsyncContainer,
) -> None:
    events = await emitted(container, *(uuid4() for _ in range(4)))
    bus, subscriptions = await container.get(EventBus), await container.get(Subscriptions)
    await bus.publish(events[:3])
    await bus.publish(events[3:])
    assert await subscriptions.fetch("one", 2) == events[:2]
    assert await subscriptions.fetch("one", 2) == events[:2]  # until it is acknowledged
    await subscriptions.ack("one", events[1])
    assert await subscriptions.fetch("one", 100) == events[2:]
    assert await subscriptions.fetch("one", 100, events[2]) == events[3:]
    assert await subscriptions.fetch("two", 2, events[0]) == events[1:3]
    assert await subscriptions.lag("one") == 2
    assert await subscriptions.lag("two") == 4
    await subscriptions.ack("one", events[3])
    await subscriptions.ack("one", events[0])  # a late one moves nothing back
    assert await subscriptions.fetch("one", 100) == []


async def test_old_events_are_forgotten_once_everybody_has_seen_them(
    container: AsyncContainer,
) -> None:
    events = await emitted(container, *(uuid4() for _ in range(4)))
    bus, log = await container.get(EventBus), await container.get(Subscriptions)
    await bus.publish(events)
    past, future = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    assert await log.forget(future) == 0  # nobody has seen any
    await log.ack("fast", events[3])
    await log.ack("slow", events[1])
    assert await log.forget(past) == 0
    assert await log.forget(future) == 2
    assert await log.fetch("slow", 10) == events[2:]
    assert await log.fetch("slow", 10, events[1]) == events[2:]  # though that one is gone
    assert await log.lag("slow") == 2
    assert await log.lag("fast") == 0


async def test_an_event_published_twice_arrives_once(container: AsyncContainer) -> None:
    events = await emitted(container, uuid4(), uuid4())
    bus, subscriptions = await container.get(EventBus), await container.get(Subscriptions)
    await bus.publish(events[:1])
    await bus.publish(events)
    await bus.publish(events)
    assert await subscriptions.fetch("one", 100) == events
    await subscriptions.ack("one", events[1])
    assert await subscriptions.lag("one") == 0


async def test_dead_letters_are_kept_until_they_are_dropped(
    container: AsyncContainer, clock: ManualClock
) -> None:
    first, second = await emitted(container, uuid4(), uuid4())
    box = await container.get(DeadLetters)
    letters = []
    for event in (first, second):
        clock.advance(1)
        reason = f"ValueError: {event.key}"
        letters.append(
            DeadLetter(consumer="one", event=event, reason=reason, attempts=5, at=clock.now())
        )
        await box.add(letters[-1])
    await box.add(letters[0])  # once more, after a crash
    assert await box.all() == letters
    assert await box.all(1) == letters[:1]
    await box.remove("two", first.id)
    await box.remove("one", first.id)
    assert await box.all() == letters[1:]


async def test_a_lease_is_held_by_one_until_it_ends(
    container: AsyncContainer, clock: ManualClock
) -> None:
    lease = await container.get(Lease)
    assert await lease.hold("work", "a", SPAN)
    assert not await lease.hold("work", "b", SPAN)
    assert await lease.hold("other work", "b", SPAN)
    clock.advance(4)
    assert await lease.hold("work", "a", SPAN)  # renewed
    clock.advance(4)
    assert not await lease.hold("work", "b", SPAN)
    clock.advance(1)
    assert await lease.hold("work", "b", SPAN)
    assert not await lease.hold("work", "a", SPAN)


async def test_a_lease_that_is_let_go_is_free_at_once(container: AsyncContainer) -> None:
    lease = await container.get(Lease)
    assert await lease.hold("work", "a", SPAN)
    await lease.release("work", "b")  # not theirs to let go
    assert not await lease.hold("work", "b", SPAN)
    await lease.release("work", "a")
    assert await lease.hold("work", "b", SPAN)


async def test_of_many_who_want_a_lease_one_gets_it(container: AsyncContainer) -> None:
    lease = await container.get(Lease)
    got = await asyncio.gather(*(lease.hold("work", f"holder {i}", SPAN) for i in range(10)))
    assert sum(got) == 1


async def test_a_secret_is_made_once_and_stays(container: AsyncContainer) -> None:
    secrets = await container.get(Secrets)
    made = await secrets.get("tokens", 48)
    assert len(made) == 48
    assert await secrets.get("tokens", 48) == made
    assert await secrets.get("other tokens", 48) != made
