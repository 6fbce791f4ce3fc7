"""Typed errors, and how they look to a caller: RFC 9457 problem details.

    CaudalError                 500  internal_error
    ├── InvalidRequest          400  invalid_request        the request itself is wrong: repeat it changed
    ├── Unauthenticated         401  unauthenticated        no usable credential
    ├── Forbidden               403  forbidden              a credential that may not do this
    ├── NotFound                404  not_found              no such thing, or none that the caller may see
    ├── Conflict                409  conflict               the state of the thing does not allow it
    ├── PayloadTooLarge         413  payload_too_large      more bytes than accepted
    ├── UnsupportedMediaType    415  unsupported_media_type a body in another format than JSON
    ├── Unprocessable           422  unprocessable          well formed, and refused by a rule
    ├── TooManyRequests         429  too_many_requests      repeat after `retry_after` seconds
    ├── InvariantError          500  invariant_violated     a bug of ours; the transaction was given up
    └── Unavailable             503  unavailable            outcome unknown: repeat with the same key

A room's own errors derive from these and set `code` and `title`. A 4xx is final and moved no money;
a 5xx means that the outcome is unknown.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

PROBLEM_MEDIA_TYPE = "application/problem+json"
"""The media type of `CaudalError.problem` (RFC 9457 section 6.1)."""

DOCUMENTATION = "/docs/errors"
"""Where a problem's `type` leads; the fragment is the code."""

_OWN_MEMBERS = frozenset({"type", "title", "status", "detail", "instance", "code", "field", "retry_after"})


class CaudalError(Exception):
    """Anything that Caudal refuses or fails at, with a stable code and an HTTP status.

    `code`, `status` and `title` belong to the class; `detail` says what happened this time, `field` names
    the part of the request at fault as a path (`transfers[3].amount`), `members` are the problem's
    extension members (RFC 9457 section 3.2), `retry_after` is in whole seconds.
    """

    code: ClassVar[str] = "internal_error"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"
    retry_after: int | None = None

    def __init__(
        self, detail: str, *, field: str | None = None, retry_after: int | None = None, **members: Any
    ) -> None:
        """`detail` is for people and must hold no secret; `members` must be JSON values."""
        super().__init__(detail)
        reserved = _OWN_MEMBERS & members.keys()
        if reserved:
            raise TypeError(f"reserved problem members: {', '.join(sorted(reserved))}")
        self.detail = detail
        self.field = field
        self.members: Mapping[str, Any] = members
        if retry_after is not None:
            self.retry_after = retry_after

    def problem(self, instance: str | None = None) -> dict[str, Any]:
        """The problem details object; `instance` identifies this occurrence (the request's path or id)."""
        problem: dict[str, Any] = {
            "type": f"{DOCUMENTATION}#{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.field is not None:
            problem["field"] = self.field
        if instance is not None:
            problem["instance"] = instance
        if self.retry_after is not None:
            problem["retry_after"] = self.retry_after
        problem.update(self.members)
        return problem


class InvalidRequest(CaudalError):
    """The request is malformed: wrong type, unknown field, value out of range."""

    code = "invalid_request"
    status = 400
    title = "The request is not valid"


class Unauthenticated(CaudalError):
    """No credential, or one that is unknown, expired or revoked."""

    code = "unauthenticated"
    status = 401
    title = "A valid API key is needed"


class Forbidden(CaudalError):
    """The credential is good, and does not permit this."""

    code = "forbidden"
    status = 403
    title = "This is not permitted"


class NotFound(CaudalError):
    """There is no such thing, or none that the caller may see."""

    code = "not_found"
    status = 404
    title = "Not found"


class Conflict(CaudalError):
    """The thing's present state does not allow it."""

    code = "conflict"
    status = 409
    title = "The present state does not allow this"


class PayloadTooLarge(CaudalError):
    """The body has more bytes than are accepted."""

    code = "payload_too_large"
    status = 413
    title = "The body is too large"


class UnsupportedMediaType(CaudalError):
    """The body is in another format than the one that is read here."""

    code = "unsupported_media_type"
    status = 415
    title = "The body's format is not supported"


class Unprocessable(CaudalError):
    """Well formed, and refused by a rule."""

    code = "unprocessable"
    status = 422
    title = "A rule refuses this"


class TooManyRequests(CaudalError):
    """The caller is over its rate; nothing was done."""

    code = "too_many_requests"
    status = 429
    title = "Too many requests"
    retry_after = 1


class InvariantError(CaudalError):
    """Something that cannot be, is: a bug of ours. Nothing of the transaction was kept."""

    code = "invariant_violated"
    status = 500
    title = "An internal check failed"


class Unavailable(CaudalError):
    """Could not be done, or could not be confirmed, for now: repeat with the same idempotency key."""

    code = "unavailable"
    status = 503
    title = "Temporarily unavailable"
    retry_after = 1
