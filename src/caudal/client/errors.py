"""What a call can fail with.

    CaudalError
    ├── Refused                     a final no: nothing was done, and repeating it changes nothing
    │   ├── InvalidRequest     400  malformed; `field` says where (also 405, 413, 415)
    │   ├── Unauthenticated    401  no valid API key
    │   ├── Forbidden          403  a key that lacks a scope, or does not reach the book
    │   ├── NotFound           404  no such thing, or none that the key reaches
    │   ├── Conflict           409  the present state does not allow it
    │   ├── Unprocessable      422  well formed, and refused by a rule: `exceeds_debit_limit`
    │   └── TooManyRequests    429  nothing was done, at any attempt
    ├── Unavailable                 no usable answer to a read, after all attempts
    │   └── OutcomeUnknown          a write that may or may not have been done:
    │                               repeat it with `idempotency_key` and learn which
    └── UnexpectedAnswer            an answer to a read that no Caudal gives: a proxy's page, a redirect

`code` is stable and made to be compared; `detail` is for people.
"""

import datetime as dt
import email.utils
from collections.abc import Sequence
from typing import Final

import httpx
import msgspec

from caudal.client.risk_rule_types import RuleFault, RuleTested


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Problem details (RFC 9457) as the API sent them."""

    code: str
    status: int
    detail: str = ""
    title: str = ""
    type: str = "about:blank"
    """Where the code is explained, relative to the API."""
    field: str | None = None
    instance: str | None = None
    """The request's id."""
    retry_after: int | None = None
    """Seconds."""
    scope: str | None = None
    """With `missing_scope`: the one that is missing."""
    reason: str | None = None
    """Of a webhook that was refused: why."""
    problems: Sequence[RuleFault] = ()
    """All that is wrong with rules of decisions."""
    tests: Sequence[RuleTested] = ()
    """Tests of rules that fail."""


class CaudalError(Exception):
    """Anything that a call fails with. It never holds the API key."""

    def __init__(
        self,
        detail: str,
        *,
        code: str = "",
        status: int | None = None,
        field: str | None = None,
        problem: Problem | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """Made by the client; `status` is None where there was no answer."""
        super().__init__(detail)
        self.detail = detail
        """What happened, for people."""
        self.code = code
        """Stable: `exceeds_debit_limit`."""
        self.status = status
        """The answer's HTTP status."""
        self.field = field
        """The part of the request at fault, as a path: `transfers[3].amount`."""
        self.problem = problem
        """All that the API said; None where something else answered, or nothing did."""
        self.request_id = request_id
        """To be named in questions about this request."""
        self.retry_after = retry_after
        """For how many seconds the API asked to be left alone."""

    def __str__(self) -> str:
        """`exceeds_debit_limit: the account may not be overdrawn (amount)`"""
        where = "" if self.field is None else f" ({self.field})"
        return f"{self.code}: {self.detail}{where}"


class Refused(CaudalError):
    """A final no. It moved no money."""


class InvalidRequest(Refused):
    """The request is malformed: a wrong type, an unknown field, a value out of range, too many bytes."""


class Unauthenticated(Refused):
    """The API key is unknown, expired or revoked."""


class Forbidden(Refused):
    """The API key lacks a scope, or does not reach the book."""


class NotFound(Refused):
    """There is no such thing, or none that the API key reaches."""


class Conflict(Refused):
    """The present state of the thing does not allow it."""


class Unprocessable(Refused):
    """Well formed, and refused by a rule."""


class TooManyRequests(Refused):
    """Over the caller's rate at every attempt: nothing was done, and the same may pass later."""


class Unavailable(CaudalError):
    """No usable answer after all attempts. `__cause__` is what the last one came to."""


class OutcomeUnknown(Unavailable):
    """A write may or may not have been done.

    Call again with the same arguments and `idempotency_key`, from this process or another one, within 30
    days: if it was done, the answer is that of then, and otherwise it is done now. Never with another key.
    """

    def __init__(
        self,
        detail: str,
        *,
        idempotency_key: str = "",
        status: int | None = None,
        problem: Problem | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        """`status` and what follows are those of the last attempt's answer, if it had one."""
        super().__init__(
            detail,
            code="outcome_unknown",
            status=status,
            problem=problem,
            request_id=request_id,
            retry_after=retry_after,
        )
        self.idempotency_key = idempotency_key
        """What the repeat must be called with."""


class UnexpectedAnswer(CaudalError):
    """Something answered, and not as the API does: most often a proxy, or a wrong base URL."""


_BY_STATUS: Final[dict[int, type[Refused]]] = {
    401: Unauthenticated,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    422: Unprocessable,
    429: TooManyRequests,
}

_problems: Final = msgspec.json.Decoder(Problem)


def error_of(response: httpx.Response) -> CaudalError:
    """The error that a response other than 2xx tells of."""
    status = response.status_code
    try:
        problem = _problems.decode(response.content)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = None
    kind: type[CaudalError]
    if status >= 500:
        kind = Unavailable
    elif status >= 400:
        kind = _BY_STATUS.get(status, InvalidRequest)
    else:
        kind = UnexpectedAnswer
    seconds = retry_after_s(response.headers.get("retry-after"), dt.datetime.now(dt.UTC))
    if problem is None:
        return kind(
            f"answered with status {status}, and not in the API's form",
            code=f"http_{status}",
            status=status,
            request_id=response.headers.get("x-request-id"),
            retry_after=seconds,
        )
    return kind(
        problem.detail,
        code=problem.code,
        status=status,
        field=problem.field,
        problem=problem,
        request_id=response.headers.get("x-request-id"),
        retry_after=problem.retry_after if seconds is None else seconds,
    )


def retry_after_s(header: str | None, now: dt.datetime) -> float | None:
    """The seconds that `Retry-After` asks to wait, given as such or as a date (RFC 9110 section 10.2.3).

    None where the header is missing or means nothing.
    """
    if header is None:
        return None
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        moment = email.utils.parsedate_to_datetime(header)
    except ValueError:
        return None
    if moment.tzinfo is None:  # "-0000": the same as GMT
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - now).total_seconds())
