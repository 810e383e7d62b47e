"""The lane before the framework: what it keeps, for how long, and what it must never serve."""

import asyncio
import gc
from typing import Any

import httpx
import pytest

from shop.adapters.memory.cache import MemoryCache
from shop.core.kernel.errors import Unavailable
from shop.entrypoints.actors.catalog_watch import CatalogWatch
from shop.entrypoints.http.fastlane import FastLane
from shop.ports.cache import Cache
from shop.ports.catalog import CatalogChanges, ChangeCounts
from tests.kit.catalogue import client_of
from tests.kit.clock import ManualClock

LIST = "/api/v1/products"


class Counter(CatalogChanges):
    def __init__(self) -> None:
        self.value = 1
        self.down = False

    async def counts(self) -> ChangeCounts:
        if self.down:
            raise Unavailable("Down.")
        return ChangeCounts(all=self.value, edits=self.value)


class Behind:
    """An app that counts its calls and answers when it is let."""

    def __init__(self) -> None:
        self.calls = 0
        self.body = b'{"items":[]}'
        self.status = 200
        self.entered = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.gate.set()
        self.methods: list[str] = []

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.calls += 1
        self.entered.release()
        self.methods.append(scope["method"])
        body, gate = self.body, self.gate
        await gate.wait()
        headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body[:3], "more_body": True})
        await send({"type": "http.response.body", "body": body[3:], "more_body": False})


class Lane:
    def __init__(self, most_bytes: int = 1 << 20, shared: Cache | None = None) -> None:
        self.counter = Counter()
        self.watch = CatalogWatch(self.counter)
        self.behind = Behind()
        self.lane = FastLane(self.behind, self.watch, most_bytes, shared)

    async def get(self, path: str = LIST, method: str = "GET", **headers: str) -> httpx.Response:
        async with client_of(self.lane) as client:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.request(method, path, headers=sent)


@pytest.fixture
async def lane() -> Lane:
    made = Lane()
    await made.watch.look()
    return made


async def test_the_second_answer_comes_from_memory_with_the_same_tag(lane: Lane) -> None:
    first, second = await lane.get(), await lane.get(Authorization="Bearer x")
    assert lane.behind.calls == 1
    assert first.content == second.content == lane.behind.body
    assert first.headers["etag"] == second.headers["etag"]
    assert not first.headers["etag"].startswith("W/")
    assert first.headers["cache-control"] == "public, max-age=0, must-revalidate"


@pytest.mark.parametrize("shape", ["{}", "W/{}", '"other", {}', '"other" , W/{},"x"', "*"])
async def test_who_has_it_already_gets_304(lane: Lane, shape: str) -> None:
    etag = (await lane.get()).headers["etag"]
    answer = await lane.get(If_None_Match=shape.format(etag))
    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag


async def test_another_tag_gets_the_answer(lane: Lane) -> None:
    assert (await lane.get(If_None_Match='"other"')).status_code == 200


async def test_a_change_drops_what_was_kept(lane: Lane) -> None:
    old = await lane.get()
    lane.counter.value, lane.behind.body = 2, b'{"items":[1]}'
    assert (await lane.get()).content == old.content
    await lane.watch.look()
    new = await lane.get()
    assert new.content == b'{"items":[1]}'
    assert new.headers["etag"] != old.headers["etag"]


async def test_many_who_ask_at_once_make_one_call(lane: Lane) -> None:
    lane.behind.gate.clear()
    waiting = [asyncio.create_task(lane.get()) for _ in range(8)]
    await lane.behind.entered.acquire()
    lane.behind.gate.set()
    answers = await asyncio.gather(*waiting)
    assert lane.behind.calls == 1
    assert {answer.content for answer in answers} == {lane.behind.body}


