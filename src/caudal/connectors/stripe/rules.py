"""What a PaymentIntent as it stands says of a call that was to change it. Pure."""

from collections.abc import Mapping
from typing import Any

from caudal.connectors.drift import Drift, DriftKind
from caudal.connectors.types import (
    Call,
    ErrorClass,
    Found,
    NotFound,
    Operation,
    PartnerError,
    Refused,
    Reported,
    Snapshot,
    Status,
)

_CLOSED = frozenset({Status.SUCCEEDED, Status.CANCELLED, Status.FAILED})


def outcome(call: Call, intent: Snapshot) -> Found:
    """What became of `call`, given the PaymentIntent that it was about.

    Of a call that shows no trace, *not found* while it could still have its effect; refused where the
    PaymentIntent is closed, and so it never will. What fits neither is reported as it is.
    """
    if intent.status is Status.UNKNOWN:
        return Reported(intent)
    captured = intent.captured or 0
    match call.operation:
        case Operation.SUBMIT | Operation.REFUND:
            done, untouched = True, False
        case Operation.CAPTURE:
            done = captured == call.captured_before + call.amount
            untouched = captured == call.captured_before
        case Operation.INCREMENT:
            done = intent.amount == call.amount
            untouched = intent.amount < call.amount
        case Operation.CANCEL:
            # What is captured in part is voided by releasing the rest, and has succeeded then.
            released = intent.status is Status.SUCCEEDED and 0 < captured == call.captured_before
            done = released or intent.status is Status.CANCELLED
            untouched = not done
    if done or not untouched:
        return Reported(intent)
    if intent.status in _CLOSED:
        message = f"the PaymentIntent is {intent.status.value}"
        return Refused(PartnerError(code="closed", class_=ErrorClass.CONFLICT, message=message))
    return NotFound()


def ids_of_attempt(page: Mapping[str, Any], attempt_id: str, drift: Drift) -> list[str] | None:
    """The ids of a search's results that are of the attempt; None where they cannot be read."""
    results = page.get("data")
    if not isinstance(results, list):
        drift.record(DriftKind.UNEXPECTED_TYPE, "search.data", type(results).__name__)
        return None
    ids = []
    for result in results:
        metadata = result.get("metadata") if isinstance(result, dict) else None
        if isinstance(metadata, dict) and metadata.get("attempt_id") == attempt_id:
            if not isinstance(result.get("id"), str):
                drift.record(DriftKind.MISSING, "search.data.id")
                return None
            ids.append(result["id"])
    return ids
