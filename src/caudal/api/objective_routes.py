"""Which endpoints objectives are about."""

from collections.abc import Callable
from typing import Any, Final

from caudal.api.endpoint import Endpoint
from caudal.objectives import Meter

_ACCEPTING: Final = frozenset({"/v1/payments", "/v1/payouts"})
_READING: Final = frozenset(
    {
        "/v1/accounts",
        "/v1/accounts/{id}",
        "/v1/accounts/{id}/balance",
        "/v1/accounts/{id}/entries",
        "/v1/accounts/{id}/statement",
        "/v1/transfers",
        "/v1/transfers/{id}",
        "/v1/transactions/{id}",
    }
)

Promise = Callable[[int, int, float], None]
"""Counts a request: of which book, with which status, after how many seconds."""


def promised(endpoint: Endpoint[Any, Any], meter: Meter) -> Promise | None:
    """What counts the requests of an endpoint that something is promised of."""
    if endpoint.method == "POST" and endpoint.path in _ACCEPTING:
        return meter.accepted
    if endpoint.method == "GET" and endpoint.path in _READING:
        return meter.read
    return None
