"""Whether the process lives, whether it can serve, and its measurements."""

import psycopg

from caudal.access import Scope
from caudal.api import examples
from caudal.api.endpoint import Access, Endpoint, NoBody, NoQuery, Shape
from caudal.api.metrics import CONTENT_TYPE
from caudal.api.request import Request
from caudal.api.views import View, json_answer
from caudal.idempotency import Answer
from caudal_base.database import translate
from caudal_base.errors import Unavailable


class Health(View, frozen=True, kw_only=True):
    """How the process is."""

    status: str


async def live(_: Request[NoQuery, NoBody]) -> Answer:
    """GET /health/live"""
    return json_answer(200, Health(status="live"))


async def ready(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /health/ready; raises `Unavailable` while the database is away, and before the process ends."""
    if request.services.shared.stopping:
        raise Unavailable("this process is shutting down")
    try:
        async with request.services.database.connection() as connection:
            await connection.execute("select 1")
    except psycopg.Error as error:
        raise translate(error) from error
    return json_answer(200, Health(status="ready"))


async def metrics(request: Request[NoQuery, NoBody]) -> Answer:
    """GET /metrics"""
    await request.services.waiting.look()
    return Answer(200, (("Content-Type", CONTENT_TYPE),), request.services.metrics.text())


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/health/live",
        name="get_live",
        tag="Operating",
        summary="Whether the process runs",
        handle=live,
        query=NoQuery,
        body=NoBody,
        access=Access.PUBLIC,
        answers={200: (Shape(description="It does.", type=Health, example={"status": "live"}),)},
    ),
    Endpoint(
        method="GET",
        path="/health/ready",
        name="get_ready",
        tag="Operating",
        summary="Whether requests can be served",
        description="503 while the database is away, and from when the process is told to end.",
        handle=ready,
        query=NoQuery,
        body=NoBody,
        access=Access.PUBLIC,
        answers={200: (Shape(description="They can.", type=Health, example={"status": "ready"}),)},
    ),
    Endpoint(
        method="GET",
        path="/metrics",
        name="get_metrics",
        tag="Operating",
        summary="Measurements for Prometheus",
        description="Of all processes that serve this port together, whichever is asked.",
        handle=metrics,
        query=NoQuery,
        body=NoBody,
        access=Access.KEY,
        scope=Scope.LEDGER_READ,
        waits=False,
        answers={
            200: (Shape(description="The text format.", media_type="text/plain", example=examples.METRICS),)
        },
    ),
)
