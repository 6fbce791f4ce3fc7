"""`/docs` and `/openapi.json`: the API, described."""

import functools
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any, Final

import msgspec

from caudal.api import (
    docs_pages,
    openapi,
    table_accounts,
    table_anomalies,
    table_books,
    table_cases,
    table_customers,
    table_decisions,
    table_disputes,
    table_events,
    table_models,
    table_objectives,
    table_payments,
    table_risk,
    table_routing,
    table_rules,
    table_transfers,
    table_webhooks_in,
    table_webhooks_out,
)
from caudal.api.endpoint import Access, Endpoint, NoBody, NoQuery, Shape
from caudal.api.event_types import FAMILIES
from caudal.api.health import ENDPOINTS as HEALTH
from caudal.api.request import Request
from caudal.api.schemas import Json
from caudal.idempotency import Answer

POLICY: Final = (
    "Content-Security-Policy",
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
)
_CACHED: Final = ("Cache-Control", "public, max-age=300")

DESCRIBED: Final[tuple[Endpoint[Any, Any], ...]] = (
    *table_books.ENDPOINTS,
    *table_accounts.ENDPOINTS,
    *table_transfers.ENDPOINTS,
    *table_customers.ENDPOINTS,
    *table_payments.ENDPOINTS,
    *table_disputes.ENDPOINTS,
    *table_decisions.ENDPOINTS,
    *table_risk.ENDPOINTS,
    *table_routing.ENDPOINTS,
    *table_rules.ENDPOINTS,
    *table_cases.ENDPOINTS,
    *table_models.ENDPOINTS,
    *table_anomalies.ENDPOINTS,
    *table_events.ENDPOINTS,
    *table_webhooks_in.ENDPOINTS,
    *table_webhooks_out.ENDPOINTS,
    *table_objectives.ENDPOINTS,
    *HEALTH,
)
"""The endpoints that the document describes."""


@functools.cache
def document() -> Json:
    """The OpenAPI document. It is made once, from the declarations of the endpoints."""
    return openapi.document(DESCRIBED, FAMILIES)


def document_text() -> bytes:
    """The document as it is kept beside the code: indented, so that a change of contract shows in a diff."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n"


def _answer(content_type: str, body: bytes) -> Answer:
    return Answer(200, (("Content-Type", content_type), POLICY, _CACHED), body)


def _html(page: str) -> Answer:
    return _answer("text/html; charset=utf-8", page.encode())


@functools.cache
def _operations() -> Answer:
    return _html(docs_pages.operations_page(document()))


@functools.cache
def _webhooks() -> Answer:
    return _html(docs_pages.webhooks_page(document()))


@functools.cache
def _schemas() -> Answer:
    return _html(docs_pages.schemas_page(document()))


@functools.cache
def _errors() -> Answer:
    return _html(docs_pages.errors_page())


@functools.cache
def _stylesheet() -> Answer:
    return _answer("text/css; charset=utf-8", files("caudal.api").joinpath("docs.css").read_bytes())


@functools.cache
def _openapi() -> Answer:
    return _answer("application/json", msgspec.json.encode(document()))


def _page(path: str, name: str, make: Callable[[], Answer]) -> Endpoint[Any, Any]:
    """An endpoint that answers the same to everybody."""

    async def handle(_: Request[NoQuery, NoBody]) -> Answer:
        return make()

    serve: Callable[[Request[NoQuery, NoBody]], Awaitable[Answer]] = handle
    return Endpoint(
        method="GET",
        path=path,
        name=name,
        tag="Documentation",
        summary=name,
        handle=serve,
        query=NoQuery,
        body=NoBody,
        access=Access.PUBLIC,
        answers={200: (Shape(description="The page.", media_type="text/html"),)},
        documented=False,
    )


ENDPOINTS: Final = (
    _page("/docs", "docs", _operations),
    _page("/docs/webhooks", "docs_webhooks", _webhooks),
    _page("/docs/schemas", "docs_schemas", _schemas),
    _page("/docs/errors", "docs_errors", _errors),
    _page("/docs/style.css", "docs_style", _stylesheet),
    _page("/openapi.json", "openapi", _openapi),
)
