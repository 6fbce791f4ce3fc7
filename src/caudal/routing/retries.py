"""Whether, where and when a payment is tried again whose attempt came to nothing. Pure.

What is unknown has no place here: until it is known what became of an attempt, no other begins.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from caudal.routing.types import Cause, PartnerHealth, Retry, Then

DEFAULTS: Final = (
    Retry(cause=Cause.HARD_DECLINE, then=Then.NEVER),
    Retry(cause=Cause.SOFT_DECLINE, then=Then.ELSEWHERE),
    Retry(cause=Cause.INVALID, then=Then.NEVER),
    Retry(cause=Cause.CONFLICT, then=Then.NEVER),
    Retry(cause=Cause.RATE_LIMITED, then=Then.LATER, wait_s=1),
    Retry(cause=Cause.NOT_SENT, then=Then.ELSEWHERE, times=10),
    Retry(cause=Cause.UNAVAILABLE, then=Then.ELSEWHERE),
    Retry(cause=Cause.CREDENTIALS, then=Then.ELSEWHERE),
)
"""The rows that always stand, behind those of the rule set."""

MAX_ATTEMPTS: Final = 10
"""So often one payment is begun at partners at most, whatever the rows say."""

FRESH_FOR: Final = dt.timedelta(hours=1)
"""A no that comes later than so long after the attempt was sent is final: nobody waits for it any more.

A direct debit comes back after days, and the customer has been told.
"""


class Tried(msgspec.Struct, frozen=True, gc=False):
    """An attempt to begin the payment, before the one that is looked at or itself."""

    partner: str
    refused: bool
    """The partner said no; otherwise it was not reached."""
    cause: Cause | None = None
    """Why it was made: what the attempt before it came to. None: it was the first."""


class Again(msgspec.Struct, frozen=True):
    """Try it again."""

    partner: str
    after: dt.timedelta
    cause: Cause


def row_of(rows: Sequence[Retry], cause: Cause, partner: str, code: str) -> Retry:
    """The row that is about an attempt's end. The first that fits counts, and one of `DEFAULTS` does."""
    return next(
        row
        for row in (*rows, *DEFAULTS)
        if row.cause is cause
        and (row.partner is None or row.partner == partner)
        and (not row.codes or code in row.codes)
    )


def again(
    rows: Sequence[Retry],
    *,
    cause: Cause,
    code: str,
    tried: Sequence[Tried],
    partners: Sequence[str],
    health: Callable[[str], PartnerHealth],
    wait: dt.timedelta | None = None,
) -> Again | None:
    """What follows upon the last of `tried`; None: nothing but its end.

    `partners` are those that the route allows, in order; `wait` is what the partner asked for. An attempt
    that was not sent and has nowhere else to go is no matter of this: it is sent when the partner is back.
    """
    last = tried[-1]
    row = row_of(rows, cause, last.partner, code)
    made = sum(1 for each in tried if each.cause is cause)
    if row.then is Then.NEVER or made >= row.times or len(tried) >= MAX_ATTEMPTS:
        return None
    if row.then is Then.LATER:
        return Again(last.partner, max(dt.timedelta(seconds=row.wait_s), wait or dt.timedelta()), cause)
    refused = {each.partner for each in tried if each.refused}
    others = [partner for partner in partners if partner != last.partner and partner not in refused]
    for wanted in (PartnerHealth.UP, PartnerHealth.RECOVERING):
        found = next((partner for partner in others if health(partner) is wanted), None)
        if found is not None:
            return Again(found, dt.timedelta(), cause)
    return None
