"""When a delivery is tried again, what an answer means, which events an endpoint wants. Pure."""

import datetime as dt
import difflib
import email.utils
import re
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from caudal.delivery.errors import InvalidEventTypes
from caudal.delivery.types import MAX_TYPES

PAUSES_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""After each attempt but the last: the schedule of Standard Webhooks 1.0.0, "Deliverability"."""

MAX_ATTEMPTS: Final = len(PAUSES_S) + 1

JITTER: Final = 0.2
"""Up to so much is added to a pause, so that what failed together does not come back together."""

MAX_RETRY_AFTER: Final = dt.timedelta(days=1)
"""An endpoint that asks for longer is tried again after this."""

MAX_ERROR: Final = 300
KEPT_RESPONSE_BYTES: Final = 2_048
"""Of an answer's body."""

TEST: Final = "webhook_endpoint.test"
"""The event that only the endpoint that it is about is sent, and only when it is asked for."""

_TYPE: Final = re.compile(r"[a-z_]{1,40}(\.[a-z_]{1,40}){1,2}|([a-z_]{1,40}\.){1,2}\*|\*", re.ASCII)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended: an answer, or why there was none."""

    status: int | None = None
    error: str | None = None
    retry_after: str | None = None
    """The header, of an answer."""
    body: bytes = b""
    """Its beginning."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from an attempt."""

    delivered: bool
    error: str | None = None
    next_at: dt.datetime | None = None
    """When it is tried again; None where it has arrived or is given up."""
    quiet_until: dt.datetime | None = None
    """Nothing at all is to be sent there before then: it said so."""
    gone: bool = False
    """It wants nothing any more."""


def judge(reply: Reply, tried: int, *, now: dt.datetime, jitter: float) -> Verdict:
    """What follows from attempt number `tried` of the schedule; `jitter` is in [0, 1).

    Source: Standard Webhooks 1.0.0, "Delivery success and failure": 2xx is a success and everything else a
    failure, redirects included; 410 disables; `Retry-After` is respected.
    """
    if reply.status is not None and 200 <= reply.status < 300:
        return Verdict(delivered=True)
    error = (reply.error or f"it answered {reply.status}")[:MAX_ERROR]
    if reply.status == 410:
        return Verdict(delivered=False, error=error, gone=True)
    asked = None
    if reply.status in (429, 503) and reply.retry_after is not None:
        asked = retry_after(reply.retry_after, now)
    next_at = None
    if tried < MAX_ATTEMPTS:
        next_at = now + dt.timedelta(seconds=PAUSES_S[tried - 1] * (1 + JITTER * jitter))
        next_at = max(next_at, asked or next_at)
    return Verdict(delivered=False, error=error, next_at=next_at, quiet_until=asked)


def retry_after(header: str, now: dt.datetime) -> dt.datetime | None:
    """The moment that a `Retry-After` names (RFC 9110, 10.2.3), a day from now at most; None for nonsense."""
    text = header.strip()
    try:
        if text.isascii() and text.isdigit():
            moment = now + min(dt.timedelta(seconds=int(text[:9])), MAX_RETRY_AFTER)
        else:
            moment = email.utils.parsedate_to_datetime(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        return None
    return min(max(moment, now), now + MAX_RETRY_AFTER)


def refuse_wrong_types(types: Sequence[str], known: Collection[str] = ()) -> None:
    """Refuse a filter that is none, or that nothing `known` can match. Raises `InvalidEventTypes`."""
    if not 1 <= len(types) <= MAX_TYPES:
        raise InvalidEventTypes(f"give 1 to {MAX_TYPES} types", field="types")
    for place, type_ in enumerate(types):
        if not _TYPE.fullmatch(type_):
            raise InvalidEventTypes(
                "a type is `payment.succeeded`, or `payment.*`, or `*`", field=f"types[{place}]"
            )
        if known and not any(_matches(type_, one) for one in known):
            nearest = _nearest(type_, known)
            hint = "" if nearest is None else f"; do you mean `{nearest}`?"
            raise InvalidEventTypes(f"no event is of type `{type_}`{hint}", field=f"types[{place}]")


def _matches(wanted: str, type_: str) -> bool:
    return type_.startswith(wanted[:-1]) if wanted.endswith("*") else type_ == wanted


def _nearest(wanted: str, known: Collection[str]) -> str | None:
    """What there is that looks most like a filter that nothing matches."""
    if wanted.endswith("*"):
        known = {f"{one.partition('.')[0]}.*" for one in known}
    return next(iter(difflib.get_close_matches(wanted, sorted(known), n=1)), None)


def patterns(types: Sequence[str]) -> list[str]:
    """`types` as patterns of SQL's `like`."""
    return [type_.replace("_", r"\_").replace("*", "%") for type_ in types]
