"""Traces: a payment from the API over its job to its partner in one trace, and nothing secret in it."""

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from caudal import jobs
from caudal.worker import build
from caudal_base import ids, telemetry
from support.payment_api import PaymentWorld, pay_in

CANARIES = ("4242424242424242", "tok_canary", "Ada Lovelace", "ada@example.com")


@pytest.fixture
def world(payments: PaymentWorld) -> PaymentWorld:
    """A caller in a book with partners, at whose addresses nobody listens."""
    return payments


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Where this process's spans go meanwhile."""
    found = InMemorySpanExporter()
    telemetry.install(SimpleSpanProcessor(found))
    yield found
    telemetry.install(None)


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


async def worked(world: PaymentWorld, exporter: InMemorySpanExporter) -> None:
    """A worker runs until a partner was called."""
    services = world.services
    worker = build(
        services.database,
        services.clock,
        partners=services.partners,
        options=jobs.Options(poll_max_s=0.01, upkeep_s=0.05),
    )
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(20):
        while not named(exporter, "partner submit") or not named(exporter, "job payments.attempt"):
            await asyncio.sleep(0.01)
    worker.stop()
    await running


async def test_a_payment_is_one_trace_from_the_api_to_the_partner_and_its_id_is_the_payments(
    world: PaymentWorld, exporter: InMemorySpanExporter
) -> None:
    customer = await world.customer()
    body = pay_in(customer, description=CANARIES[2], context={"card_token": CANARIES[1]})
    created = await world.post("/v1/payments", body)
    payment = created.json()["id"]
    await worked(world, exporter)

    (request,) = named(exporter, "POST /v1/payments")
    call = named(exporter, "partner submit")[0]
    job = named(exporter, "job payments.attempt")[0]
    trace_id = ids.decode(ids.PAYMENT, payment).int
    assert (request.context.trace_id, call.context.trace_id) == (trace_id, trace_id)
    assert request.parent is None
    assert call.parent is not None
    assert call.parent.span_id == request.context.span_id
    assert job.context.span_id in {link.context.span_id for link in call.links}
    assert dict(request.attributes or {}) == {
        "http.request.method": "POST",
        "http.route": "/v1/payments",
        "http.response.status_code": 201,
        "caudal.book": world.book.book_id,
        "caudal.replayed": False,
    }
    said = dict(call.attributes or {})
    assert said.pop("caudal.attempt", "").startswith("att_")  # type: ignore[union-attr]
    assert said == {
        "caudal.partner": "stripe",
        "caudal.operation": "submit",
        "caudal.outcome": "not_sent",
        "caudal.reason": "unreachable",
    }


async def test_nothing_secret_or_personal_is_in_any_span(
    world: PaymentWorld, exporter: InMemorySpanExporter
) -> None:
    customer = await world.customer()
    body = pay_in(
        customer,
        description=CANARIES[2],
        metadata={"email": CANARIES[3]},
        context={"card_token": CANARIES[1]},
    )
    await world.post("/v1/payments", body)
    await world.post("/v1/payments", pay_in(customer, instrument=CANARIES[0]))
    await worked(world, exporter)

    everything = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert len(everything) > 1_000
    for secret in (*CANARIES, "sk_test_stripe", world.headers()["Authorization"].partition(" ")[2]):
        assert secret not in everything


async def test_a_repeat_and_a_read_stand_below_the_span_that_made_the_payment(
    world: PaymentWorld, exporter: InMemorySpanExporter
) -> None:
    body = pay_in(await world.customer())
    first = await world.post("/v1/payments", body, key="the same")
    again = await world.post("/v1/payments", body, key="the same")
    await world.get(f"/v1/payments/{first.json()['id']}")

    made, repeated = named(exporter, "POST /v1/payments")
    (read,) = named(exporter, "GET /v1/payments/{id}")
    assert again.headers["idempotent-replayed"] == "true"
    for span in (repeated, read):
        assert span.parent is not None
        assert span.parent.span_id == made.context.span_id
        assert span.context.span_id != made.context.span_id
        assert span.context.trace_id == made.context.trace_id


async def test_a_caller_that_traces_finds_the_request_in_its_own_trace_and_the_payment_linked(
    world: PaymentWorld, exporter: InMemorySpanExporter
) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    created = await world.post("/v1/payments", pay_in(await world.customer()), traceparent=parent)

    (request,) = named(exporter, "POST /v1/payments")
    assert f"{request.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert request.parent is not None
    assert f"{request.parent.span_id:016x}" == "b7ad6b7169203331"
    assert [link.context.trace_id for link in request.links] == [
        ids.decode(ids.PAYMENT, created.json()["id"]).int
    ]


async def test_a_traceparent_that_is_none_does_no_harm(
    world: PaymentWorld, exporter: InMemorySpanExporter
) -> None:
    created = await world.post("/v1/payments", pay_in(await world.customer()), traceparent="00-zz-nothing")

    (request,) = named(exporter, "POST /v1/payments")
    assert created.status_code == 201
    assert request.context.trace_id == ids.decode(ids.PAYMENT, created.json()["id"]).int


def test_while_it_is_off_spans_are_nothing() -> None:
    assert not telemetry.is_on()
    with telemetry.span("x", {}) as span:
        span.say("caudal.outcome", "reported")
    telemetry.record("y", {}, seconds=1.0)
