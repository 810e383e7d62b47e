"""Traces, for dishka."""

import asyncio
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress

import structlog
from dishka import Provider, Scope, provide
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from shop import __version__
from shop.adapters.otel.tracing import OtelTracing, Ratio
from shop.ports.tracing import Tracing

log = structlog.get_logger()

#: Spans that wait for the collector; what comes when so many wait takes the place of the oldest.
_WAITING = 4096
_AT_ONCE = 512
_EVERY_MS = 1000
#: Seconds that the collector has for a batch, and for all that is left when the shop stops.
_PATIENCE = 5.0
_GOODBYE = 1.0
#: Seconds between two lines about a collector that is away.
_QUIET = 60.0
_LIMITS = SpanLimits(max_attribute_length=2048, max_links=256)


class _Delivery(SpanExporter):
    """Says now and then that spans are lost, where the library would say so each time."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._lost = 0
        self._said = float("-inf")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._exporter.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._lost += len(spans)
            if time.monotonic() - self._said > _QUIET:
                log.warning("traces_lost", spans=self._lost, why="The collector did not take them.")
                self._said, self._lost = time.monotonic(), 0
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


class Traces(Provider):
    scope = Scope.APP

    def __init__(
        self, url: str, *, ratio: float, attributes: Mapping[str, str], headers: Mapping[str, str]
    ) -> None:
        super().__init__()
        self._url = url
        self._sampler = Ratio(ratio)
        self._resource = Resource.create(
            {"service.name": "shop", **attributes, "service.version": __version__}
        )
        self._headers = dict(headers)

    @provide
    async def tracing(self) -> AsyncIterator[Tracing]:
        # It tells of each try; `_Delivery` says what matters.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        exporter = _Delivery(
            OTLPSpanExporter(
                self._url,
                headers=self._headers,
                timeout=_PATIENCE,
                compression=Compression.Gzip,
            )
        )
        # Each worker of a crew is an instance of its own.
        instance = Resource({"service.instance.id": str(uuid.uuid4())})
        provider = TracerProvider(
            sampler=self._sampler,
            resource=self._resource.merge(instance),
            span_limits=_LIMITS,
            shutdown_on_exit=False,
        )
        provider.add_span_processor(
            BatchSpanProcessor(
                exporter,
                max_queue_size=_WAITING,
                max_export_batch_size=_AT_ONCE,
                schedule_delay_millis=_EVERY_MS,
            )
        )
        yield OtelTracing(provider, self._sampler)
        await _ended(provider)


async def _ended(provider: TracerProvider) -> None:
    """Send what is left, if the collector takes it in time.

    The thread is of those that a process does not wait for: the collector may be silent.
    """
    done, loop = asyncio.Event(), asyncio.get_running_loop()

    def end() -> None:
        provider.shutdown()
        with suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(done.set)

    threading.Thread(target=end, name="traces-end", daemon=True).start()
    with suppress(TimeoutError):
        async with asyncio.timeout(_GOODBYE):
            await done.wait()
