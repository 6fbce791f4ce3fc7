"""Traces by OpenTelemetry: off unless `configure` is called, and then free of what must not be in them.

A payment's trace has the payment's own id: its 128 bits are the trace's, the last 64 of them its first
span's. So whoever works on a payment knows its trace without being told: nothing is stored with jobs, and
nothing is added to the transactions that payments wait for.

While it is off the libraries are not even imported, and a span costs a call and a comparison.
"""

import contextlib
import contextvars
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from caudal_base import ids
from caudal_base.errors import CaudalError

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.sampling import Sampler, SamplingResult
    from opentelemetry.trace import Link, SpanContext, Tracer

CONSOLE: Final = "console"
"""The exporter that prints spans."""

Value = str | int | bool
Attributes = Mapping[str, Value]
"""What a span says. Never a body, a key, a token, a card number or anything about a person: names of
routes, kinds, partners and outcomes, and ids of ours."""

MAX_LINKS: Final = 128
"""Of one span: what OpenTelemetry's own limit is by default."""

_LOW: Final = (1 << 64) - 1
_VARIANT_BITS: Final = 2
"""Those at the head of a UUID's lower half, which are always the same (RFC 9562, section 4.1)."""

_tracer: "Tracer | None" = None
_sampler: "Sampler | None" = None
_first: contextvars.ContextVar[UUID | None] = contextvars.ContextVar("first span of a payment", default=None)


class Span:
    """What can be said of a span while it lasts."""

    def __init__(self, recorded: Any = None) -> None:
        """`recorded` is OpenTelemetry's; None where tracing is off."""
        self._recorded = recorded

    def say(self, name: str, value: Value) -> None:
        """Add an attribute."""
        if self._recorded is not None:
            self._recorded.set_attribute(name, value)


_SILENT: Final = Span()


def is_on() -> bool:
    """Whether spans go anywhere."""
    return _tracer is not None


def configure(exporter: str, *, service: str) -> None:
    """Send this process's spans to `exporter`: an OTLP collector's address over HTTP, or `CONSOLE`.

    `service` names the process: `caudal-api`. Spans leave in the background, and a collector that is away
    costs the spans and nothing else. Raises `TracingMissing` where the libraries are not installed.
    """
    try:
        from opentelemetry.sdk.trace.export import (
            BatchSpanProcessor,
            ConsoleSpanExporter,
            SimpleSpanProcessor,
        )

        if exporter == CONSOLE:
            install(SimpleSpanProcessor(ConsoleSpanExporter()), service=service)
            return
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise TracingMissing("trace_exporter needs more: pip install 'caudal[tracing]'") from error
    install(BatchSpanProcessor(OTLPSpanExporter(endpoint=exporter)), service=service)


class TracingMissing(CaudalError):
    """Tracing is asked for and its libraries are not installed."""

    code = "tracing_missing"
    status = 400
    title = "Tracing is not installed"


def install(processor: "SpanProcessor | None", *, service: str = "caudal") -> None:
    """Give spans to `processor`; None switches tracing off."""
    global _tracer, _sampler  # one process, one tracer, as logs are configured
    if processor is None:
        _tracer = _sampler = None
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

    class PaymentIds(RandomIdGenerator):
        """The ids of a payment's first span; else random ones."""

        def generate_trace_id(self) -> int:
            payment = _first.get()
            return super().generate_trace_id() if payment is None else payment.int

        def generate_span_id(self) -> int:
            payment = _first.get()
            return super().generate_span_id() if payment is None else payment.int & _LOW

    provider = TracerProvider(resource=Resource({"service.name": service}), id_generator=PaymentIds())
    provider.sampler = _sampler = _spread(provider.sampler)
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("caudal")


def _spread(sampler: "Sampler") -> "Sampler":
    """`sampler`, shown a trace's random bits where it takes all of the lower half for random.

    Of every payment's trace the first two of these are `10`: a share of a tenth would else take none, and
    one of three quarters all.
    """
    from opentelemetry.sdk.trace.sampling import Sampler

    class Spread(Sampler):
        """Asks `sampler`."""

        def should_sample(
            self, parent_context: "Context | None", trace_id: int, *arguments: Any, **named: Any
        ) -> "SamplingResult":
            shown = trace_id & ~_LOW | trace_id << _VARIANT_BITS & _LOW
            return sampler.should_sample(parent_context, shown, *arguments, **named)

        def get_description(self) -> str:
            return sampler.get_description()

    return Spread()


