"""What becomes of attempts to begin a payment that came to nothing, and of those that were superseded. Pure.

Another attempt begins only once it is certain that the one before is without effect: the partner has said no,
or the call never reached it. What is unknown stays where it is.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Final

import msgspec

from caudal.connectors import NotSent, Operation, Snapshot, Status, Why
from caudal.payments.arrivals import failure_of
from caudal.payments.machine import Machine
from caudal.payments.outcomes import Outcome, OutcomeStatus
from caudal.payments.refusals import refusal
from caudal.payments.reports import captured_in
from caudal.payments.routes import cause_of
from caudal.payments.terms import Event
from caudal.payments.types import Attempt, AttemptState, Case, Failure, PaymentState
from caudal.routing import Again, Cause, Outage

LEAST_OUTAGE: Final = dt.timedelta(seconds=1)

_OUTAGES: Final = frozenset({Why.BREAKER_OPEN, Why.RATE_LIMITED})
"""Why calls are held back, of which the next one would be too."""

_CAUSES: Final[Mapping[str, Cause]] = {
    Why.RATE_LIMITED.value: Cause.RATE_LIMITED,
    Why.CREDENTIALS.value: Cause.CREDENTIALS,
}
"""By why a call was not sent; all others are `NOT_SENT`."""


def again_after(machine: Machine, case: Case, failure: Failure | None) -> Again | None:
    """Where a payment goes on whose attempt the partner has refused; None: nowhere."""
    if failure is None or case.payment.state is not PaymentState.PROCESSING:
        return None
    return machine.retry(case, cause_of(failure.class_), failure.code, None)


def again_after_news(machine: Machine, case: Case, event: Event, snapshot: Snapshot) -> Again | None:
    """The same where the partner tells of a payment that failed."""
    return again_after(machine, case, failure_of(snapshot)) if event is Event.PARTNER_FAILED else None


def not_sent(machine: Machine, noted: Outcome, answer: NotSent) -> Outcome:
    """A call that did not reach the partner: the payment goes elsewhere at once, if it may.

    `noted` is what is known of the attempt otherwise: it is sent once the partner is back.
    """
    attempt = noted.attempt
    if attempt is None or noted.payment is None:
        return noted
    note_outage(machine, attempt.partner, answer)
    case = machine.cases[noted.payment.id]
    begins = attempt.operation is Operation.SUBMIT and attempt.state is AttemptState.CREATED
    if not begins or case.payment.state is not PaymentState.PROCESSING:
        return noted
    reason = str(answer.reason)
    cause = _CAUSES.get(reason, Cause.NOT_SENT)
    again = machine.retry(case, cause, reason, answer.retry_after)
    if again is not None and again.partner == attempt.partner:
        again = None  # the same attempt is sent there again
    outcome = machine.take(machine.situation(case, again=again, code=reason), Event.NOT_SENT)
    if outcome.status is not OutcomeStatus.APPLIED:
        return noted
    moved = machine.cases[case.payment.id]
    current = next(each for each in moved.attempts if each.id == attempt.id)
    return msgspec.structs.replace(outcome, attempt=current)


def note_outage(machine: Machine, partner: str, answer: NotSent) -> None:
    """Let other payments know that a partner is not called for now."""
    if answer.reason in _OUTAGES:
        until = machine.now + max(answer.retry_after or LEAST_OUTAGE, LEAST_OUTAGE)
        machine.changes.outages.append(
            Outage(partner=partner, reason=str(answer.reason), since=machine.now, until=until)
        )


def hear_superseded(machine: Machine, case: Case, attempt: Attempt, snapshot: Snapshot) -> Outcome:
    """What is heard of an attempt in the place of which another has begun the payment.

    Its partner had said that it came to nothing. Should it have taken the money after all, it goes back to
    the payer: nothing of it was ever in the ledger.
    """
    payment = case.payment
    unchanged = Outcome(OutcomeStatus.UNCHANGED, payment=payment, attempt=attempt)
    taken = captured_in(snapshot)
    if not taken and snapshot.status is not Status.AUTHORISED:
        return unchanged
    if not taken or snapshot.currency != payment.currency:
        detail = "the partner holds money of an attempt that it said had failed, and that was made elsewhere"
        return Outcome(
            OutcomeStatus.REFUSED, payment=payment, attempt=attempt,
            refusal=refusal("contradicts_state", detail=detail),
        )  # fmt: skip
    if any(each.target_id == snapshot.partner_id for each in case.attempts):
        return unchanged
    known = msgspec.structs.replace(attempt, partner_id=snapshot.partner_id)
    attempts = tuple(known if each.id == attempt.id else each for each in case.attempts)
    after = machine.begin_attempt(
        msgspec.structs.replace(case, attempts=attempts),
        Operation.REFUND,
        taken,
        gives_back=msgspec.structs.replace(known, target_id=snapshot.partner_id),
    )
    machine.cases[payment.id] = after
    return Outcome(OutcomeStatus.APPLIED, payment=payment, attempt=known)
