"""Events as Kafka records: CloudEvents 1.0 in structured mode, as its Kafka binding says.

The value is the whole JSON document, the header `content-type` says so, the key is the id of the
aggregate as text. What others wrote to our topics is read as well, if it is such a document.
"""

from typing import Literal
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec
from msgspec import Struct

from shop.core.kernel.ids import EventId
from shop.ports.bus import UNREADABLE
from shop.ports.outbox import Envelope

CONTENT_TYPE = ("content-type", b"application/cloudevents+json")
#: How the topics of the events begin in the shop; on the wire it is the configured prefix.
_OURS = "shop."

Headers = list[tuple[str, bytes]]


class Outgoing(Struct, frozen=True):
    """A record for a topic."""

    topic: str
    key: bytes
    value: bytes | None
    headers: Headers


class _Event(Struct):
    specversion: Literal["1.0"]
    id: UUID
    type: str
    subject: UUID


_read = msgspec.json.Decoder(_Event).decode


class Wire:
    def __init__(self, prefix: str) -> None:
        self._prefix = f"{prefix}."

    def topic(self, name: str) -> str:
        """The topic of that name: `shop.orders` with the usual prefix."""
        return self._prefix + name.removeprefix(_OURS)

    def group(self, consumer: str) -> str:
        return self._prefix + consumer

    def to_record(self, event: Envelope) -> Outgoing:
        return Outgoing(
            self.topic(event.topic), str(event.key).encode(), event.body, [CONTENT_TYPE]
        )

    def to_envelope(self, topic: str, key: bytes | None, value: bytes | None, at: str) -> Envelope:
        """Of kind `UNREADABLE` what is no event of ours; its id follows from where it was."""
        topic = _OURS + topic.removeprefix(self._prefix)
        body = value or b""
        try:
            event = _read(body)
        except ValueError:
            id_ = uuid5(NAMESPACE_URL, f"kafka:{at}")
            return Envelope(EventId(id_), topic, _key(key) or id_, UNREADABLE, body)
        return Envelope(EventId(event.id), topic, event.subject, event.type, body)


def _key(key: bytes | None) -> UUID | None:
    try:
        return UUID((key or b"").decode("ascii"))
    except ValueError:
        return None
