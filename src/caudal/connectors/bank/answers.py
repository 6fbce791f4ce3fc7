"""What the bank's answers mean for a call or a query. Pure; what is not the bank's own is never believed.

Only an answer in the bank's form is final. A 404 from a proxy, a page of HTML with status 200, an object
that lacks its amount: what became of the call is unknown.
"""

from collections.abc import Mapping
from typing import Any, Final

from caudal.connectors.bank import rules
from caudal.connectors.drift import NO_CURRENCY, Drift, DriftKind, Reading
from caudal.connectors.http import Reply
from caudal.connectors.types import (
    Answer,
    Call,
    ErrorClass,
    Found,
    NotFound,
    NotSent,
    Operation,
    PartnerError,
    Refused,
    Reported,
    Snapshot,
    Status,
    Unknown,
    Why,
)

_IN_DOUBT: Final = {
    "idempotency_in_flight": Why.IN_FLIGHT,
    "idempotency_key_reused": Why.KEY_REUSED,
}
"""Errors that say that the key has been seen; of what became of the first call with it they say nothing."""

_NOT_CANCELLABLE: Final = PartnerError(
    code="not_cancellable", class_=ErrorClass.CONFLICT, message="it is carried out, or has ended"
)


class Answers:
    """Reads answers, and records what drifts."""

    def __init__(self, drift: Drift) -> None:
        self._drift = drift

    def to_call(self, reply: Reply, resource: rules.Resource, call: Call) -> Answer:
        """What came of a POST."""
        if reply.status in (200, 201):
            # A cancellation answers with the order of another attempt.
            attempt_id = None if call.operation is Operation.CANCEL else call.attempt_id
            return self._order(reply.fields, resource, attempt_id)
        if reply.status == 429:
            return NotSent(Why.RATE_LIMITED, reply.retry_after)
        error = self._error(reply)
        if error is None:
            return _unknown(reply)
        if error.class_ is ErrorClass.CREDENTIALS:
            return NotSent(Why.CREDENTIALS)
        doubt = _IN_DOUBT.get(error.code)
        return Refused(error) if doubt is None else Unknown(doubt)

    def to_fetch(self, reply: Reply, resource: rules.Resource) -> Found:
        """What came of asking by the bank's own id."""
        if reply.status == 200:
            return self._order(reply.fields, resource, None)
        error = self._error(reply)
        if reply.status == 404 and error is not None and error.code == "not_found":
            return NotFound()
        return _unknown(reply)

    def to_search(self, reply: Reply, resource: rules.Resource, attempt_id: str) -> Found:
        """What came of asking by the attempt."""
        if reply.status != 200:
            return _unknown(reply)
        found = (reply.fields or {}).get("data")
        if not isinstance(found, list):
            self._drift.record(DriftKind.MISSING, f"{resource.name}_list.data")
            return Unknown(Why.UNREADABLE)
        if not found:
            return NotFound()
        if len(found) > 1:
            return Unknown(Why.SEVERAL_FOUND)
        return self._order(found[0], resource, attempt_id)

    @staticmethod
    def to_cancel_query(found: Found) -> Found:
        """Whether a cancellation has taken place, by what was found of the order."""
        if not isinstance(found, Reported):
            return found
        match found.snapshot.status:
            case Status.CANCELLED | Status.UNKNOWN:
                return found
            case Status.PENDING:
                return NotFound()
            case _:
                return Refused(_NOT_CANCELLABLE)

    def _order(
        self, fields: Mapping[str, Any] | None, resource: rules.Resource, attempt_id: str | None
    ) -> Reported | Unknown:
        """The order in an answer, which must be the attempt's where one is named."""
        if not isinstance(fields, dict):
            return Unknown(Why.UNREADABLE)
        snapshot = rules.order_snapshot(resource, fields, self._drift)
        if not _is_whole(snapshot):
            return Unknown(Why.UNREADABLE)
        if attempt_id is not None and snapshot.attempt_id != attempt_id:
            Reading(self._drift, resource.name, fields).contradiction("reference", "of_another_attempt")
            return Unknown(Why.UNREADABLE)
        return Reported(snapshot)

    def _error(self, reply: Reply) -> PartnerError | None:
        if reply.status == 429 or not 400 <= reply.status < 500 or reply.fields is None:
            return None  # of 429 the status says all, whatever its code
        return rules.partner_error(reply.status, reply.fields, self._drift)


def _is_whole(snapshot: Snapshot) -> bool:
    """Whether all that was wanted of an order could be read; its status may be one that nobody knows."""
    return bool(snapshot.partner_id and snapshot.attempt_id) and snapshot.currency != NO_CURRENCY


def _unknown(reply: Reply) -> Unknown:
    """What is neither the bank's yes nor its no."""
    if reply.status >= 500:
        return Unknown(Why.SERVER_ERROR)
    if reply.status == 429:
        return Unknown(Why.RATE_LIMITED)
    if reply.status in (401, 403):
        return Unknown(Why.CREDENTIALS)
    return Unknown(Why.UNREADABLE)
