"""Prints every metric that a shop which does everything serves, as JSON: type, labels and help.

It is a real one in an empty folder, on SQLite; its gateway and its common cache are not there.
"""

import asyncio
import sys
import tempfile

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from shop.entrypoints import logs, metrics
from shop.entrypoints.cli.serving import claim_ports, serve
from shop.settings import Cache, Data, Http, Ops, Payments, Razorpay, Secret, Settings, Url
from shop.wiring import make_container


class Metric(Struct, frozen=True):
    kind: str
    labels: tuple[str, ...]
    text: str


def settings_in(folder: str) -> Settings:
    nowhere = Razorpay(
        key_id="rzp_test_x",
        key_secret=Secret("x"),
        webhook_secret=Secret("x"),
        url=Url("http://127.0.0.1:9"),
    )
    return replace(
        Settings(),
        data=Data(dir=folder),
        http=Http(port=0),
        ops=Ops(port=0),
        cache=Cache(url=Url("redis://127.0.0.1:9")),
        payments=Payments(provider="razorpay"),
        razorpay=nowhere,
    )


async def registry_of(settings: Settings) -> CollectorRegistry:
    """The registry of a shop that has begun to serve, and has been stopped again."""
    registry, began = metrics.make_registry(), asyncio.Event()
    serving = asyncio.create_task(
        serve(
            settings,
            "all",
            claim_ports(settings, "all"),
            make_container(settings),
            registry=registry,
            demo=False,
            began=began.set,
        )
    )
    beginning = asyncio.create_task(began.wait())
    await asyncio.wait({serving, beginning}, return_when=asyncio.FIRST_COMPLETED)
    beginning.cancel()
    serving.cancel()
    await asyncio.gather(serving, beginning, return_exceptions=True)
    if not began.is_set():
        serving.result()
    return registry


if __name__ == "__main__":
    logs.configure("json", level="error")
    with tempfile.TemporaryDirectory() as folder:
        registry = asyncio.run(registry_of(settings_in(folder)))
    told = {
        one.name + ("_total" if one.type == "counter" else ""): Metric(
            one.type, tuple(getattr(one, "_labelnames", ())), one.documentation
        )
        for one in registry.collect()
    }
    sys.stdout.buffer.write(msgspec.json.encode(told))
