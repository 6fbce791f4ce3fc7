"""Refunds of which nobody but a person can say how they ended, and what that person says. Pure.

The payment itself has ended, so it is the attempt that waits: its money stays held, and its job leaves it be.
What the partner says meanwhile counts like any other news.
"""

import msgspec

from caudal.connectors import Operation
from caudal.payments import views
from caudal.payments.arrivals import not_received
from caudal.payments.attempts import put_attempt
from caudal.payments.commands import ApprovePayment, DeclinePayment
from caudal.payments.machine import Machine
from caudal.payments.outcomes import Outcome, OutcomeStatus
from caudal.payments.part_news import refund_failed, refund_succeeded
from caudal.payments.terms import Event
from caudal.payments.types import LIVE_ATTEMPTS, Attempt, AttemptState, Case, PaymentState


def ask_a_person(machine: Machine, case: Case, attempt: Attempt, note: str) -> Outcome:
    """Let a refund wait for a person; asked once, it is told once."""
    if attempt.asked_at is not None:
        return Outcome(OutcomeStatus.UNCHANGED, payment=case.payment, attempt=attempt)
    waiting = msgspec.structs.replace(
        attempt, state=AttemptState.UNKNOWN, asked_at=machine.now, updated_at=machine.now, note=note
    )
    put_attempt(machine, case, waiting)
    machine.tell("attempt.review", "attempt", waiting.id, views.encoded(views.attempt_view(waiting)))
    return Outcome(OutcomeStatus.APPLIED, payment=case.payment, attempt=waiting)


def waiting_for_a_person(case: Case) -> Attempt | None:
    """Of the refunds that wait for a person, the one that has waited longest."""
    waiting = [
        (attempt.asked_at, attempt.id, attempt)
        for attempt in case.attempts
        if attempt.asked_at is not None and attempt.state in LIVE_ATTEMPTS
    ]
    return min(waiting, key=lambda each: each[:2])[2] if waiting else None


def decide(machine: Machine, case: Case, command: ApprovePayment | DeclinePayment) -> Outcome:
    """End the payment's review, or else say how the refund ended that has waited longest for a person."""
    approved = isinstance(command, ApprovePayment)
    attempt = None if case.payment.state is PaymentState.REVIEW else waiting_for_a_person(case)
    if attempt is None:
        return machine.take(machine.situation(case), Event.APPROVE if approved else Event.DECLINE)
    if approved:
        return refund_succeeded(machine, case, attempt)
    # Should the partner have had it after all, what it says is then still believed.
    return refund_failed(machine, case, attempt, not_received())


def give_backs_not_received(case: Case) -> int:
    """How often what was taken wrongly was sent back, and did not arrive."""
    code = not_received().code
    return sum(
        1
        for attempt in case.attempts
        if attempt.operation is Operation.REFUND
        and attempt.part_id is None
        and attempt.failure is not None
        and attempt.failure.code == code
    )
