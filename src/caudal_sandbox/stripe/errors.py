"""Stripe's errors, as bodies that its SDKs turn into exceptions."""

from typing import Any

from caudal_sandbox.messages import json_response
from caudal_sandbox.partner import Refusal

__all__ = ["DOCUMENTATION", "Refusal", "body", "conflict", "declined", "invalid", "missing"]

DOCUMENTATION = "https://stripe.com/docs/error-codes/"


def body(type: str, message: str, **more: Any) -> dict[str, Any]:
    """`{"error": {…}}`; of `more` what is None is left out."""
    error: dict[str, Any] = {"type": type, "message": message}
    error.update((name, value) for name, value in more.items() if value is not None)
    code = more.get("code")
    if code is not None:
        error["doc_url"] = DOCUMENTATION + code.replace("_", "-")
    return {"error": error}


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> Refusal:
    """400: the call is wrong, and was not begun."""
    answer = json_response(400, body("invalid_request_error", message, code=code, param=param))
    return Refusal(answer, kept=False)


def missing(what: str, id: str, *, param: str = "id") -> Refusal:
    """404: there is no such thing."""
    message = f"No such {what}: '{id}'"
    answer = json_response(404, body("invalid_request_error", message, code="resource_missing", param=param))
    return Refusal(answer, kept=False)


def conflict(message: str, *, code: str | None = None, param: str | None = None, **objects: Any) -> Refusal:
    """400: begun, and the state of the object does not allow it."""
    answer = json_response(400, body("invalid_request_error", message, code=code, param=param, **objects))
    return Refusal(answer, kept=True)


def declined(error: dict[str, Any]) -> Refusal:
    """402: the card's issuer, or its owner, does not want it."""
    return Refusal(json_response(402, {"error": error}), kept=True)
