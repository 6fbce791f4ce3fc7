"""Errors as callers see them: problem details (RFC 9457), with the headers that go with their status."""

from typing import Final

import msgspec

from caudal.idempotency import Answer
from caudal_base.errors import PROBLEM_MEDIA_TYPE, CaudalError, InvalidRequest, NotFound

_encoder: Final = msgspec.json.Encoder()
_CHALLENGE: Final = ("WWW-Authenticate", 'Bearer realm="caudal"')


class MethodNotAllowed(CaudalError):
    """The path exists and does not take this method; the header `Allow` lists those that it takes."""

    code = "method_not_allowed"
    status = 405
    title = "The path does not take this method"


class PathNotFound(NotFound):
    """Nothing is served at this path."""

    code = "path_not_found"
    title = "There is nothing at this path"


class UnknownParameter(InvalidRequest):
    """A query parameter that means nothing here: most often a misspelt one."""

    code = "unknown_parameter"
    title = "A query parameter is not known"


class InvalidParameter(InvalidRequest):
    """A query parameter with a value that it cannot have, or given twice."""

    code = "invalid_parameter"
    title = "A query parameter has an invalid value"


class RepeatedHeader(InvalidRequest):
    """A header that may stand once stands twice, so that readers would disagree about it."""

    code = "repeated_header"
    title = "A header is given twice"


class Incomplete(InvalidRequest):
    """The connection ended before the body did."""

    code = "incomplete_body"
    title = "The body is incomplete"


def problem(error: CaudalError, request_id: str | None = None) -> Answer:
    """The response that tells a caller of `error`."""
    headers = [("Content-Type", PROBLEM_MEDIA_TYPE)]
    if error.retry_after is not None:
        headers.append(("Retry-After", str(error.retry_after)))
    if error.status == 401:
        headers.append(_CHALLENGE)
    return Answer(error.status, tuple(headers), _encoder.encode(error.problem(request_id)))
