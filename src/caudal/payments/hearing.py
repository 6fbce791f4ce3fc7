"""What partners say: answers to calls, what queries find, webhooks, settlements. Pure, like `handling`.

All of it ends in the same transitions, whichever arrives first: what comes second says nothing new.
"""

import datetime as dt
from typing import Final

import msgspec

from caudal.connectors import (
    Answer,
    CannotAsk,
    Capabilities,
    Found,
    LineKind,
    NotFound,
    NotSent,
    Operation,
    PartnerError,
    PartnerFee,
    Refused,
    Reported,
    Settlement,
    Snapshot,
    Status,
    Subject,
    Unknown,
)
from caudal.payments import postings
from caudal.payments.arrivals import failure_of, not_received
from caudal.payments.asking import ask_a_person, give_backs_not_received
from caudal.payments.attempts import find_attempt, passed, put_attempt
from caudal.payments.commands import Answered, Heard, Looked, Settle
from caudal.payments.machine import Machine
from caudal.payments.outcomes import Outcome, OutcomeStatus
from caudal.payments.part_news import (
    hear_dispute,
    hear_refund,
    payment_of,
    post_fees,
    refund_failed,
    with_attempt,
)
from caudal.payments.refusals import refusal
from caudal.payments.reports import CALL_FAILED, event_of, takes_back
from caudal.payments.rerouting import again_after, again_after_news, hear_superseded, not_sent
from caudal.payments.settlements import settlement_view
from caudal.payments.terms import Event
from caudal.payments.types import (
    LIVE_ATTEMPTS,
    Attempt,
    AttemptState,
    Case,
    Failure,
)
from caudal.payments.views import encoded
from caudal_base import ids

KEY_MARGIN: Final = 0.9
"""An idempotency key is trusted for this share of the lifetime that the partner states."""

MAX_SENDS: Final = 3
"""So often an attempt is sent at most, while nobody knows what became of it; then it is only looked up."""

MAX_GIVE_BACKS: Final = 3
"""So often what a partner took wrongly is sent back, each time under a new key, where it does not arrive."""

CANNOT_BE_ASKED: Final = "the partner cannot be asked"

_UNCHANGED: Final = OutcomeStatus.UNCHANGED

_STEPS: Final = frozenset({Operation.CAPTURE, Operation.INCREMENT, Operation.CANCEL})


def answered(machine: Machine, command: Answered) -> Outcome:
    """Take in the answer to a call, or that there was none."""
    found = find_attempt(machine, command.attempt_id)
    if found is None:
        return Outcome(OutcomeStatus.WAITING)
    case, attempt = found
    if isinstance(command.answer, Reported | Refused):
        machine.changes.answering.add(attempt.partner)
    if attempt.state not in LIVE_ATTEMPTS:
        return _overtaken(machine, case, attempt, command.answer)
    match command.answer:
        case Reported(snapshot):
            return _reported(machine, case, attempt, snapshot)
        case Refused(error):
            return _refused(machine, case, attempt, error)
        case NotSent(reason=reason):
            # Of an attempt that was sent before, the earlier call may still have had its effect.
            state = AttemptState.CREATED if attempt.sends <= 1 else AttemptState.UNKNOWN
            sends = attempt.sends - 1
            noted = _note(
                machine, case, attempt, state, str(reason), sends=sends,
                submitted_at=attempt.submitted_at if sends > 0 else None,
            )  # fmt: skip
            return not_sent(machine, noted, command.answer)
        case Unknown(reason=reason):
            return _note(machine, case, attempt, AttemptState.UNKNOWN, str(reason))


