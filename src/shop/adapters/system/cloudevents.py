"""Facts as CloudEvents 1.0 JSON documents (cloudevents.io, version 1.0.2)."""

from datetime import datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, Struct, UnsetType

from shop.core.kernel.acts import Act, Entry
from shop.core.kernel.context import address, correlation
from shop.core.kernel.events import Event
from shop.core.kernel.ids import EventId
from shop.ports.outbox import Envelope, Sealer
from shop.ports.system import Ids

E = TypeVar("E", bound=Event)


class CloudEvent(Struct, kw_only=True, omit_defaults=True):
    specversion: str
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    partitionkey: str
    correlationid: str | UnsetType = UNSET
    datacontenttype: str
    data: Any


_encode = msgspec.json.Encoder().encode


class CloudEvents(Sealer):
    """`source` is the site's URL: with `id` it makes an event unique in the world."""

    def __init__(self, ids: Ids, source: str) -> None:
        self._ids = ids
        self._source = source

    def seal(self, fact: Event, caused_by: str) -> Envelope:
        event_id, subject, kind = self._ids.new(), fact.subject, fact.kind()
        body = CloudEvent(
            specversion="1.0",
            id=str(event_id),
            source=self._source,
            type=kind,
            subject=str(subject),
            time=fact.at,
            partitionkey=str(subject),
            correlationid=caused_by or UNSET,
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


_open = msgspec.json.Decoder(_Opened).decode


def unseal(envelope: Envelope, kind: type[E]) -> tuple[E, str]:
    """The fact inside, and the correlation id it came with."""
    opened = _open(envelope.body)
    return msgspec.json.decode(opened.data, type=kind), opened.correlationid
