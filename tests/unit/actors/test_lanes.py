"""Keys in order and beside each other, and marks below which all is done."""

import random
from collections import defaultdict
from uuid import UUID, uuid4

from shop.core.kernel.ids import EventId
from shop.entrypoints.actors.lanes import Lanes, Work, by_key
from shop.ports.bus import Delivery
from shop.ports.outbox import Envelope

ONE, TWO, THREE = UUID(int=1), UUID(int=2), UUID(int=3)


def delivery(key: UUID, offset: int, partition: str = "p") -> Delivery:
    return Delivery(Envelope(EventId(uuid4()), "shop.orders", key, "kind", b""), partition, offset)


def filled(*keys: UUID) -> Lanes:
    lanes = Lanes()
    for offset, key in enumerate(keys):
        lanes.add(delivery(key, offset), None, None)
    return lanes


def offsets(work: list[Work]) -> list[int]:
    return [one.delivery.offset for one in work]


def done(lanes: Lanes, work: list[Work]) -> None:
    lanes.finish(work)
    lanes.free(by_key(work))


def test_what_is_taken_of_a_key_keeps_its_order() -> None:
    work = filled(ONE, TWO, ONE, TWO, ONE).take(10)
    assert {key: offsets(lane) for key, lane in by_key(work).items()} == {
        ONE: [0, 2, 4],
        TWO: [1, 3],
    }


def test_nobody_else_gets_a_key_that_is_taken() -> None:
    lanes = filled(ONE, ONE, TWO)
    first = lanes.take(1)
    assert offsets(first) == [0]
    assert offsets(lanes.take(10)) == [2]
    lanes.add(delivery(ONE, 3), None, None)
    assert lanes.take(10) == []
    done(lanes, first)
    assert offsets(lanes.take(10)) == [1, 3]


def test_the_mark_stops_before_the_first_that_is_not_done() -> None:
    lanes = filled(ONE, TWO, THREE)
    [first, second, third] = lanes.take(3)
    assert lanes.marks() == {}
    done(lanes, [second])
    done(lanes, [third])
    assert lanes.marks() == {}
    done(lanes, [first])
    assert lanes.marks() == {"p": 3}


def test_a_mark_is_told_until_it_is_committed_and_again_when_it_moves() -> None:
    lanes = filled(ONE, TWO)
    first, second = lanes.take(2)
    done(lanes, [first])
    assert lanes.marks() == lanes.marks() == {"p": 1}
    lanes.committed({"p": 1})
    assert lanes.marks() == {}
    done(lanes, [second])
    assert lanes.marks() == {"p": 2}


def test_what_concerns_nobody_is_done_but_waits_for_what_came_before() -> None:
    lanes = filled(ONE)
    lanes.skip(delivery(TWO, 1))
    assert lanes.marks() == {}
    done(lanes, lanes.take(1))
    assert lanes.marks() == {"p": 2}
    assert lanes.depth == 0


def test_partitions_have_marks_of_their_own_and_gaps_do_not_matter() -> None:
    lanes = Lanes()
    lanes.add(delivery(ONE, 7, "a"), None, None)
    lanes.add(delivery(TWO, 100, "b"), None, None)
    lanes.add(delivery(TWO, 105, "b"), None, None)
    [one, *two] = lanes.take(3)
    done(lanes, two)
    assert lanes.marks() == {"b": 106}
    done(lanes, [one])
    assert lanes.marks() == {"a": 8, "b": 106}


def test_a_partition_is_crowded_by_what_is_not_below_its_mark() -> None:
    lanes = filled(ONE, TWO, THREE)
    [_, second, third] = lanes.take(3)
    done(lanes, [second, third])
    assert lanes.depth == 1
    assert lanes.crowded(3) == ["p"]
    assert lanes.crowded(4) == []


def test_after_clearing_nothing_is_left() -> None:
    lanes = filled(ONE, TWO)
    done(lanes, lanes.take(1))
    lanes.clear()
    assert (lanes.depth, lanes.marks(), lanes.take(10)) == (0, {}, [])
    lanes.committed({"p": 1})  # of a partition that is gone


def test_whatever_the_order_of_finishing_all_is_done_once_and_in_order() -> None:
    chance = random.Random(7)  # noqa: S311 - the same each time
    keys = [UUID(int=chance.randrange(12)) for _ in range(400)]
    lanes, at_work = filled(*keys), []
    seen: dict[UUID, list[int]] = defaultdict(list)
    mark = 0
    while lanes.depth:
        if work := lanes.take(chance.randrange(1, 9)):
            at_work.append(work)
        if at_work and (not work or chance.random() < 0.6):
            finished = at_work.pop(chance.randrange(len(at_work)))
            for one in finished:
                seen[one.key].append(one.delivery.offset)
            done(lanes, finished)
            left = {one.delivery.offset for work in at_work for one in work}
            now = lanes.marks().get("p", 0)
            assert now >= mark
            assert all(offset >= now for offset in left)
            mark = now
    assert mark == 400
    expected = defaultdict(list)
    for offset, key in enumerate(keys):
        expected[key].append(offset)
    assert seen == expected