@contextlib.contextmanager
def span(
    name: str, attributes: Attributes, *, payment_id: str | None = None, serves: Sequence[str] = ()
) -> Iterator[Span]:
    """A span around the block: within the payment's trace where there is one (`pay_…`), else the current.

    Within a payment's trace it stands below the span that is current, if that is of the same trace; else
    below the payment's first one, with a link to the current. What `serves` many payments has links to the
    first spans of each, as far as `MAX_LINKS` goes.
    """
    if _tracer is None:
        yield _SILENT
        return
    from opentelemetry import trace

    parent, links = _place(payment_id)
    links += [trace.Link(_first_span(ids.decode(ids.PAYMENT, one))) for one in serves[:MAX_LINKS]]
    # What was raised is in the logs; its text may hold what must not be here.
    with _tracer.start_as_current_span(
        name,
        parent,
        attributes=attributes,
        links=links,
        record_exception=False,
        set_status_on_exception=False,
    ) as recorded:
        try:
            yield Span(recorded)
        except BaseException as error:
            recorded.set_status(trace.StatusCode.ERROR, type(error).__name__)
            raise


def note(name: str, attributes: Attributes, *, payment_id: str, seconds: float) -> None:
    """What has just been done about a payment, among others, in `seconds`: below its first span.

    It has a link to the span that is current.
    """
    if _tracer is None:
        return
    parent, links = _place(payment_id)
    ended = time.time_ns()
    begun = ended - int(seconds * 1e9)
    _tracer.start_span(name, parent, attributes=attributes, links=links, start_time=begun).end(ended)


def traceparent() -> str | None:
    """The current span as W3C Trace Context has it, for whoever is called; None while tracing is off."""
    if _tracer is None:
        return None
    from opentelemetry import trace

    current = trace.get_current_span().get_span_context()
    if not current.is_valid:
        return None
    return f"00-{current.trace_id:032x}-{current.span_id:016x}-{int(current.trace_flags):02x}"


def record(
    name: str,
    attributes: Attributes,
    *,
    seconds: float,
    payment_id: str | None = None,
    first: bool = False,
    traceparent: str | None = None,
) -> None:
    """A request that has just ended after `seconds`.

    `first` is the one that made the payment: its span is the first of the payment's trace. A caller that
    sends a W3C `traceparent` finds the span in its own trace, with a link to the payment's.
    """
    if _tracer is None:
        return
    from opentelemetry import trace
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    ended = time.time_ns()
    parent = Context()
    if traceparent is not None:
        parent = TraceContextTextMapPropagator().extract({"traceparent": traceparent}, context=parent)
    foreign = trace.get_current_span(parent).get_span_context().is_valid
    payment = None if payment_id is None else ids.decode(ids.PAYMENT, payment_id)
    links = [trace.Link(_first_span(payment))] if payment is not None and foreign else []
    begins = payment if first and not foreign else None
    if payment is not None and not foreign and not first:
        parent = trace.set_span_in_context(trace.NonRecordingSpan(_first_span(payment)), parent)
    token = _first.set(begins)
    try:
        recorded = _tracer.start_span(
            name,
            parent,
            kind=trace.SpanKind.SERVER,
            attributes=attributes,
            links=links,
            start_time=ended - int(seconds * 1e9),
        )
    finally:
        _first.reset(token)
    recorded.end(ended)


def _place(payment_id: str | None) -> tuple[Any, "list[Link]"]:
    """The parent of a span, as a context (None: the current one), and its links."""
    if payment_id is None:
        return None, []
    from opentelemetry import trace

    first = _first_span(ids.decode(ids.PAYMENT, payment_id))
    current = trace.get_current_span().get_span_context()
    if current.trace_id == first.trace_id:
        return None, []
    links = [trace.Link(current)] if current.is_valid else []
    return trace.set_span_in_context(trace.NonRecordingSpan(first)), links


def _first_span(payment: UUID) -> "SpanContext":
    from opentelemetry.sdk.trace.sampling import Decision
    from opentelemetry.trace import SpanContext, TraceFlags

    # Whether its first span was kept, another process may have decided: from the same bits, and so alike.
    asked = None if _sampler is None else _sampler.should_sample(None, payment.int, "").decision
    kept = asked in (None, Decision.RECORD_AND_SAMPLE)
    return SpanContext(payment.int, payment.int & _LOW, is_remote=True, trace_flags=TraceFlags(int(kept)))