async def test_an_answer_begun_before_a_change_is_not_kept_after_it(lane: Lane) -> None:
    slow = lane.behind.gate = asyncio.Event()
    early = asyncio.create_task(lane.get())
    await lane.behind.entered.acquire()
    lane.behind.gate = asyncio.Event()
    lane.behind.gate.set()
    lane.counter.value, lane.behind.body = 2, b'{"items":[1]}'
    await lane.watch.look()
    assert (await lane.get()).content == b'{"items":[1]}'
    slow.set()
    assert (await early).content == b'{"items":[]}'
    assert (await lane.get()).content == b'{"items":[1]}'
    assert lane.behind.calls == 2


async def test_refusals_pass_through_and_are_not_kept(lane: Lane) -> None:
    lane.behind.status = 404
    for calls in (1, 2):
        answer = await lane.get()
        assert (answer.status_code, answer.content) == (404, lane.behind.body)
        assert "etag" not in answer.headers
        assert lane.behind.calls == calls


async def test_while_the_count_is_unknown_nothing_comes_from_memory(lane: Lane) -> None:
    await lane.get()
    lane.watch.count = None
    answer = await lane.get(If_None_Match="*")
    assert (answer.status_code, lane.behind.calls) == (304, 2)
    await lane.get()
    assert lane.behind.calls == 3


async def test_while_the_count_is_unknown_those_of_one_second_share_an_answer(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane.watch.count = None
    loop, lane.behind.gate = asyncio.get_running_loop(), asyncio.Event()
    began = loop.time()
    monkeypatch.setattr(loop, "time", lambda: began)
    crowd = [asyncio.ensure_future(lane.get()) for _ in range(3)]
    await lane.behind.entered.acquire()
    monkeypatch.setattr(loop, "time", lambda: began + 1.5)
    crowd.append(asyncio.ensure_future(lane.get()))
    await lane.behind.entered.acquire()
    lane.behind.gate.set()
    await asyncio.gather(*crowd)
    assert lane.behind.calls == 2


class Slow(Counter):
    """Each reading waits to be let."""

    def __init__(self) -> None:
        super().__init__()
        self.gates = [asyncio.Event(), asyncio.Event()]
        self._next = iter(self.gates)

    async def counts(self) -> ChangeCounts:
        gate, found = next(self._next), await super().counts()
        await gate.wait()
        return found


async def test_who_looked_first_and_ended_last_takes_nothing_back() -> None:
    counter = Slow()
    watch = CatalogWatch(counter)
    first = asyncio.ensure_future(watch.look())
    await asyncio.sleep(0.002)
    counter.value = 2
    second = asyncio.ensure_future(watch.look())
    await asyncio.sleep(0)
    for gate, look in zip(reversed(counter.gates), (second, first), strict=True):
        gate.set()
        await look
    assert (watch.count, watch.edits) == (2, 2)


async def test_after_a_time_in_which_nobody_looked_the_counter_is_read_and_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counter = Slow()
    watch = CatalogWatch(counter)
    counter.gates[0].set()
    await watch.look()
    loop = asyncio.get_running_loop()
    later = loop.time() + 1.5
    monkeypatch.setattr(loop, "time", lambda: later)
    looking = asyncio.ensure_future(watch.look())
    for _ in range(5):
        await asyncio.sleep(0)
    assert (watch.count, watch.edits) == (None, None)  # what was known is too old by now
    counter.gates[1].set()
    await looking
    assert (watch.count, watch.edits) == (1, 1)


async def test_a_counter_that_cannot_be_read_is_forgotten_after_a_second(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    monkeypatch.setattr(loop, "time", lambda: began)
    await lane.watch.look()
    lane.counter.down = True
    await lane.watch.look()
    assert lane.watch.count == 1
    monkeypatch.setattr(loop, "time", lambda: began + 1.5)
    await lane.watch.look()
    assert lane.watch.count is None
    lane.counter.down = False
    monkeypatch.undo()
    await lane.watch.look()
    assert lane.watch.count == 1


async def test_head_has_the_headers_and_no_body(lane: Lane) -> None:
    head = await lane.get(method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(lane.behind.body))
    assert lane.behind.methods == ["GET"]
    assert (await lane.get()).content == lane.behind.body
    assert lane.behind.calls == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/products/mug/reviews"),
        ("POST", "/api/v1/products"),
        ("GET", "/api/v1/cart"),
        ("GET", "/api/v1/products/"),
    ],
)
async def test_what_is_not_the_lanes_goes_straight_through(
    lane: Lane, method: str, path: str
) -> None:
    for calls in (1, 2):
        answer = await lane.get(path, method)
        assert lane.behind.calls == calls
        assert "etag" not in answer.headers


