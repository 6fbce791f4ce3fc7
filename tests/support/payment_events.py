"""Everything that can happen to a payment in a small world: few amounts, each of them meaning something.

The payment is of 4; 2 is a part, 6 is an increment, 9 is too much. What was not asked for is a mismatch.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any, NamedTuple

from caudal.connectors import (
    AUTHORISATION_EXPIRED,
    CannotAsk,
    ErrorClass,
    NotFound,
    NotSent,
    Operation,
    PartnerError,
    Refused,
    Reported,
    Snapshot,
    Status,
    Subject,
    Unknown,
)
from caudal.payments import (
    ApprovePayment,
    Attempt,
    AttemptState,
    CancelPayment,
    CapturePayment,
    Case,
    ConfirmPayment,
    DeclinePayment,
    IncrementPayment,
    PartState,
    PaymentKind,
    PaymentState,
    Refund,
    RefundPayment,
    TimeOut,
)
from caudal.payments.commands import Answered, Command, Heard, Looked, Send
from caudal.payments.guards import NOT_RECEIVED
from caudal.payments.types import LIVE_ATTEMPTS
from support.payment_models import PARTNER, PAYMENT_ID, Node, some_id

MOST_REFUNDS = 2
PARTNER_ID = "pi_1"
LAPSED = PartnerError(code=AUTHORISATION_EXPIRED, class_=ErrorClass.CONFLICT)
SOFT = PartnerError(code="insufficient_funds", class_=ErrorClass.SOFT_DECLINE)
DECLINED = PartnerError(code="card_declined", class_=ErrorClass.HARD_DECLINE, message="declined")

_PAYMENTS: tuple[dict[str, Any], ...] = (
    {"status": Status.PENDING},
    {"status": Status.ACTION_REQUIRED, "action_url": "https://bank.example/3ds"},
    {"status": Status.FAILED, "error": DECLINED},
    {"status": Status.RETURNED},
    {"status": Status.UNKNOWN},
    {"status": Status.CANCELLED},
    {"status": Status.CANCELLED, "error": LAPSED},
    {"status": Status.CANCELLED, "captured": 2},
    {"status": Status.CANCELLED, "captured": 4},
    {"status": Status.AUTHORISED},
    {"status": Status.AUTHORISED, "captured": 2},
    {"status": Status.AUTHORISED, "amount": 6},
    {"status": Status.AUTHORISED, "amount": 6, "captured": 2},
    {"status": Status.AUTHORISED, "currency": "USD"},
    {"status": Status.SUCCEEDED, "captured": 4},
    {"status": Status.SUCCEEDED, "captured": 2},
    {"status": Status.SUCCEEDED, "amount": 6, "captured": 6},
    {"status": Status.SUCCEEDED, "captured": 4, "currency": "USD"},
)


_PAYOUTS = tuple(
    fields
    for fields in _PAYMENTS
    if fields["status"] not in (Status.AUTHORISED, Status.ACTION_REQUIRED) and fields.get("captured") != 2
)


class Happening(NamedTuple):
    """A command with its name, and when it comes."""

    name: str
    command: Command
    at: dt.datetime | None = None


def happenings(node: Node, *, parts: bool = True) -> Iterator[Happening]:
    """All that could happen next. `parts`: also refunds and disputes."""
    case = node.case
    assert case is not None
    yield from _of_callers(case)
    yield from _refunds(case) if parts else ()
    yield Happening("time out, early", TimeOut(payment_id=PAYMENT_ID))
    payment = case.payment
    due = payment.expires_at or payment.execute_at
    if due is not None:
        yield Happening("time out, due", TimeOut(payment_id=PAYMENT_ID), due)
    snapshots = [*_snapshots(case), *(_snapshots_of_parts(case) if parts else ())]
    for snapshot in snapshots:
        partner = payment.partner or PARTNER
        yield Happening(f"heard {_name(snapshot)}", Heard(partner=partner, snapshot=snapshot))
    yield from _of_superseded(case)
    for attempt in case.attempts:
        if attempt.target_id is None:  # what goes back elsewhere has no part in how this one goes on
            yield from _of_attempt(node, attempt, snapshots)


def _of_superseded(case: Case) -> Iterator[Happening]:
    """What partners may yet say of attempts in the place of which others have begun the payment."""
    for attempt in case.attempts:
        if not attempt.superseded or attempt.sends == 0:
            continue
        for status in (Status.FAILED, Status.AUTHORISED, Status.SUCCEEDED):
            snapshot = Snapshot(
                subject=Subject.PAYMENT, partner_id=f"pi_of_{attempt.partner}", status=status,
                amount=case.payment.amount, currency="EUR", attempt_id=attempt.id,
            )  # fmt: skip
            name = f"heard of {attempt.partner} {_name(snapshot)}"
            yield Happening(name, Heard(partner=attempt.partner, snapshot=snapshot))


def _of_callers(case: Case) -> Iterator[Happening]:
    id_ = PAYMENT_ID
    count = len(case.attempts) + len(case.refunds) + len(case.captures) + 1
    for amount, final in ((2, False), (2, True), (None, True), (9, True)):
        capture = CapturePayment(payment_id=id_, id=some_id("cap", count), amount=amount, final=final)
        yield Happening(f"capture {amount}{' final' if final else ''}", capture)
    for total in (2, 6):
        yield Happening(
            f"increment to {total}", IncrementPayment(payment_id=id_, id=some_id("att", count), amount=total)
        )
    yield Happening("cancel", CancelPayment(payment_id=id_, id=some_id("att", count)))
    yield Happening("confirm", ConfirmPayment(payment_id=id_))
    yield Happening("approve", ApprovePayment(payment_id=id_))
    yield Happening("decline", DeclinePayment(payment_id=id_))


def _refunds(case: Case) -> Iterator[Happening]:
    if len(case.refunds) < MOST_REFUNDS:
        for part in (2, None, 9):
            id_ = some_id("re", len(case.refunds) + 1)
            refund = RefundPayment(payment_id=PAYMENT_ID, id=id_, amount=part)
            yield Happening(f"refund {part}", refund)


def _of_attempt(node: Node, attempt: Attempt, snapshots: list[Snapshot]) -> Iterator[Happening]:
    name, id_ = attempt.operation.value, attempt.id
    most = 2 if attempt.operation is Operation.SUBMIT else 1
    if attempt.state in LIVE_ATTEMPTS and attempt.sends < most:
        yield Happening(f"{name} is sent", Send(attempt_id=id_))
    if attempt.sends == 0 or attempt.state not in (*LIVE_ATTEMPTS, AttemptState.ACCEPTED):
        return
    wanted = Subject.REFUND if attempt.operation is Operation.REFUND else Subject.PAYMENT
    for snapshot in snapshots:
        # What is heard and what is answered goes the same way: of payments a few of each are enough.
        plain = snapshot.subject is Subject.REFUND or (
            snapshot.captured in (None, 4) and snapshot.amount == 4
        )
        if snapshot.subject is wanted and plain and snapshot.attempt_id in (None, attempt.id, _begun(node)):
            answer = Reported(snapshot)
            yield Happening(f"{name} answered {_name(snapshot)}", Answered(attempt_id=id_, answer=answer))
    yield Happening(f"{name} refused", Answered(attempt_id=id_, answer=Refused(DECLINED)))
    yield Happening(f"{name} not sent", Answered(attempt_id=id_, answer=NotSent("rate_limited")))
    if node.setup.elsewhere and attempt.operation is Operation.SUBMIT:
        yield Happening(f"{name} is held back", Answered(attempt_id=id_, answer=NotSent("breaker_open")))
        yield Happening(f"{name} refused softly", Answered(attempt_id=id_, answer=Refused(SOFT)))
        yield Happening(f"{name} found refused softly", Looked(attempt_id=id_, found=Refused(SOFT)))
    yield Happening(f"{name} unknown", Answered(attempt_id=id_, answer=Unknown("timeout")))
    yield Happening(f"{name} found refused", Looked(attempt_id=id_, found=Refused(DECLINED)))
    yield Happening(f"{name} look unknown", Looked(attempt_id=id_, found=Unknown("timeout")))
    for after in (0, 25):
        at = node.now + dt.timedelta(hours=after)
        yield Happening(f"{name} not found after {after} h", Looked(attempt_id=id_, found=NotFound()), at)
        yield Happening(f"{name} cannot ask after {after} h", Looked(attempt_id=id_, found=CannotAsk()), at)


def _begun(node: Node) -> str | None:
    begun = None if node.case is None else node.case.begun
    return None if begun is None else begun.id


def _snapshots(case: Case) -> Iterator[Snapshot]:
    payment, begun = case.payment, case.begun
    if payment.partner is None:
        return
    if begun is not None and begun.sends:
        for fields in _PAYMENTS if payment.kind is PaymentKind.PAY_IN else _PAYOUTS:
            default = {"amount": max(payment.amount, payment.authorised_amount), "currency": "EUR"}
            yield Snapshot(
                subject=Subject.PAYMENT, partner_id=PARTNER_ID, attempt_id=begun.id, **{**default, **fields}
            )
        if payment.route is not None:
            yield Snapshot(
                subject=Subject.PAYMENT, partner_id=PARTNER_ID, attempt_id=begun.id, status=Status.FAILED,
                amount=payment.amount, currency="EUR", error=SOFT,
            )  # fmt: skip


def _snapshots_of_parts(case: Case) -> Iterator[Snapshot]:
    payment = case.payment
    if payment.partner_id is None or not payment.captured_amount:
        return
    for refund in case.refunds:
        yield from _of_refund(case, refund)
    if len(case.refunds) < MOST_REFUNDS:
        for status in (Status.PENDING, Status.SUCCEEDED, Status.FAILED):
            yield Snapshot(
                subject=Subject.REFUND, partner_id=f"re_of_partner_{len(case.refunds)}", status=status,
                amount=2, currency="EUR", parent_id=PARTNER_ID,
            )  # fmt: skip
    for status in (Status.INQUIRY, Status.OPEN, Status.WON, Status.LOST, Status.UNKNOWN):
        yield Snapshot(
            subject=Subject.DISPUTE, partner_id="dp_1", status=status, amount=payment.captured_amount
            if not case.disputes else case.disputes[0].amount, currency="EUR", parent_id=PARTNER_ID,
        )  # fmt: skip


def _of_refund(case: Case, refund: Refund) -> Iterator[Snapshot]:
    attempt = next((a for a in case.attempts if a.part_id == refund.id), None)
    if attempt is not None and attempt.sends == 0:
        return
    for status in (Status.PENDING, Status.SUCCEEDED, Status.FAILED):
        yield Snapshot(
            subject=Subject.REFUND, partner_id=refund.partner_id or f"re_{refund.id[-4:]}", status=status,
            amount=refund.amount, currency="EUR", attempt_id=None if attempt is None else attempt.id,
            parent_id=PARTNER_ID,
        )  # fmt: skip


def _name(snapshot: Snapshot) -> str:
    words = [snapshot.subject.value, snapshot.status.value, str(snapshot.amount), snapshot.currency]
    if snapshot.captured is not None:
        words.append(f"captured {snapshot.captured}")
    words += ["lapsed"] if snapshot.error is LAPSED else ["softly"] if snapshot.error is SOFT else []
    return " ".join(words)


def _last_accepted(case: Case) -> Attempt | None:
    return next(
        (
            a
            for a in reversed(case.attempts)
            if a.state is AttemptState.ACCEPTED and a.operation is not Operation.REFUND
        ),
        None,
    )


def abstracted(node: Node) -> tuple[Any, ...]:
    """What of a node decides what can happen to it from here on: no ids, no times, no history."""
    case = node.case
    assert case is not None
    payment = case.payment
    begun, live, accepted = case.begun, case.live, _last_accepted(case)
    return (
        payment.state, payment.authorised_amount, payment.captured_amount, payment.refunded_amount,
        payment.refunding_amount, payment.disputed_amount, payment.fee_amount, payment.hold_id is not None,
        payment.fee_hold_id is not None, payment.review, payment.review_default,
        (payment.reported_amount, payment.reported_currency) if payment.review else None,
        payment.reported_captured if payment.review else None,
        payment.ends_as if payment.state in (PaymentState.CANCELLING, PaymentState.REVIEW) else None,
        payment.partner_id is not None, payment.expires_at is not None,
        payment.failure is not None and payment.failure.code == NOT_RECEIVED,
        None if begun is None else (begun.state, begun.sends > 0),
        None if live is None else (live.operation, live.state, min(live.sends, 2), live.amount,
                                   live.captured_before),
        None if accepted is None else accepted.operation,
        tuple(sorted((a.state.value, min(a.sends, 2), a.part_id is None, a.asked_at is not None,
                      a.part_id is None and a.failure is not None) for a in case.attempts
                     if a.operation is Operation.REFUND)),
        payment.route is not None and payment.customer_asked,
        payment.partner, tuple((a.partner, a.state, a.sends > 0) for a in case.attempts if a.superseded),
        len({a.target_id for a in case.attempts if a.target_id is not None}),
        tuple((c.amount, c.final) for c in case.captures if c.state is PartState.PENDING),
        tuple(sorted((r.amount, r.state.value, r.hold_id is not None, r.reason or "", r.failure is not None)
                     for r in case.refunds)),
        tuple((d.state, d.amount) for d in case.disputes),
    )  # fmt: skip
