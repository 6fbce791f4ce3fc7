"""Webhooks that are sent stand in the trace of the payment that they tell of."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from caudal.events import NewEvent
from caudal_base import ids, telemetry
from support.deliveries import Listener, Outbox
from support.events import AT, payment_id
from support.events import told as events_told


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Where this process's spans go meanwhile."""
    found = InMemorySpanExporter()
    telemetry.install(SimpleSpanProcessor(found))
    yield found
    telemetry.install(None)


async def test_a_delivery_is_a_span_of_its_payments_trace_and_holds_nothing_secret(
    outbox: Outbox, listener: Listener, exporter: InMemorySpanExporter
) -> None:
    issued = await outbox.endpoint(listener.url)
    await outbox.tell(1, name="Ada Lovelace")

    await outbox.settled()

    (span,) = [one for one in exporter.get_finished_spans() if one.name == "webhook out"]
    assert span.context.trace_id == ids.decode(ids.PAYMENT, payment_id(1)).int
    assert dict(span.attributes or {}) == {
        "caudal.event.type": "payment.succeeded",
        "caudal.event.id": listener.received[0].headers["webhook-id"],
        "caudal.endpoint": ids.encode(ids.ENDPOINT, issued.endpoint.id),
        "caudal.book": outbox.book.book_id,
        "http.response.status_code": 200,
    }
    sent = listener.received[0].headers["traceparent"]
    assert sent == f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}-01"
    assert issued.secret is not None
    for secret in (issued.secret.reveal(), listener.url, "Ada Lovelace"):
        assert secret not in span.to_json()


async def test_what_is_sent_of_a_refund_stands_in_the_payments_trace(
    outbox: Outbox, listener: Listener, exporter: InMemorySpanExporter
) -> None:
    refund = ids.encode(ids.REFUND, UUID(int=7))
    await outbox.endpoint(listener.url, types=("refund.*",))
    told = NewEvent(
        type="refund.succeeded",
        object_type="refund",
        object_id=refund,
        at=AT,
        data={"id": refund, "payment": payment_id(1)},
    )
    await events_told(outbox.database, outbox.book.book_id, [told])

    await outbox.settled()

    (span,) = [one for one in exporter.get_finished_spans() if one.name == "webhook out"]
    assert span.context.trace_id == ids.decode(ids.PAYMENT, payment_id(1)).int


async def test_without_traces_nothing_of_one_is_sent(outbox: Outbox, listener: Listener) -> None:
    await outbox.endpoint(listener.url)
    await outbox.tell(1)

    await outbox.settled()

    assert "traceparent" not in listener.received[0].headers
