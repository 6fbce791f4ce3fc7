"""What a worker does with an attempt: send it, ask about it, send it again, or leave it be. Pure.

An attempt is driven by one job from its creation to its end. Before every call it is committed as submitting,
so whatever state it is found in says what may have happened.
"""

import datetime as dt
import enum
from typing import Final

from caudal.connectors import Call, Capabilities, Direction, Operation
from caudal.payments.attempts import passed
from caudal.payments.hearing import may_resend
from caudal.payments.partners import DIRECTIONS
from caudal.payments.types import (
    LIVE_ATTEMPTS,
    Attempt,
    AttemptState,
    Case,
    PaymentState,
    ReviewReason,
)
from caudal_base.decide import Verdict
from caudal_base.errors import InvariantError

LOOK_PAUSES_S: Final = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0)
"""Between looks at an attempt whose outcome is unknown: short at first, since most partners answer soon."""

NOT_SENT_PAUSE: Final = dt.timedelta(seconds=1)
"""Before a call that was not sent is tried again, where the partner did not say when."""


_STATES_OF_STEPS: Final = {
    Operation.CAPTURE: PaymentState.CAPTURING,
    Operation.INCREMENT: PaymentState.INCREMENTING,
    Operation.CANCEL: PaymentState.CANCELLING,
}
"""In which state a payment is while a step of it is under way."""


class Step(enum.Enum):
    """What is to be done with an attempt now."""

    SEND = "send"
    LOOK = "look"
    LEAVE = "leave"


def step(case: Case, attempt: Attempt) -> Step:
    """What is to be done with an attempt that its job has come upon."""
    if attempt.state is AttemptState.CREATED:
        return Step.SEND
    if attempt.state in LIVE_ATTEMPTS:
        # A person has been asked: nothing is done behind their back.
        asked = attempt.asked_at is not None or (
            case.payment.review is ReviewReason.OUTCOME and attempt == case.live
        )
        return Step.LEAVE if asked else Step.LOOK
    if attempt.state is AttemptState.ACCEPTED and waits(case, attempt):
        return Step.LOOK
    return Step.LEAVE


def waits(case: Case, attempt: Attempt) -> bool:
    """Whether something still hangs on what becomes of an accepted attempt."""
    if attempt.operation is Operation.REFUND:
        return True
    step_state = _STATES_OF_STEPS.get(attempt.operation)
    if step_state is not None:
        return case.payment.state is step_state
    return case.payment.state in (PaymentState.PROCESSING, PaymentState.REQUIRES_ACTION)


def resend(attempt: Attempt, capabilities: Capabilities, now: dt.datetime) -> bool:
    """Whether an attempt that was not found may be sent again under its key.

    Only after the search would have shown it: the answer to a repeated key may be a stored error, from
    which nothing is learned. A partner that cannot be asked is sent it at once: there is no other way.
    """
    if attempt.state is not AttemptState.UNKNOWN or not may_resend(attempt, capabilities, now):
        return False
    horizon = capabilities.search_horizon
    return horizon is None or passed(attempt.sent_at or attempt.submitted_at, horizon, now)


def pause(attempt: Attempt) -> dt.timedelta:
    """How long to wait before an unknown attempt is looked at again."""
    return dt.timedelta(seconds=LOOK_PAUSES_S[min(attempt.looks, len(LOOK_PAUSES_S) - 1)])


def call_of(case: Case, attempt: Attempt) -> Call:
    """What the attempt asks of the partner: always the same."""
    payment, method = case.payment, case.payment.method
    if method is None:
        raise InvariantError("a payment through a partner has a method")
    wrong = attempt.operation is Operation.REFUND and attempt.part_id is None
    capture = next((c for c in case.captures if c.id == attempt.part_id), None)
    refund = next((r for r in case.refunds if r.id == attempt.part_id), None)
    # What is given back is in the currency in which it was taken.
    elsewhere = attempt.target_id is not None
    asked = payment.currency if elsewhere or not wrong else payment.reported_currency
    return Call(
        attempt_id=attempt.id, payment_id=payment.id, operation=attempt.operation,
        direction=DIRECTIONS.get(payment.kind, Direction.PAY_IN), method=method,
        amount=attempt.amount, currency=asked or payment.currency, capture_mode=payment.capture,
        final=capture is None or capture.final, instrument=payment.instrument,
        partner_id=attempt.target_id if elsewhere else payment.partner_id,
        related={} if elsewhere else payment.related, captured_before=attempt.captured_before,
        reference=payment.reference, return_url=payment.return_url,
        authenticate=attempt.operation is Operation.SUBMIT and payment.verdict == Verdict.CHALLENGE.value,
        reason=None if refund is None else refund.reason, submitted_at=attempt.submitted_at,
    )  # fmt: skip
