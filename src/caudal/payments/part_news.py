"""What partners say of refunds, disputes and fees: the tables of `part_rules`, carried out. Pure."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec

from caudal.connectors import PartnerFee, Snapshot, Subject
from caudal.payments import postings, views
from caudal.payments.arrivals import failure_of
from caudal.payments.attempts import find_attempt, put_attempt
from caudal.payments.guards import NOT_RECEIVED
from caudal.payments.machine import Machine
from caudal.payments.outcomes import Outcome, OutcomeStatus
from caudal.payments.part_rules import DISPUTES, GIVEN_UP_REFUNDS, REFUNDS, RefundEvent
from caudal.payments.refusals import refusal
from caudal.payments.reports import DISPUTE_STATES, REFUND_EVENTS
from caudal.payments.types import (
    Attempt,
    AttemptState,
    Case,
    Dispute,
    DisputeState,
    Failure,
    PartState,
    Payment,
    Refund,
)
from caudal.routing import Cost, Lane
from caudal_base import ids

OTHER: Final = "other"
"""In the place of a method, of fees that are of no payment."""

_UNCHANGED: Final = OutcomeStatus.UNCHANGED


def payment_of(machine: Machine, partner: str, snapshot: Snapshot) -> Case | None:
    """The payment that a snapshot is about: by the attempt's id, or else by the partner's."""
    if snapshot.attempt_id is not None:
        found = find_attempt(machine, snapshot.attempt_id)
        if found is not None and found[1].partner == partner:
            return found[0]
    wanted = snapshot.partner_id if snapshot.subject is Subject.PAYMENT else snapshot.parent_id
    if wanted is None:
        return None
    return next(
        (
            case
            for case in machine.cases.values()
            if case.payment.partner == partner
            and (case.payment.partner_id == wanted or wanted in case.payment.related.values())
        ),
        None,
    )


def post_fees(machine: Machine, partner: str, fees: Sequence[PartnerFee], reference: str | None) -> bool:
    """Post the partner's fees that are not posted yet; whether any was new."""
    new = False
    for fee in fees:
        if fee.amount and fee.partner_id not in machine.posted_fees:
            machine.posted_fees.add(fee.partner_id)
            machine.post([postings.fee_transfer(partner, fee, reference)])
            machine.changes.costs.append(_cost(machine, partner, fee, reference))
            new = True
    return new


def _cost(machine: Machine, partner: str, fee: PartnerFee, reference: str | None) -> Cost:
    """A fee as routing counts it: by the rule and the method of its payment, where that is known."""
    case = None if reference is None else machine.cases.get(reference)
    rule, method = machine.fee_lanes.get(fee.partner_id, ("", OTHER))
    if case is not None:
        payment = case.payment
        rule = "" if payment.route is None else payment.route.rule
        method = OTHER if payment.method is None else payment.method.value
    return Cost(Lane(rule, partner, fee.currency, method), fee.amount)


def with_attempt(machine: Machine, outcome: Outcome, attempt: Attempt) -> Outcome:
    found = find_attempt(machine, attempt.id)
    return msgspec.structs.replace(outcome, attempt=attempt if found is None else found[1])


def _end_attempt(
    machine: Machine, case: Case, attempt: Attempt, state: AttemptState, failure: Failure | None,
    partner_id: str | None = None,
) -> Outcome:  # fmt: skip
    ended = msgspec.structs.replace(
        attempt, state=state, failure=failure if state is AttemptState.FAILED else None,
        partner_id=partner_id or attempt.partner_id, updated_at=machine.now, asked_at=None,
    )  # fmt: skip
    put_attempt(machine, case, ended)
    if state is AttemptState.FAILED:
        # The payer's money stays with the partner, and nobody but a person can do anything about it.
        view = views.encoded(views.attempt_view(ended))
        machine.tell("attempt.give_back_failed", "attempt", ended.id, view)
    return Outcome(OutcomeStatus.APPLIED, payment=case.payment, attempt=ended)


def hear_refund(machine: Machine, partner: str, snapshot: Snapshot) -> Outcome:
    case = payment_of(machine, partner, snapshot) or _case_of_refund(machine, partner, snapshot)
    event = REFUND_EVENTS.get(snapshot.status)
    if case is None:
        return Outcome(OutcomeStatus.WAITING)
    if event is None:
        return Outcome(_UNCHANGED, payment=case.payment)
    attempt = None if snapshot.attempt_id is None else find_attempt(machine, snapshot.attempt_id)
    if attempt is not None and attempt[1].part_id is None:
        return _given_back(machine, case, attempt[1], snapshot, event)
    refund = _refund_in(case, None if attempt is None else attempt[1].part_id, snapshot.partner_id)
    if refund is not None and (refund.amount, case.payment.currency) != (snapshot.amount, snapshot.currency):
        return Outcome(
            OutcomeStatus.REFUSED, payment=case.payment, refund=refund,
            refusal=refusal("contradicts_state", detail="the partner refunds another amount than was asked"),
        )  # fmt: skip
    outcome = _move_refund(machine, case, refund, event, snapshot, failure_of(snapshot))
    posted = post_fees(machine, partner, snapshot.fees, case.payment.id)
    return msgspec.structs.replace(outcome, status=OutcomeStatus.APPLIED) if posted else outcome


