"""A collector of traces: takes what OpenTelemetry sends over HTTP, and lets tests look at it."""

import gzip
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from msgspec import Struct
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1 import trace_pb2

Facts = dict[str, str | int | float | bool]


class Seen(Struct, frozen=True):
    """A span as it arrived; `failed` is the status ERROR, `state` the tracestate, ids are hex."""

    name: str
    kind: str
    trace: str
    id: str
    parent: str
    state: str
    links: frozenset[str]
    facts: Facts
    resource: Facts
    failed: bool


def _facts(pairs: Any) -> Facts:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in pairs}


def _seen(request: ExportTraceServiceRequest) -> Iterator[Seen]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Seen(
                    name=span.name,
                    kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    trace=span.trace_id.hex(),
                    id=span.span_id.hex(),
                    parent=span.parent_span_id.hex(),
                    state=span.trace_state,
                    links=frozenset(link.span_id.hex() for link in span.links),
                    facts=_facts(span.attributes),
                    resource=_facts(resource.resource.attributes),
                    failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
                )


class Collector:
    """Listens while the block lasts; one that `hangs` takes connections and never answers."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.spans: list[Seen] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self._over = threading.Event()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if hangs:
                    collector._over.wait()
                    return
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.bodies.append(body)
                collector.headers.append({k.lower(): v for k, v in self.headers.items()})
                collector.spans += _seen(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()

    def of(self, trace: str) -> list[Seen]:
        return [span for span in self.spans if span.trace == trace]