async def test_each_query_has_an_answer_of_its_own(lane: Lane) -> None:
    for path in (LIST, f"{LIST}?q=a", f"{LIST}?q=b", f"{LIST}/mug", "/api/v1/categories"):
        await lane.get(path)
        await lane.get(path)
    assert lane.behind.calls == 5


async def test_memory_is_bounded_and_the_longest_unused_goes_first() -> None:
    small = Lane(most_bytes=24_000)
    await small.watch.look()
    for n in range(20):
        await small.get(f"{LIST}?q={n}")
    await small.get(f"{LIST}?q=19")
    assert small.behind.calls == 20
    await small.get(f"{LIST}?q=0")
    assert small.behind.calls == 21
    small.behind.body = b"x" * 10_000
    for _ in range(2):
        await small.get(f"{LIST}?q=large")
    assert small.behind.calls == 23


async def test_a_failure_of_the_app_fails_only_who_asked(lane: Lane) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    lane.lane._app = broken  # noqa: SLF001 - only the app behind changes
    with pytest.raises(ZeroDivisionError):
        await lane.get()
    lane.lane._app = lane.behind  # noqa: SLF001
    assert (await lane.get()).status_code == 200


async def test_the_lane_leaves_no_garbage(lane: Lane) -> None:
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": LIST, "headers": []}

    async def send(_: Any) -> None:
        return None

    async def receive() -> Any:
        return {}

    await lane.lane(scope | {"query_string": b""}, receive, send)
    gc.collect()
    gc.disable()
    try:
        for n in range(200):
            await lane.lane(scope | {"query_string": b"q=%d" % (n % 50)}, receive, send)
        assert gc.collect() == 0
    finally:
        gc.enable()


async def _replicas() -> tuple[Lane, Lane]:
    """Two that share a cache; the second has something else behind it."""
    shared = MemoryCache(ManualClock())
    one, other = Lane(shared=shared), Lane(shared=shared)
    other.behind.body = b'{"items":["other"]}'
    for lane in (one, other):
        await lane.watch.look()
    return one, other


async def test_what_one_replica_made_serves_the_other_as_it_is() -> None:
    one, other = await _replicas()
    first, second = await one.get(), await other.get()
    assert (first.content, first.headers["etag"]) == (second.content, second.headers["etag"])
    assert second.headers["content-type"] == "application/json"
    assert other.behind.calls == 0
    assert (await other.get(f"{LIST}?page=2")).json() == {"items": ["other"]}


async def test_many_who_ask_at_once_ask_the_common_cache_once_as_well() -> None:
    class Slow(MemoryCache):
        asked = 0

        async def get(self, key: str) -> bytes | None:
            self.asked += 1
            await asyncio.sleep(0)
            return await super().get(key)

    shared = Slow(ManualClock())
    lane = Lane(shared=shared)
    await lane.watch.look()
    answers = await asyncio.gather(*(lane.get() for _ in range(8)))
    assert (shared.asked, lane.behind.calls) == (1, 1)
    assert {answer.content for answer in answers} == {lane.behind.body}


async def test_after_a_change_no_replica_gives_what_was_made_before() -> None:
    one, other = await _replicas()
    await one.get()
    other.counter.value = 2
    await other.watch.look()
    assert (await other.get()).json() == {"items": ["other"]}


async def test_refusals_are_not_shared() -> None:
    one, other = await _replicas()
    one.behind.status = 404
    assert (await one.get()).status_code == 404
    assert (await other.get()).status_code == 200
