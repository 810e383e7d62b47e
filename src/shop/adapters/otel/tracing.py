"""Spans by the SDK of OpenTelemetry."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from types import TracebackType
from typing import Self

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from shop.core.kernel.context import correlation
from shop.core.kernel.errors import ShopError, Unavailable
from shop.ports.tracing import NO_FACTS, NO_TRACE, Cause, Facts, Kind, Span, TraceContext, Tracing

_KINDS = {kind: SpanKind[kind.name] for kind in Kind}
_NOWHERE = Context()
#: As much of others' `tracestate` as W3C asks to be sent on; longer ones would swell every event.
_STATE = 512
_read = TraceContextTextMapPropagator().extract
#: What goes along with the messages of a batch, by the correlation id of their causes.
_CAUSES: ContextVar[dict[str, TraceContext]] = ContextVar("causes")


class Ratio(Sampler):
    """As the parent says, or as those say for whom it is done; of others that share."""

    def __init__(self, ratio: float, chance: Callable[[], float] = random.random) -> None:
        self._ratio = ratio
        self._chance = chance

    def draws(self) -> bool:
        return self._chance() < self._ratio

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,  # noqa: ARG002 - the SDK's signature
        name: str,  # noqa: ARG002
        kind: SpanKind | None = None,  # noqa: ARG002
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,  # noqa: ARG002 - it never gives the parent's
    ) -> SamplingResult:
        parent = trace.get_current_span(parent_context).get_span_context()
        if parent.is_valid:
            sampled = parent.trace_flags.sampled
        elif links:
            sampled = any(link.context.trace_flags.sampled for link in links)
        else:
            sampled = self.draws()
        decision = Decision.RECORD_AND_SAMPLE if sampled else Decision.DROP
        return SamplingResult(decision, attributes, parent.trace_state)

    def get_description(self) -> str:
        return f"Ratio{{{self._ratio}}}"


class _Nothing(Span):
    recorded = False

    def tell(self, facts: Facts, *, name: str | None = None) -> None: ...

    def fail(self, why: str) -> None: ...


class _Span(Span):
    """A span that is under way while the block lasts."""

    __slots__ = ("_span", "_token", "recorded")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self.recorded = span.is_recording()

    def tell(self, facts: Facts, *, name: str | None = None) -> None:
        self._span.set_attributes(facts)
        if name is not None:
            self._span.update_name(name)

    def fail(self, why: str) -> None:
        self._span.set_attribute("error.type", why)
        self._span.set_status(StatusCode.ERROR)

    def __enter__(self) -> Self:
        self._token = attach(set_span_in_context(self._span))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        detach(self._token)
        if error is not None and self.recorded:
            _blame(self._span, error)
        self._span.end()


_NOTHING = nullcontext[Span](_Nothing())


class OtelTracing(Tracing):
    def __init__(self, provider: TracerProvider, sampler: Ratio) -> None:
        self._start = provider.get_tracer("shop").start_span
        self._sampler = sampler

    def request(self, sent: TraceContext, *, believed: bool) -> AbstractContextManager[Span]:
        parent = _context(sent)
        above = _NOWHERE
        if parent is not None:
            if not believed:  # a stranger may name the trace, but not fill our collector
                flags = TraceFlags.SAMPLED if self._sampler.draws() else TraceFlags.DEFAULT
                parent = SpanContext(
                    parent.trace_id,
                    parent.span_id,
                    is_remote=True,
                    trace_flags=TraceFlags(flags),
                    trace_state=parent.trace_state,
                )
            above = set_span_in_context(NonRecordingSpan(parent), _NOWHERE)
        return _Span(self._start("request", above, SpanKind.SERVER))

    def step(
        self,
        name: str,
        kind: Kind = Kind.INTERNAL,
        facts: Facts = NO_FACTS,
        *,
        begins: bool = False,
    ) -> AbstractContextManager[Span]:
        current = trace.get_current_span()
        if not (current.is_recording() or (begins and current is INVALID_SPAN)):
            return _NOTHING
        return _Span(self._start(name, None, _KINDS[kind], facts))

    @contextmanager
    def waiting(self, name: str) -> Iterator[Cause]:
        with self.step(name):
            yield Cause(correlation.get(), trace.get_current_span())

    @contextmanager
    def together(self, name: str, causes: Sequence[Cause]) -> Iterator[None]:
        spans: list[trace.Span] = [cause.span for cause in causes]
        known = {
            cause.correlation: sent
            for cause, sent in zip(causes, map(_sent, spans), strict=True)
            if cause.correlation and sent != NO_TRACE
        }
        token = _CAUSES.set(known)
        try:
            with self._shared(name, spans):
                yield
        finally:
            _CAUSES.reset(token)

    @contextmanager
    def caused(self, name: str, kind: Kind, sent: Sequence[TraceContext]) -> Iterator[None]:
        spans = []
        for parent in filter(None, map(_context, dict.fromkeys(sent))):
            above = set_span_in_context(NonRecordingSpan(parent), _NOWHERE)
            spans.append(self._start(name, above, _KINDS[kind]))
        try:
            with self._shared(name, spans):
                yield
        except BaseException as error:
            for span in spans:
                _blame(span, error)
            raise
        finally:
            for span in spans:
                span.end()

    @contextmanager
    def _shared(self, name: str, spans: Sequence[trace.Span]) -> Iterator[None]:
        if len(spans) == 1:
            token = attach(set_span_in_context(spans[0]))
            try:
                yield
            finally:
                detach(token)
            return
        seen = [span for span in spans if span.is_recording()]
        if not seen:
            yield
            return
        links = [Link(span.get_span_context()) for span in seen]
        facts = {"shop.batch.size": len(spans)}
        work = self._start(f"{name} together", _NOWHERE, SpanKind.INTERNAL, facts, links)
        for span in seen:
            span.add_link(work.get_span_context())
        with _Span(work):
            yield

    def sends(self, caused_by: str) -> TraceContext:
        known = _CAUSES.get({})
        return known.get(caused_by) or _sent(trace.get_current_span())

    def current(self) -> tuple[str, str] | None:
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return None
        return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def _blame(span: trace.Span, error: BaseException) -> None:
    """By its type: a message may name a person. A refusal is an answer and no failure."""
    span.set_attribute("error.type", type(error).__qualname__)
    if not isinstance(error, ShopError) or isinstance(error, Unavailable):
        span.set_status(StatusCode.ERROR)


def _context(sent: TraceContext) -> SpanContext | None:
    """None for what is no W3C Trace Context."""
    if not sent.traceparent:
        return None
    carrier = {"traceparent": sent.traceparent}
    if sent.tracestate and len(sent.tracestate) <= _STATE:
        carrier["tracestate"] = sent.tracestate
    found = trace.get_current_span(_read(carrier, _NOWHERE)).get_span_context()
    return found if found.is_valid else None


def _sent(span: trace.Span) -> TraceContext:
    context = span.get_span_context()
    if not context.is_valid:
        return NO_TRACE
    ids = f"{context.trace_id:032x}-{context.span_id:016x}"
    return TraceContext(f"00-{ids}-{context.trace_flags:02x}", context.trace_state.to_header())
