"""How all workers of one container are, asked of each at a port of its own."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from shop.entrypoints.http.ops import Teller

#: Longer than the checks of a worker, shorter than the asker's patience.
_TIMEOUT = 2.5
_MOST_BYTES = 8 << 20


class Workers(Teller):
    """`ports` are those of the workers by name, on the loopback.

    A worker that is not there is being started again and shuts no door: its share of the
    connections goes to the others. One that is there and does not answer hangs.
    """

    def __init__(self, ports: Mapping[str, int]) -> None:
        self._ports = ports

    async def alive(self) -> bool:
        return all((await self._ask("/healthz")).values())

    async def report(self) -> tuple[bool, dict[str, Any]]:
        workers: dict[str, Any] = {
            name: msgspec.json.decode(said) if said else {"status": "no answer"}
            for name, said in (await self._ask("/readyz")).items()
        }
        said = {worker["status"] for worker in workers.values()}
        if said == {"stopping"}:
            status = "stopping"
        else:  # one that stops alone has let go of its connections before it ends
            status = "ready" if "ready" in said and said <= _FINE else "unready"
        return status == "ready", {"status": status, "workers": workers}

    async def metrics(self) -> bytes:
        """Those of all workers, told apart by the label `worker`."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Merged(await self._ask("/metrics")))
        return generate_latest(registry)

    async def _ask(self, path: str) -> dict[str, bytes]:
        """What each worker says that is there; nothing when it hangs."""
        said = await asyncio.gather(*(self._get(port, path) for port in self._ports.values()))
        both = zip(self._ports, said, strict=True)
        return {name: answer for name, answer in both if answer is not None}

    async def _get(self, port: int, path: str) -> bytes | None:
        try:
            async with asyncio.timeout(_TIMEOUT):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                    answer = await reader.read(_MOST_BYTES)
                    while more := await reader.read(_MOST_BYTES):
                        answer += more
                finally:
                    writer.close()
        except TimeoutError:
            return b""
        except OSError:
            return None
        return answer.partition(b"\r\n\r\n")[2] or None


_FINE = frozenset({"ready", "stopping"})


class _Merged(Collector):
    """One family of each name, with the samples of all workers."""

    def __init__(self, texts: Mapping[str, bytes]) -> None:
        self._texts = texts

    def collect(self) -> Iterable[Metric]:
        merged: dict[str, Metric] = {}
        for worker, text in self._texts.items():
            for family in text_string_to_metric_families(text.decode()):
                kept = merged.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                for sample in family.samples:
                    labels = {"worker": worker, **sample.labels}
                    kept.samples.append(sample._replace(labels=labels))
        return merged.values()
