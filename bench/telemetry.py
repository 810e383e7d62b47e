"""What metrics, access lines and traces cost a request, in µs of processor time.

    python bench/telemetry.py [--rounds 9]

The real edge is called in this process, without a socket, on SQLite: a catalogue answer that lies
in memory, an answer of a route, and an item put into a new cart by 32 at once. Variants take turns,
and the best round of each counts; spans go to a collector in another process.
"""

# ruff: noqa: SLF001 - what is measured is private to the edge
import argparse
import asyncio
import io
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvloop
from dishka import Provider
from msgspec import Struct

from shop.entrypoints import logs
from shop.entrypoints.http.asgi import App
from shop.entrypoints.http.forwarded import Forwarded
from shop.entrypoints.logs import AccessLog, Form
from shop.entrypoints.metrics import Histogram
from shop.ports.tracing import Tracing
from shop.settings import Settings, Traces, Url
from shop.traced import TracedEdge
from shop.wiring import traces

# Started as a file: its own folder is on the path, the one above is not.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

_CALLS = {"catalogue": 3_000, "route": 1_500, "cart": 640}
_AT_ONCE = 32
Call = Callable[[], Awaitable[None]]


class _Uncounted(Histogram):
    """For the price of the real one."""

    def observe(self, labels: tuple[str | int, ...], value: float) -> None: ...


def _collect(tell: Connection) -> None:
    from tests.kit.collector import Collector  # noqa: PLC0415 - needs the path above

    with Collector() as collector:
        tell.send(collector.url)
        tell.recv()


def _get(app: App, path: str) -> Call:
    async def call() -> None:
        scope = _scope("GET", path, [])
        await app(scope, _no_body, _drop)

    return call


def _put(app: App, body: bytes) -> Call:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]

    async def call() -> None:
        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        await app(_scope("POST", "/api/v1/cart/items", headers), receive, _drop)

    return call


def _scope(method: str, path: str, headers: list[tuple[bytes, bytes]]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost:8000"), *headers],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 8000),
    }


async def _no_body() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _drop(message: Any) -> None:
    if message["type"] == "http.response.start" and message["status"] != 200:  # noqa: PLR2004
        raise RuntimeError(f"It answered {message['status']}.")


async def _each(call: Call, times: int, together: int) -> float:
    """µs of processor time for one, those of the process's threads included."""
    began = time.process_time()
    for _ in range(times // together):
        if together == 1:
            await call()
        else:
            await asyncio.gather(*[call() for _ in range(together)])
    return (time.process_time() - began) / times * 1e6


class _Variant(Struct):
    """`prepare` comes before each of its rounds, as all share one edge."""

    name: str
    prepare: Callable[[], None]
    calls: dict[str, Call]


async def _variants(stack: AsyncExitStack, folder: Path, url: str) -> list[_Variant]:
    from tests.kit.site import a_shop  # noqa: PLC0415 - needs the path above

    async def a_cart(name: str, *more: Provider) -> tuple[Any, bytes]:
        shop = await stack.enter_async_context(a_shop("sqlite", folder / name, *more))
        [variant] = await shop.goods(1_000_000)
        return shop, json.dumps({"variant_id": str(variant), "quantity": 1}).encode()

    plain, body = await a_cart("plain")
    settings = Settings(traces=Traces(url=Url(url)))
    seen, seen_body = await a_cart("traced", *traces(settings))
    tracing: Any = await seen.container.get(Tracing)
    edge, counted = plain.edge, plain.edge._durations
    uncounted = _Uncounted("x", "", [])

    def variant(name: str, durations: Histogram = counted, form: Form | None = None) -> _Variant:
        access = AccessLog(io.BytesIO(), form=form) if form else None

        def prepare() -> None:
            edge._durations, edge._access = durations, access

        return _Variant(name, prepare, _calls(edge, _put(edge, body)))

    def traced(name: str, ratio: float) -> _Variant:
        def prepare() -> None:
            edge._durations, edge._access = counted, None
            tracing._sampler._ratio = ratio

        # A cart's desk and database are wrapped as well; the rest is the edge alone.
        app, cart = (TracedEdge(one.edge, tracing, Forwarded(())) for one in (plain, seen))
        return _Variant(name, prepare, _calls(app, _put(cart, seen_body)))

    return [
        variant("without metrics", uncounted),
        variant("with metrics"),
        variant("and access lines in JSON", form="json"),
        variant("and access lines in ECS", form="ecs"),
        traced("and traces, none recorded", 0.0),
        traced("and traces, one in a hundred", 0.01),
        traced("and traces, all recorded", 1.0),
    ]


def _calls(app: App, cart: Call) -> dict[str, Call]:
    return {
        "catalogue": _get(app, "/api/v1/categories"),
        "route": _get(app, "/healthz"),
        "cart": cart,
    }


async def measure(rounds: int, url: str) -> dict[str, dict[str, float]]:
    best: dict[str, dict[str, float]] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shop-bench-")))
        variants = await _variants(stack, folder, url)
        for turn in range(rounds + 1):
            for kind, times in _CALLS.items():
                for one in variants:
                    one.prepare()
                    together = _AT_ONCE if kind == "cart" else 1
                    took = await _each(one.calls[kind], times, together)
                    row = best.setdefault(one.name, {})
                    if turn:  # the first warms up
                        row[kind] = min(took, row.get(kind, took))
    return best


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rounds", type=int, default=9)
    logs.configure("console", level="error", stream=sys.stderr)
    ours, theirs = multiprocessing.Pipe()
    collecting = multiprocessing.get_context("spawn").Process(target=_collect, args=(theirs,))
    collecting.start()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            best = runner.run(measure(given.parse_args().rounds, ours.recv()))
    finally:
        ours.send(None)
        collecting.join()
    print(f"{'µs of processor a request':32}" + "".join(f"{kind:>11}" for kind in _CALLS))
    for name, row in best.items():
        print(f"{name:32}" + "".join(f"{row[kind]:11.1f}" for kind in _CALLS))


if __name__ == "__main__":
    main()
