"""Work that the event loop gives away."""

import asyncio
import gc
import threading
import weakref
from functools import partial

import pytest

from shop.threads import Threads


class Refused(Exception):
    pass


async def test_work_runs_elsewhere_in_the_order_in_which_it_came() -> None:
    seen: list[int] = []
    threads = Threads("work")
    await asyncio.gather(*(threads.submit(partial(seen.append, n)) for n in range(50)))
    assert seen == list(range(50))
    where = await threads.submit(threading.get_ident)
    assert where != threading.get_ident()
    assert threads.idents == {where}
    threads.close()


async def test_what_it_raises_arrives_and_keeps_nothing_alive() -> None:
    class Thing:
        pass

    threads = Threads("work")

    def fail() -> None:
        thing = Thing()
        things.append(weakref.ref(thing))
        raise Refused

    things: list[weakref.ref[Thing]] = []
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(Refused):
            await threads.submit(fail)
        await threads.submit(int)  # by now it has let go of what came before
        assert things[0]() is None
    finally:
        gc.enable()
        threads.close()


async def test_several_work_side_by_side() -> None:
    both = threading.Barrier(2)
    threads = Threads("work", 2)
    await asyncio.gather(threads.submit(both.wait), threads.submit(both.wait))
    threads.close()


async def test_a_caller_who_leaves_does_not_stop_the_work() -> None:
    begun, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        may_end.wait()
        ended.set()

    threads, told = Threads("work"), list[str]()
    waiting = threads.submit(work, lambda: told.append("ended"))
    await asyncio.to_thread(begun.wait)
    waiting.cancel()
    await asyncio.sleep(0)
    assert told == []
    may_end.set()
    assert await threads.submit(ended.is_set)
    assert told == ["ended"]
    threads.close()


async def test_the_end_is_told_however_it_came_and_before_the_answer() -> None:
    def fail() -> None:
        raise Refused

    threads, told = Threads("work"), list[str]()
    for work in (int, fail):
        asked = threads.submit(work, lambda: told.append("ended"))
        asked.add_done_callback(lambda _: told.append("answered"))
        await asyncio.wait([asked])
    assert told == ["ended", "answered"] * 2
    assert isinstance(asked.exception(), Refused)
    threads.close()


async def test_each_thread_begins_as_it_is_told() -> None:
    mine = threading.local()
    threads = Threads("work", begin=lambda: setattr(mine, "ready", True))
    assert await threads.submit(lambda: mine.ready)
    threads.close()


async def test_closing_cancels_what_waits_and_may_wait_for_what_runs() -> None:
    begun, may_end = threading.Event(), threading.Event()
    done: list[str] = []

    def work() -> None:
        begun.set()
        may_end.wait()
        done.append("whole")

    threads, told = Threads("work"), list[str]()
    running = threads.submit(work)
    queued = threads.submit(lambda: done.append("never"), lambda: told.append("ended"))
    await asyncio.to_thread(begun.wait)
    may_end.set()
    threads.close(wait=True)
    assert done == ["whole"]
    assert queued.cancelled()
    assert told == ["ended"]
    await running
    with pytest.raises(RuntimeError, match="closed"):
        threads.submit(int)


def test_a_loop_that_is_gone_ends_no_thread() -> None:
    threads = Threads("work")
    may_go_on = threading.Event()

    async def leave() -> None:
        threads.submit(may_go_on.wait)

    async def come_back() -> int:
        may_go_on.set()
        return await threads.submit(lambda: 7)

    asyncio.run(leave())
    assert asyncio.run(come_back()) == 7
    threads.close()