def looked(machine: Machine, command: Looked, capabilities: Capabilities) -> Outcome:
    """Take in what a query found."""
    found = find_attempt(machine, command.attempt_id)
    if found is None:
        return Outcome(OutcomeStatus.WAITING)
    case, attempt = found
    if isinstance(command.found, Reported | Refused | NotFound):
        machine.changes.answering.add(attempt.partner)
    if attempt.state not in LIVE_ATTEMPTS and attempt.state is not AttemptState.ACCEPTED:
        return _overtaken(machine, case, attempt, command.found)
    attempt = msgspec.structs.replace(attempt, looks=attempt.looks + 1)
    case = put_attempt(machine, case, attempt)
    match command.found:
        case Reported(snapshot):
            return _reported(machine, case, attempt, snapshot)
        case Refused(error):
            return _refused(machine, case, attempt, error)
        case NotFound():
            return _not_found(machine, case, attempt, capabilities)
        case CannotAsk():
            return _cannot_ask(machine, case, attempt, capabilities)
        case Unknown(reason=reason):
            if attempt.state is AttemptState.ACCEPTED:
                return Outcome(_UNCHANGED, payment=case.payment, attempt=attempt)
            return _note(machine, case, attempt, AttemptState.UNKNOWN, str(reason))


def _overtaken(machine: Machine, case: Case, attempt: Attempt, said: Answer | Found) -> Outcome:
    """A webhook was faster. What is said may still be news of another kind: fees, ids, a return."""
    if not isinstance(said, Reported):
        return Outcome(_UNCHANGED, payment=case.payment, attempt=attempt)
    snapshot = said.snapshot
    if attempt.superseded and snapshot.attempt_id is None:
        snapshot = msgspec.structs.replace(snapshot, attempt_id=attempt.id)
    late = Heard(partner=attempt.partner, snapshot=snapshot)
    return with_attempt(machine, heard(machine, late), attempt)


def may_resend(attempt: Attempt, capabilities: Capabilities, now: dt.datetime) -> bool:
    """Whether the partner still answers the attempt's key with its first answer: repeating is safe then.

    And whether it is of use: a partner that keeps an error under the key answers with it for ever.
    """
    if capabilities.key_lifetime is None or attempt.submitted_at is None or attempt.sends >= MAX_SENDS:
        return False
    return not passed(attempt.submitted_at, capabilities.key_lifetime * KEY_MARGIN, now)


def _not_found(machine: Machine, case: Case, attempt: Attempt, capabilities: Capabilities) -> Outcome:
    if attempt.state is AttemptState.ACCEPTED:
        # The partner had accepted it: that it does not see it now proves nothing.
        return Outcome(_UNCHANGED, payment=case.payment, attempt=attempt)
    since = attempt.sent_at or attempt.submitted_at
    early = not passed(since, capabilities.search_horizon, machine.now)
    if early or may_resend(attempt, capabilities, machine.now):
        return _note(machine, case, attempt, AttemptState.UNKNOWN, "not found")
    if attempt.operation is Operation.REFUND:
        return _refund_not_received(machine, case, attempt)
    return _failed(machine, case, attempt, not_received())


def _refund_not_received(machine: Machine, case: Case, attempt: Attempt) -> Outcome:
    """A refund fails; what was taken wrongly is sent back anew, some times, and then a person sees to it."""
    if attempt.part_id is not None:
        return refund_failed(machine, case, attempt, not_received())
    if give_backs_not_received(case) + 1 >= MAX_GIVE_BACKS:
        return ask_a_person(machine, case, attempt, f"sent {MAX_GIVE_BACKS} times, and never received")
    lost = msgspec.structs.replace(
        attempt, state=AttemptState.FAILED, failure=not_received(), updated_at=machine.now
    )
    again = machine.begin_attempt(
        put_attempt(machine, case, lost), Operation.REFUND, attempt.amount, gives_back=attempt
    )
    machine.replace(again)
    return Outcome(OutcomeStatus.APPLIED, payment=case.payment, attempt=lost)


