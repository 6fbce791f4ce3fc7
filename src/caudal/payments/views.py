"""How payments and what belongs to them look outside: in answers of the API and in events, alike."""

import datetime as dt
from collections.abc import Mapping
from typing import Final

import msgspec

from caudal.payments.types import (
    Attempt,
    Capture,
    Case,
    Dispute,
    Failure,
    Payment,
    Refund,
)
from caudal_base.decide import Context


class _View(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What all of them have in common."""


class NextAction(_View, frozen=True):
    """What the customer has to do."""

    type: str
    url: str


class ReviewView(_View, frozen=True):
    """Why a person is asked, until when, and what happens then."""

    reason: str
    until: dt.datetime | None
    default: str | None
    reported_amount: int | None = None
    reported_currency: str | None = None


class DecisionView(_View, frozen=True):
    """What was decided before anything was sent."""

    verdict: str
    reasons: tuple[str, ...]


class PaymentView(_View, frozen=True):
    """A payment. Amounts are in minor units of its currency."""

    id: str
    kind: str
    state: str
    customer: str
    destination: str | None
    amount: int
    currency: str
    authorised_amount: int
    captured_amount: int
    refunded_amount: int
    disputed_amount: int
    fee_amount: int
    partner: str | None
    partner_id: str | None
    method: str | None
    instrument: str | None
    capture: str
    reference: str | None
    description: str | None
    metadata: Mapping[str, str] | None
    context: Context | None
    execute_at: dt.datetime | None
    return_url: str | None
    created_at: dt.datetime
    updated_at: dt.datetime
    expires_at: dt.datetime | None
    next_action: NextAction | None
    failure: Failure | None
    review: ReviewView | None
    decision: DecisionView | None


class AttemptView(_View, frozen=True):
    """One call to a partner."""

    id: str
    operation: str
    state: str
    partner: str
    amount: int
    partner_id: str | None
    sends: int
    created_at: dt.datetime
    submitted_at: dt.datetime | None
    updated_at: dt.datetime
    failure: Failure | None
    note: str | None


class CaptureView(_View, frozen=True):
    """A part of what was authorised."""

    id: str
    payment: str
    amount: int
    final: bool
    state: str
    created_at: dt.datetime
    updated_at: dt.datetime
    failure: Failure | None


class RefundView(_View, frozen=True):
    """Money on its way back."""

    id: str
    payment: str
    amount: int
    state: str
    reason: str | None
    metadata: Mapping[str, str] | None
    partner_id: str | None
    created_at: dt.datetime
    updated_at: dt.datetime
    failure: Failure | None


class DisputeView(_View, frozen=True):
    """A payer's claim on their money."""

    id: str
    payment: str
    partner: str
    partner_id: str
    amount: int
    currency: str
    state: str
    created_at: dt.datetime
    updated_at: dt.datetime


class PaymentDetailView(PaymentView, frozen=True):
    """A payment with everything that belongs to it."""

    attempts: tuple[AttemptView, ...]
    captures: tuple[CaptureView, ...]
    refunds: tuple[RefundView, ...]
    disputes: tuple[DisputeView, ...]


_encoder: Final = msgspec.json.Encoder()


def encoded(view: _View) -> bytes:
    """A view as JSON."""
    return _encoder.encode(view)


def payment_view(p: Payment) -> PaymentView:
    """A payment as it looks outside."""
    return PaymentView(**_payment_fields(p))


def payment_detail(case: Case) -> PaymentDetailView:
    """A payment with its attempts, captures, refunds and disputes."""
    return PaymentDetailView(
        **_payment_fields(case.payment),
        attempts=tuple(attempt_view(a) for a in case.attempts),
        captures=tuple(capture_view(c) for c in case.captures),
        refunds=tuple(refund_view(r) for r in case.refunds),
        disputes=tuple(dispute_view(d) for d in case.disputes),
    )


def _payment_fields(p: Payment) -> dict[str, object]:
    review = None
    if p.review is not None:
        review = ReviewView(
            reason=p.review.value,
            until=p.expires_at,
            default=None if p.review_default is None else p.review_default.value,
            reported_amount=p.reported_amount,
            reported_currency=p.reported_currency,
        )
    return {
        "id": p.id, "kind": p.kind.value, "state": p.state.value, "customer": p.customer,
        "destination": p.destination, "amount": p.amount, "currency": p.currency,
        "authorised_amount": p.authorised_amount, "captured_amount": p.captured_amount,
        "refunded_amount": p.refunded_amount, "disputed_amount": p.disputed_amount,
        "fee_amount": p.fee_amount, "partner": p.partner, "partner_id": p.partner_id,
        "method": None if p.method is None else p.method.value, "instrument": p.instrument,
        "capture": p.capture.value, "reference": p.reference, "description": p.description,
        "metadata": p.metadata, "context": p.context, "execute_at": p.execute_at,
        "return_url": p.return_url, "created_at": p.created_at, "updated_at": p.updated_at,
        "expires_at": p.expires_at,
        "next_action": None if p.action_url is None else NextAction(type="redirect", url=p.action_url),
        "failure": p.failure, "review": review,
        "decision": None if p.verdict is None else DecisionView(verdict=p.verdict, reasons=p.reasons),
    }  # fmt: skip


def attempt_view(a: Attempt) -> AttemptView:
    """An attempt as it looks outside."""
    return AttemptView(
        id=a.id, operation=a.operation.value, state=a.state.value, partner=a.partner, amount=a.amount,
        partner_id=a.partner_id, sends=a.sends, created_at=a.created_at, submitted_at=a.submitted_at,
        updated_at=a.updated_at, failure=a.failure, note=a.note,
    )  # fmt: skip


def capture_view(c: Capture) -> CaptureView:
    """A capture as it looks outside."""
    return CaptureView(
        id=c.id, payment=c.payment_id, amount=c.amount, final=c.final, state=c.state.value,
        created_at=c.created_at, updated_at=c.updated_at, failure=c.failure,
    )  # fmt: skip


def refund_view(r: Refund) -> RefundView:
    """A refund as it looks outside."""
    return RefundView(
        id=r.id, payment=r.payment_id, amount=r.amount, state=r.state.value, reason=r.reason,
        metadata=r.metadata, partner_id=r.partner_id, created_at=r.created_at, updated_at=r.updated_at,
        failure=r.failure,
    )  # fmt: skip


def dispute_view(d: Dispute) -> DisputeView:
    """A dispute as it looks outside."""
    return DisputeView(
        id=d.id, payment=d.payment_id, partner=d.partner, partner_id=d.partner_id, amount=d.amount,
        currency=d.currency, state=d.state.value, created_at=d.created_at, updated_at=d.updated_at,
    )  # fmt: skip
