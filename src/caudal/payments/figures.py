"""What a batch tells routing: how attempts to begin payments have ended, and who is up or down. Pure."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

from caudal.connectors import ErrorClass, Why
from caudal.payments.outcomes import Changes
from caudal.payments.types import Attempt, AttemptState, Case, Payment
from caudal.routing import Attempted, Lane, Outage, Outcome

_ENDED: Final = frozenset({AttemptState.SUCCEEDED, AttemptState.FAILED, AttemptState.CANCELLED})

_DECLINES: Final = {
    ErrorClass.SOFT_DECLINE.value: Outcome.SOFT_DECLINE,
    ErrorClass.HARD_DECLINE.value: Outcome.HARD_DECLINE,
}


def attempted(before: Mapping[str, Case], after: Mapping[str, Case]) -> list[Attempted]:
    """The attempts that have ended in a batch, each once."""
    found = []
    for id_, case in after.items():
        old = before.get(id_)
        if case is old:
            continue
        open_before = {a.id for a in old.attempts if a.state not in _ENDED} if old is not None else None
        for attempt in case.beginnings:
            if attempt.state in _ENDED and (open_before is None or attempt.id in open_before):
                outcome = _outcome(attempt)
                if outcome is not None:
                    found.append(Attempted(lane_of(case.payment, attempt.partner), outcome, attempt.amount))
    return found


def lane_of(payment: Payment, partner: str) -> Lane:
    """Where a payment's attempt at a partner is counted."""
    rule = "" if payment.route is None else payment.route.rule
    return Lane(rule, partner, payment.currency, "" if payment.method is None else payment.method.value)


def _outcome(attempt: Attempt) -> Outcome | None:
    """None: it was called off before it was sent, and says nothing of the partner."""
    if attempt.state is AttemptState.SUCCEEDED:
        return Outcome.APPROVED
    if attempt.state is AttemptState.CANCELLED:
        return Outcome.NOT_SENT if attempt.superseded else None
    failure = attempt.failure
    return Outcome.FAILED if failure is None else _DECLINES.get(failure.class_, Outcome.FAILED)


def health(
    changes: Changes, outages: Mapping[str, Outage], now: dt.datetime
) -> tuple[list[Outage], list[str]]:
    """Partners that turned out not to be callable, and those of `outages` that are back.

    An answer says that a partner is back from what its breaker noticed; a rate limit lasts for its time.
    """
    down = list({outage.partner: outage for outage in changes.outages}.values())
    held_back = {outage.partner for outage in down}
    up = [
        name
        for name in sorted(changes.answering - held_back)
        if name in outages and (outages[name].reason == Why.BREAKER_OPEN or now >= outages[name].until)
    ]
    return down, up