def _cannot_ask(machine: Machine, case: Case, attempt: Attempt, capabilities: Capabilities) -> Outcome:
    resend = may_resend(attempt, capabilities, machine.now)
    if resend or attempt.state is AttemptState.ACCEPTED:
        return _note(machine, case, attempt, attempt.state, CANNOT_BE_ASKED)
    if attempt.operation is Operation.REFUND:
        return ask_a_person(machine, case, attempt, CANNOT_BE_ASKED)
    return with_attempt(machine, machine.take(machine.situation(case), Event.UNRESOLVED), attempt)


def _reported(machine: Machine, case: Case, attempt: Attempt, snapshot: Snapshot) -> Outcome:
    """A snapshot that is about this attempt, whether or not it carries its id."""
    if snapshot.subject is Subject.STEP:
        return _step(machine, case, attempt, snapshot)
    if snapshot.attempt_id is None:
        snapshot = msgspec.structs.replace(snapshot, attempt_id=attempt.id)
    outcome = hear_refund(machine, attempt.partner, snapshot) if snapshot.subject is Subject.REFUND else (
        _hear_payment(machine, case, attempt.partner, snapshot)
    )  # fmt: skip
    current = find_attempt(machine, attempt.id)
    if current is not None and current[1].state is AttemptState.SUBMITTING:
        # The partner answered, and yet what was asked is not what it tells of.
        note = "answered, without the effect" if outcome.refusal is None else outcome.refusal.detail
        return _note(machine, *current, AttemptState.UNKNOWN, note)
    return with_attempt(machine, outcome, attempt)


def _step(machine: Machine, case: Case, attempt: Attempt, snapshot: Snapshot) -> Outcome:
    """A capture, increment or cancellation that the partner carries out later: taken, or failed after all."""
    live, accepted = attempt.state in LIVE_ATTEMPTS, attempt.state is AttemptState.ACCEPTED
    if attempt.operation in _STEPS and (live or accepted):
        if snapshot.status is Status.FAILED:
            failure = failure_of(snapshot) or Failure(code="failed", class_="conflict")
            return _failed(machine, case, attempt, failure)
        if snapshot.status is Status.PENDING and live:
            return _note(machine, case, attempt, AttemptState.ACCEPTED, "the partner carries it out later")
    if attempt.state is AttemptState.SUBMITTING:
        return _note(machine, case, attempt, AttemptState.UNKNOWN, "answered, without the effect")
    return Outcome(_UNCHANGED, payment=case.payment, attempt=attempt)


def _hear_step(machine: Machine, partner: str, snapshot: Snapshot) -> Outcome:
    """News of a step that was asked for here; of others nothing is known before they have taken place."""
    found = None if snapshot.attempt_id is None else find_attempt(machine, snapshot.attempt_id)
    if found is None or found[1].partner != partner:
        return Outcome(OutcomeStatus.WAITING)
    return _step(machine, *found, snapshot)


def _refused(machine: Machine, case: Case, attempt: Attempt, error: PartnerError) -> Outcome:
    failure = Failure(code=error.code, class_=error.class_.value, message=error.message[:500])
    if attempt.operation is Operation.REFUND:
        return refund_failed(machine, case, attempt, failure)
    return _failed(machine, case, attempt, failure)


def _failed(machine: Machine, case: Case, attempt: Attempt, failure: Failure) -> Outcome:
    event = CALL_FAILED[attempt.operation]
    again = again_after(machine, case, failure) if attempt.operation is Operation.SUBMIT else None
    situation = machine.situation(case, again=again, code=failure.code)
    return with_attempt(machine, machine.take(situation, event, failure=failure), attempt)


def _note(
    machine: Machine, case: Case, attempt: Attempt, state: AttemptState, note: str, *,
    sends: int | None = None, submitted_at: dt.datetime | msgspec.UnsetType | None = msgspec.UNSET,
) -> Outcome:  # fmt: skip
    changed = msgspec.structs.replace(
        attempt,
        state=state,
        note=note[:200],
        updated_at=machine.now,
        sends=attempt.sends if sends is None else sends,
        submitted_at=attempt.submitted_at if submitted_at is msgspec.UNSET else submitted_at,
    )
    put_attempt(machine, case, changed)
    return Outcome(OutcomeStatus.APPLIED, payment=case.payment, attempt=changed)