def _case_of_refund(machine: Machine, partner: str, snapshot: Snapshot) -> Case | None:
    for case in machine.cases.values():
        if case.payment.partner == partner and any(r.partner_id == snapshot.partner_id for r in case.refunds):
            return case
    return None


def _refund_in(case: Case, refund_id: str | None, partner_id: str) -> Refund | None:
    for refund in case.refunds:
        if refund.id == refund_id or refund.partner_id == partner_id:
            return refund
    return None


def refund_failed(machine: Machine, case: Case, attempt: Attempt, failure: Failure) -> Outcome:
    if attempt.part_id is None:
        return _end_attempt(machine, case, attempt, AttemptState.FAILED, failure)
    refund = next(r for r in case.refunds if r.id == attempt.part_id)
    outcome = _move_refund(machine, case, refund, RefundEvent.FAILED, None, failure)
    return with_attempt(machine, outcome, attempt)


def refund_succeeded(machine: Machine, case: Case, attempt: Attempt) -> Outcome:
    """A person knows that it was paid back."""
    if attempt.part_id is None:
        return _end_attempt(machine, case, attempt, AttemptState.SUCCEEDED, None)
    refund = next(r for r in case.refunds if r.id == attempt.part_id)
    outcome = _move_refund(machine, case, refund, RefundEvent.SUCCEEDED, None, None)
    return with_attempt(machine, outcome, attempt)


def _given_back(
    machine: Machine, case: Case, attempt: Attempt, snapshot: Snapshot, event: RefundEvent
) -> Outcome:
    """What the partner had taken wrongly goes back to the payer: nothing of it was ever in the ledger."""
    state = {
        RefundEvent.PENDING: AttemptState.ACCEPTED,
        RefundEvent.SUCCEEDED: AttemptState.SUCCEEDED,
        RefundEvent.FAILED: AttemptState.FAILED,
    }[event]
    if attempt.state is state:
        return Outcome(_UNCHANGED, payment=case.payment, attempt=attempt)
    return _end_attempt(machine, case, attempt, state, failure_of(snapshot), snapshot.partner_id)


def _move_refund(
    machine: Machine, case: Case, refund: Refund | None, event: RefundEvent, snapshot: Snapshot | None,
    failure: Failure | None,
) -> Outcome:  # fmt: skip
    """One step of the refunds' table."""
    payment, now = case.payment, machine.now
    before = None if refund is None else refund.state
    given_up = refund is not None and refund.failure is not None and refund.failure.code == NOT_RECEIVED
    state, posting = GIVEN_UP_REFUNDS[event] if given_up else REFUNDS[before, event]
    if refund is None:
        if snapshot is None:
            return Outcome(_UNCHANGED, payment=payment)
        if snapshot.currency != payment.currency:
            detail = "the refund is in another currency than the payment"
            return Outcome(
                OutcomeStatus.REFUSED, payment=payment, refusal=refusal("contradicts_state", detail=detail)
            )
        refund = Refund(
            id=ids.encode(ids.REFUND, machine.new_ids.new()), payment_id=payment.id, amount=snapshot.amount,
            state=PartState.PENDING, created_at=now, updated_at=now, reason="made at the partner",
        )  # fmt: skip
        case = msgspec.structs.replace(case, refunds=(*case.refunds, refund))
    commands, held = postings.refund_plan(posting, payment, refund)
    refused = machine.post(commands) if commands else None
    if refused is not None:
        return Outcome(OutcomeStatus.REFUSED, payment=payment, refund=refund, refusal=refused)
    moved = msgspec.structs.replace(
        refund, state=state, hold_id=held, failure=failure if state is PartState.FAILED else None,
        partner_id=refund.partner_id or (None if snapshot is None else snapshot.partner_id),
        updated_at=now,
    )  # fmt: skip
    attempts = _attempts_of_refund(case, moved, failure, now)
    unchanged = state is before and moved.partner_id == refund.partner_id and attempts == case.attempts
    if unchanged:
        return Outcome(_UNCHANGED, payment=payment, refund=refund)
    payment = _refund_totals(payment, moved, before, now)
    machine.replace(
        case,
        payment=payment,
        attempts=attempts,
        refunds=tuple(moved if r.id == moved.id else r for r in case.refunds),
    )
    if state is not before:
        data = views.encoded(views.refund_view(moved, payment.currency))
        machine.tell(f"refund.{state.value}", "refund", moved.id, data)
    return Outcome(OutcomeStatus.APPLIED, payment=payment, refund=moved)


