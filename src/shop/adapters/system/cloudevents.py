"""Facts as CloudEvents 1.0 JSON documents (cloudevents.io, version 1.0.2)."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType

from shop.core.kernel.acts import Act, Entry
from shop.core.kernel.context import address, correlation
from shop.core.kernel.events import Event
from shop.core.kernel.ids import EventId
from shop.ports.outbox import Envelope, Sealer
from shop.ports.system import Ids
from shop.ports.tracing import NO_TRACE, TraceContext

E = TypeVar("E", bound=Event)


class CloudEvent(Struct, kw_only=True, omit_defaults=True):
    specversion: str
    id: UUID
    source: str
    type: str
    subject: UUID
    time: datetime
    partitionkey: UUID
    correlationid: str | UnsetType = UNSET
    traceparent: str | UnsetType = UNSET
    tracestate: str | UnsetType = UNSET
    datacontenttype: str
    data: Any


_encode = msgspec.json.Encoder().encode


class CloudEvents(Sealer):
    """`source` is the site's URL: with `id` it makes an event unique in the world.

    `trace` gives the trace of what has the correlation id; it goes along as the extension for
    distributed tracing says.
    """

    def __init__(
        self, ids: Ids, source: str, trace: Callable[[str], TraceContext] = lambda _: NO_TRACE
    ) -> None:
        self._ids = ids
        self._source = source
        self._trace = trace

    def seal(self, fact: Event, caused_by: str) -> Envelope:
        event_id, subject, kind = self._ids.new(), fact.subject, fact.kind()
        trace = self._trace(caused_by)
        body = CloudEvent(
            specversion="1.0",
            id=event_id,
            source=self._source,
            type=kind,
            subject=subject,
            time=fact.at,
            partitionkey=subject,
            correlationid=caused_by or UNSET,
            traceparent=trace.traceparent or UNSET,
            tracestate=trace.tracestate or UNSET,
            datacontenttype="application/json",
            data=fact,
        )
        return Envelope(EventId(event_id), fact.topic, subject, kind, _encode(body))

    def enter(self, act: Act) -> Entry:
        return Entry(
            id=self._ids.new(),
            user_id=act.user_id,
            action=act.action,
            object_id=act.object_id,
            detail=act.detail,
            at=act.at,
            request_id=correlation.get(),
            address=address.get(),
        )


class _Opened(Struct):
    data: msgspec.Raw
    correlationid: str = ""
    traceparent: str = ""
    tracestate: str = ""


_open = msgspec.json.Decoder(_Opened).decode
_look = msgspec.json.Decoder(TraceContext).decode


class Unsealed(Struct, Generic[E], frozen=True):
    """A fact, and what came along with it: the correlation id and the trace of its cause."""

    fact: E
    correlation: str
    trace: TraceContext


def unseal(envelope: Envelope, kind: type[E]) -> Unsealed[E]:
    opened = _open(envelope.body)
    fact = msgspec.json.decode(opened.data, type=kind)
    trace = TraceContext(opened.traceparent, opened.tracestate)
    return Unsealed(fact, opened.correlationid, trace)


def trace_of(envelope: Envelope) -> TraceContext:
    return _look(envelope.body)
