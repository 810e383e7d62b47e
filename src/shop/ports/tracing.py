"""Who waited for what: traces as OpenTelemetry has them, with W3C Trace Context between processes.

Without the setting for it nothing of this exists in a running shop: what makes spans is wrapped
around what is there (`shop.traced`), it is not called from within.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from enum import Enum
from typing import Any, Protocol

from msgspec import Struct

Value = str | int | float | bool
Facts = Mapping[str, Value]
NO_FACTS: Facts = {}


class Kind(Enum):
    """Whose side of a call a span shows."""

    INTERNAL = "internal"
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"


class Span(Protocol):
    """`recorded` is False for one that nobody will see, which need not be told anything."""

    recorded: bool

    @abstractmethod
    def tell(self, facts: Facts, *, name: str | None = None) -> None: ...

    @abstractmethod
    def fail(self, why: str) -> None:
        """It went wrong; `why` is a type of error, never its message, which may name a person."""


class TraceContext(Struct, frozen=True):
    """What W3C Trace Context sends along, as it is written there; empty without a trace."""

    traceparent: str = ""
    tracestate: str = ""


NO_TRACE = TraceContext()


class Cause(Struct, frozen=True):
    """Somebody who waits for work that is done for many at once; `span` is the tracing's own."""

    correlation: str
    span: Any


class Tracing(Protocol):
    @abstractmethod
    def request(self, sent: TraceContext, *, believed: bool) -> AbstractContextManager[Span]:
        """A call from outside. Only who is believed decides whether its trace is recorded."""

    @abstractmethod
    def step(
        self,
        name: str,
        kind: Kind = Kind.INTERNAL,
        facts: Facts = NO_FACTS,
        *,
        begins: bool = False,
    ) -> AbstractContextManager[Span]:
        """A part of what is under way. Where nothing is, it may begin a trace if it says so."""

    @abstractmethod
    def waiting(self, name: str) -> AbstractContextManager[Cause]:
        """The time of one who waits; give the cause to `together`."""

    @abstractmethod
    def together(self, name: str, causes: Sequence[Cause]) -> AbstractContextManager[None]:
        """Work for all of them: in the trace of the only one, or in one of its own that is linked
        with each of theirs."""

    @abstractmethod
    def caused(
        self, name: str, kind: Kind, sent: Sequence[TraceContext]
    ) -> AbstractContextManager[None]:
        """The same for what came from elsewhere: each trace gets a span of the work."""

    @abstractmethod
    def sends(self, caused_by: str) -> TraceContext:
        """What goes along with a message, of the cause with that correlation id or of the work
        under way."""

    @abstractmethod
    def current(self) -> tuple[str, str] | None:
        """The ids of the trace and the span under way."""
