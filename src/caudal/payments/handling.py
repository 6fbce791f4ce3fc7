"""What callers and the clock ask of an existing payment. Pure: it runs on the machine's loaded payments."""

import msgspec

from caudal.connectors import Operation
from caudal.payments import views
from caudal.payments.asking import decide
from caudal.payments.attempts import find_attempt, put_attempt
from caudal.payments.commands import (
    ApprovePayment,
    CancelPayment,
    CapturePayment,
    ConfirmPayment,
    DeclinePayment,
    IncrementPayment,
    RefundPayment,
    Send,
    TimeOut,
)
from caudal.payments.creation import Creation
from caudal.payments.guards import choose
from caudal.payments.machine import Machine
from caudal.payments.outcomes import Outcome, OutcomeStatus
from caudal.payments.part_rules import RefundPosting
from caudal.payments.postings import refund_plan
from caudal.payments.refusals import Refusal, refusal
from caudal.payments.terms import Event
from caudal.payments.types import (
    AttemptState,
    Capture,
    Case,
    PartState,
    PaymentState,
    Refund,
)
from caudal_base import ids
from caudal_base.money import MAX_AMOUNT

OnPayment = (
    CapturePayment
    | IncrementPayment
    | RefundPayment
    | CancelPayment
    | ConfirmPayment
    | ApprovePayment
    | DeclinePayment
    | TimeOut
)


def on_payment(machine: Machine, creation: Creation, command: OnPayment) -> Outcome:
    """Carry out a command on the payment that it names."""
    case = machine.cases.get(command.payment_id)
    if case is None:
        return Outcome(OutcomeStatus.REFUSED, refusal=refusal("payment_not_found", "id"))
    wrong = _amount_refusal(command)
    if wrong is not None:
        return Outcome(OutcomeStatus.REFUSED, payment=case.payment, refusal=wrong)
    match command:
        case CapturePayment():
            return _capture(machine, case, command)
        case IncrementPayment():
            situation = machine.situation(case, amount=command.amount)
            return machine.take(situation, Event.INCREMENT, attempt_id=command.id)
        case RefundPayment():
            return _refund(machine, case, command)
        case CancelPayment():
            return machine.take(machine.situation(case), Event.CANCEL, attempt_id=command.id)
        case ConfirmPayment():
            return machine.take(machine.situation(case), Event.CONFIRM)
        case ApprovePayment() | DeclinePayment():
            return decide(machine, case, command)
        case TimeOut():
            return _time_out(machine, creation, case)


def _amount_refusal(command: OnPayment) -> Refusal | None:
    """What is wrong with the amount that a command names, whatever the payment is."""
    if not isinstance(command, CapturePayment | IncrementPayment | RefundPayment) or command.amount is None:
        return None
    if command.amount < 1:
        return refusal("amount_must_be_positive", "amount")
    return refusal("amount_too_large", "amount") if command.amount > MAX_AMOUNT else None


def _capture(machine: Machine, case: Case, command: CapturePayment) -> Outcome:
    known = next((c for c in case.captures if c.id == command.id), None)
    if known is not None:
        return Outcome(OutcomeStatus.EXISTS, payment=case.payment, capture=known)
    situation = machine.situation(case)
    amount = situation.left_to_capture if command.amount is None else command.amount
    supported = situation.supported
    if not command.final and (supported is None or not supported.multiple_captures):
        return Outcome(
            OutcomeStatus.REFUSED,
            payment=case.payment,
            refusal=refusal("multiple_captures_unsupported", "final"),
        )
    capture = Capture(
        id=command.id, payment_id=case.payment.id, amount=amount,
        # What takes all that is left has nothing to follow it.
        final=command.final or amount == situation.left_to_capture,
        state=PartState.PENDING, created_at=machine.now, updated_at=machine.now,
    )  # fmt: skip
    return machine.take(machine.situation(case, amount=amount), Event.CAPTURE, capture=capture)


def _refund(machine: Machine, case: Case, command: RefundPayment) -> Outcome:
    known = next((r for r in case.refunds if r.id == command.id), None)
    if known is not None:
        return Outcome(OutcomeStatus.EXISTS, payment=case.payment, refund=known)
    payment = case.payment
    situation = machine.situation(case)
    amount = situation.left_to_refund if command.amount is None else command.amount
    situation = machine.situation(case, amount=amount)
    row = choose(situation, payment.state, Event.REFUND)
    if isinstance(row, Refusal):
        return Outcome(OutcomeStatus.REFUSED, payment=payment, refusal=row)
    refund = Refund(
        id=command.id, payment_id=payment.id, amount=amount, state=PartState.PENDING,
        created_at=machine.now, updated_at=machine.now, reason=command.reason, metadata=command.metadata,
    )  # fmt: skip
    commands, held = refund_plan(RefundPosting.RESERVE, payment, refund)
    refused = machine.post(commands)
    if refused is not None:
        return Outcome(OutcomeStatus.REFUSED, payment=payment, refusal=refused)
    refund = msgspec.structs.replace(refund, hold_id=held)
    payment = msgspec.structs.replace(
        payment, refunding_amount=payment.refunding_amount + amount, version=payment.version + 1,
        updated_at=machine.now,
    )  # fmt: skip
    after = msgspec.structs.replace(case, payment=payment, refunds=(*case.refunds, refund))
    after = machine.begin_attempt(after, Operation.REFUND, amount, part_id=refund.id)
    machine.cases[payment.id] = after
    data = views.encoded(views.refund_view(refund, payment.currency))
    machine.tell("refund.created", "refund", refund.id, data)
    return Outcome(OutcomeStatus.APPLIED, payment=payment, refund=refund)


def _time_out(machine: Machine, creation: Creation, case: Case) -> Outcome:
    payment = case.payment
    if payment.state is PaymentState.SCHEDULED:
        due = payment.execute_at is None or payment.execute_at <= machine.now
        return creation.execute(case) if due else Outcome(OutcomeStatus.UNCHANGED, payment=payment)
    return machine.take(
        machine.situation(case), Event.TIME_OUT, attempt_id=ids.encode(ids.ATTEMPT, machine.new_ids.new())
    )


def send(machine: Machine, command: Send) -> Outcome:
    """Mark an attempt as submitting: from the commit on, it may have had its effect."""
    found = find_attempt(machine, command.attempt_id)
    if found is None:
        return Outcome(OutcomeStatus.WAITING)
    case, attempt = found
    if attempt.state not in (AttemptState.CREATED, AttemptState.UNKNOWN, AttemptState.SUBMITTING):
        return Outcome(OutcomeStatus.UNCHANGED, payment=case.payment, attempt=attempt)
    sent = msgspec.structs.replace(
        attempt,
        state=AttemptState.SUBMITTING,
        submitted_at=attempt.submitted_at or machine.now,
        sent_at=machine.now,
        sends=attempt.sends + 1,
        updated_at=machine.now,
    )
    put_attempt(machine, case, sent)
    return Outcome(OutcomeStatus.APPLIED, payment=case.payment, attempt=sent)
