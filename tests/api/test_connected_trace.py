"""One payment, one trace: request, batch, job, the call to the partner, its webhook, our webhooks."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from caudal import jobs
from caudal.app import create_app
from caudal.worker import build, build_delivery
from caudal_base import ids, telemetry
from support.deliveries import OPTIONS, SEALING_KEY, Listener
from support.payment_api import BOOK, SETTINGS, PaymentWorld, pay_in
from support.traced import accepting
from support.webhooks import signed

if TYPE_CHECKING:
    from conftest import Server

TRACED = msgspec.structs.replace(SETTINGS, partners={"acme": accepting(BOOK)}, sealing_key=SEALING_KEY)


@pytest.fixture
async def world(server: "Server", migrated_template: str) -> AsyncIterator[PaymentWorld]:
    name = server.create_database(template=migrated_template)
    application = create_app(TRACED, dsn=server.dsn(name))
    async with application.running() as services:
        transport = httpx.ASGITransport(app=application, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as http:
            yield await PaymentWorld.make(http, services)
    server.drop_database(name)


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """Where this process's spans go meanwhile."""
    found = InMemorySpanExporter()
    telemetry.install(SimpleSpanProcessor(found))
    yield found
    telemetry.install(None)


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


async def seen(exporter: InMemorySpanExporter, name: str, count: int = 1) -> list[ReadableSpan]:
    async with asyncio.timeout(20):
        while len(named(exporter, name)) < count:
            await asyncio.sleep(0.01)
    return named(exporter, name)


async def test_a_payment_is_one_connected_trace_from_the_request_to_what_is_delivered(
    world: PaymentWorld, exporter: InMemorySpanExporter
) -> None:
    services = world.services
    worker = build(
        services.database,
        services.clock,
        partners=services.partners,
        options=jobs.Options(poll_max_s=0.01, upkeep_s=0.05),
    )
    deliverer = build_delivery(services.database, services.clock, TRACED, options=OPTIONS)
    async with Listener().serving() as listener, asyncio.TaskGroup() as running:
        running.create_task(worker.run())
        running.create_task(deliverer.run())
        endpoint = {"url": listener.url, "types": ["payment.*"], "ordered": True}
        assert (await world.post("/v1/webhook_endpoints", endpoint)).status_code == 201
        made = (await world.post("/v1/payments", pay_in(await world.customer()))).json()
        (call,) = await seen(exporter, "partner submit")
        (job,) = await seen(exporter, "job payments.attempt")
        sent = signed(f"pi_{made['id'][-8:]}", at=services.clock.now().replace(microsecond=0))
        answer = await world.http.post("/webhooks/in/acme", content=sent.body, headers=sent.headers)
        assert answer.status_code == 200
        (heard,) = await seen(exporter, "webhook in")
        out = await seen(exporter, "webhook out", 2)
        worker.stop()
        deliverer.stop()

    (request,) = named(exporter, "POST /v1/payments")
    (batch,) = named(exporter, "batch payments")
    trace = ids.decode(ids.PAYMENT, made["id"]).int
    # The request's span is the root; what is about the payment alone stands below it.
    assert request.parent is None
    for span in (call, heard, *out):
        assert (span.context.trace_id, _parent(span)) == (trace, request.context.span_id), span.name
    # What serves many payments has a trace of its own, and links lead from one to the other.
    assert request.context.span_id in _links(batch)
    assert job.context.span_id in _links(call)
    assert _links(heard) & {span.context.span_id for span in named(exporter, "job webhooks.apply")}
    # Who gets a webhook goes on with the trace.
    types = [msgspec.json.decode(one.body)["type"] for one in listener.received]
    assert types == ["payment.created", "payment.succeeded"]
    for span, one in zip(out, listener.received, strict=True):
        assert one.headers["traceparent"] == f"00-{trace:032x}-{span.context.span_id:016x}-01"


def _parent(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


def _links(span: ReadableSpan) -> set[Any]:
    return {link.context.span_id for link in span.links}