def _attempts_of_refund(
    case: Case, refund: Refund, failure: Failure | None, now: dt.datetime
) -> tuple[Attempt, ...]:
    state = {
        PartState.PENDING: AttemptState.ACCEPTED,
        PartState.SUCCEEDED: AttemptState.SUCCEEDED,
        PartState.FAILED: AttemptState.FAILED,
    }[refund.state]
    return tuple(
        msgspec.structs.replace(
            a, state=state, partner_id=refund.partner_id, updated_at=now, asked_at=None,
            failure=failure if state is AttemptState.FAILED else None,
        )
        if a.part_id == refund.id and a.state is not state
        else a
        for a in case.attempts
    )  # fmt: skip


def _refund_totals(payment: Payment, refund: Refund, before: PartState | None, now: dt.datetime) -> Payment:
    """The payment's sums after a refund has moved."""
    after = refund.state
    pending = (after is PartState.PENDING) - (before is PartState.PENDING)
    succeeded = (after is PartState.SUCCEEDED) - (before is PartState.SUCCEEDED)
    return msgspec.structs.replace(
        payment, refunding_amount=payment.refunding_amount + pending * refund.amount,
        refunded_amount=payment.refunded_amount + succeeded * refund.amount,
        version=payment.version + 1, updated_at=now,
    )  # fmt: skip


def hear_dispute(machine: Machine, partner: str, snapshot: Snapshot) -> Outcome:
    case = payment_of(machine, partner, snapshot) or _case_of_dispute(machine, partner, snapshot)
    if case is None:
        return Outcome(OutcomeStatus.WAITING)
    said = DISPUTE_STATES.get(snapshot.status)
    payment = case.payment
    if said is None:
        return Outcome(_UNCHANGED, payment=payment)
    if snapshot.currency != payment.currency:
        detail = "the dispute is in another currency than the payment"
        return Outcome(
            OutcomeStatus.REFUSED, payment=payment, refusal=refusal("contradicts_state", detail=detail)
        )
    known = next((d for d in case.disputes if d.partner_id == snapshot.partner_id), None)
    before = None if known is None else known.state
    state, posting = DISPUTES[before, said]
    dispute = known or Dispute(
        id=ids.encode(ids.DISPUTE, machine.new_ids.new()), payment_id=payment.id, partner=partner,
        partner_id=snapshot.partner_id, amount=snapshot.amount, currency=snapshot.currency, state=state,
        created_at=machine.now, updated_at=machine.now,
    )  # fmt: skip
    commands = postings.dispute_plan(posting, payment, dispute.id, dispute.amount, payment.version)
    refused = machine.post(commands) if commands else None
    if refused is not None:
        return Outcome(OutcomeStatus.REFUSED, payment=payment, refusal=refused)
    posted = post_fees(machine, partner, snapshot.fees, payment.id)
    moved = _told_of_dispute(dispute, snapshot, state)
    if state is before and moved == dispute:
        return Outcome(OutcomeStatus.APPLIED if posted else _UNCHANGED, payment=payment)
    moved = msgspec.structs.replace(moved, updated_at=machine.now)
    disputes = (*(d for d in case.disputes if d.id != moved.id), moved)
    withdrawn = sum(d.amount for d in disputes if d.state in (DisputeState.OPEN, DisputeState.LOST))
    payment = msgspec.structs.replace(
        payment, disputed_amount=withdrawn, version=payment.version + 1, updated_at=machine.now
    )
    machine.replace(case, payment=payment, disputes=disputes)
    news = "updated" if state is before else state.value
    machine.tell(f"dispute.{news}", "dispute", moved.id, views.encoded(views.dispute_view(moved)))
    return Outcome(OutcomeStatus.APPLIED, payment=payment)


def _told_of_dispute(dispute: Dispute, snapshot: Snapshot, state: DisputeState) -> Dispute:
    """The dispute with what the partner tells beside its state. What it leaves out has not changed."""
    fees = {fee.partner_id: fee.amount for fee in snapshot.fees if fee.currency == dispute.currency}
    return msgspec.structs.replace(
        dispute, state=state, reason=snapshot.reason or dispute.reason, fees={**dispute.fees, **fees},
        respond_by=snapshot.respond_by or dispute.respond_by,
    )  # fmt: skip


def _case_of_dispute(machine: Machine, partner: str, snapshot: Snapshot) -> Case | None:
    for case in machine.cases.values():
        if any(d.partner == partner and d.partner_id == snapshot.partner_id for d in case.disputes):
            return case
    return None