def heard(machine: Machine, command: Heard) -> Outcome:
    """Take in what a webhook, or a look at the partner's object, says."""
    snapshot, partner = command.snapshot, command.partner
    match snapshot.subject:
        case Subject.PAYMENT:
            case = payment_of(machine, partner, snapshot)
            return Outcome(OutcomeStatus.WAITING) if case is None else _hear_payment(
                machine, case, partner, snapshot)  # fmt: skip
        case Subject.REFUND:
            return hear_refund(machine, partner, snapshot)
        case Subject.DISPUTE:
            return hear_dispute(machine, partner, snapshot)
        case Subject.STEP:
            return _hear_step(machine, partner, snapshot)
        case Subject.SETTLEMENT:
            machine.changes.settlements.add(partner)
            return Outcome(OutcomeStatus.APPLIED)


def _hear_payment(machine: Machine, case: Case, partner: str, snapshot: Snapshot) -> Outcome:
    told = None if snapshot.attempt_id is None else find_attempt(machine, snapshot.attempt_id)
    if told is not None and told[1].superseded:
        outcome = hear_superseded(machine, case, told[1], snapshot)
        return _with_fees(machine, case, partner, snapshot, outcome)
    if takes_back(case, snapshot):
        detail = "the partner says that less was captured than it said before"
        return Outcome(
            OutcomeStatus.REFUSED, payment=case.payment, refusal=refusal("contradicts_state", detail=detail)
        )
    event = event_of(case, snapshot)
    if event is None:
        return Outcome(_UNCHANGED, payment=case.payment)
    again = again_after_news(machine, case, event, snapshot)
    outcome = machine.take(
        machine.situation(case, snapshot=snapshot, again=again), event,
        attempt_id=ids.encode(ids.ATTEMPT, machine.new_ids.new()),
    )  # fmt: skip
    return _with_fees(machine, case, partner, snapshot, outcome)


def _with_fees(machine: Machine, case: Case, partner: str, snapshot: Snapshot, outcome: Outcome) -> Outcome:
    posted = post_fees(machine, partner, snapshot.fees, case.payment.id)
    return msgspec.structs.replace(outcome, status=OutcomeStatus.APPLIED) if posted and (
        outcome.status is _UNCHANGED) else outcome  # fmt: skip


def settled(machine: Machine, command: Settle) -> Outcome:
    """Post a batch that the partner has paid out, and the fees in it that nobody has told us of yet."""
    settlement = command.settlement
    if not settlement.arrived:
        return Outcome(_UNCHANGED)
    post_fees(machine, command.partner, fees_of(settlement), None)
    if settlement.amount and settlement.partner_id not in machine.posted_settlements:
        machine.posted_settlements.add(settlement.partner_id)
        machine.post([postings.settlement_transfer(command.partner, settlement)])
    if (command.partner, settlement.partner_id) not in machine.recorded_settlements:
        machine.recorded_settlements.add((command.partner, settlement.partner_id))
        told = settlement_view(command.partner, settlement, machine.now)
        machine.tell("settlement.received", "settlement", told.id, encoded(told))
    machine.changes.settled.append((command.partner, settlement))
    return Outcome(OutcomeStatus.APPLIED)


def fees_of(settlement: Settlement) -> list[PartnerFee]:
    """The partner's fees in a settlement: taken from a line, or lines of their own."""
    fees = []
    for line in settlement.lines:
        cost = line.fee if line.kind is not LineKind.FEE else line.fee - line.amount
        if cost:
            fees.append(PartnerFee(partner_id=line.partner_id, amount=cost, currency=line.currency))
    return fees
