"""What every admin log must do."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from dishka import AsyncContainer

from shop.core.kernel.access import Caller
from shop.core.kernel.acts import Act, Entry, by_operator
from shop.core.kernel.context import address, correlation
from shop.core.kernel.errors import Malformed
from shop.core.kernel.ids import UserId
from shop.ports.admin_log import AdminLog, AdminLogReads, EntryFilter
from shop.ports.uow import UnitOfWork
from tests.kit.clock import ManualClock

ASHA = Caller(user_id=UserId(uuid4()))
DAY = timedelta(days=1)


async def written(container: AsyncContainer, *acts: Act) -> None:
    async with container() as scope:
        uow = await scope.get(UnitOfWork)
        async with uow.begin():
            for act in acts:
                uow.log(act)


async def found(container: AsyncContainer, **which: object) -> list[Entry]:
    reads = await container.get(AdminLogReads)
    return list((await reads.page(EntryFilter(**which), 100, None)).items)  # type: ignore[arg-type]


async def test_an_act_comes_back_with_the_call_it_came_with(
    container: AsyncContainer, clock: ManualClock
) -> None:
    correlation.set("request-7")
    address.set("192.0.2.7")
    thing = uuid4()
    await written(container, ASHA.did("order.ship", thing, clock.now(), "₹ 3"))
    [entry] = await found(container)
    assert (entry.user_id, entry.action, entry.object_id) == (
        ASHA.user_id,
        "order.ship",
        str(thing),
    )
    assert (entry.at, entry.detail) == (clock.now(), "₹ 3")
    assert (entry.request_id, entry.address) == ("request-7", "192.0.2.7")


async def test_what_was_undone_is_not_in_it(container: AsyncContainer, clock: ManualClock) -> None:
    async with container() as scope:
        uow = await scope.get(UnitOfWork)
        with pytest.raises(ZeroDivisionError):
            async with uow.begin():
                uow.log(ASHA.did("order.pack", "1", clock.now()))
                raise ZeroDivisionError
        async with uow.begin():
            pass
    assert await found(container) == []


async def test_each_filter_narrows_it_and_an_operator_has_no_name(
    container: AsyncContainer, clock: ManualClock
) -> None:
    start = clock.now()
    await written(container, ASHA.did("order.pack", "a", start))
    await written(container, ASHA.did("order_note.add", "b", start + DAY))
    await written(container, by_operator("admin.create", "c", start + 2 * DAY))
    ids = [e.object_id for e in await found(container)]
    assert ids == ["c", "b", "a"]
    assert [e.object_id for e in await found(container, user_id=ASHA.user_id)] == ["b", "a"]
    assert [e.object_id for e in await found(container, action="order_")] == ["b"]
    assert [e.object_id for e in await found(container, action="order%")] == []
    assert [e.object_id for e in await found(container, object_id="c")] == ["c"]
    assert [e.object_id for e in await found(container, since=start + DAY)] == ["c", "b"]
    assert [e.object_id for e in await found(container, before=start + DAY)] == ["a"]
    assert (await found(container, object_id="c"))[0].user_id is None


async def test_pages_meet_without_gap_or_repeat_while_lines_are_added(
    container: AsyncContainer, clock: ManualClock
) -> None:
    for number in range(5):
        await written(container, ASHA.did("order.pack", number, clock.now()))
    reads = await container.get(AdminLogReads)
    first = await reads.page(EntryFilter(), 2, None)
    await written(container, ASHA.did("order.pack", "late", clock.now()))
    second = await reads.page(EntryFilter(), 2, first.next_cursor)
    third = await reads.page(EntryFilter(), 2, second.next_cursor)
    seen = [e.object_id for page in (first, second, third) for e in page.items]
    assert seen == ["4", "3", "2", "1", "0"]
    assert third.next_cursor is None
    with pytest.raises(Malformed):
        await reads.page(EntryFilter(), 2, "nonsense")


async def test_old_lines_are_forgotten_and_no_others(
    container: AsyncContainer, clock: ManualClock
) -> None:
    start = clock.now()
    await written(container, ASHA.did("a.b", "old", start), ASHA.did("a.b", "new", start + DAY))
    async with container() as scope:
        uow, log = await scope.get(UnitOfWork), await scope.get(AdminLog)
        async with uow.begin():
            assert await log.forget(start + DAY) == 1
    assert [e.object_id for e in await found(container)] == ["new"]


def test_a_caller_signs_what_they_did() -> None:
    act = ASHA.did("user.roles", UUID(int=1), ManualClock().now())
    assert act.user_id == ASHA.user_id
    assert act.object_id == str(UUID(int=1))
