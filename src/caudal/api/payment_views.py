"""What callers get of one payment: the payment with everything that belongs to it."""

import msgspec

from caudal.api.views import TransferView
from caudal.payments import (
    AttemptView,
    CaptureView,
    Case,
    DisputeView,
    PaymentView,
    RefundView,
    attempt_view,
    capture_view,
    dispute_view,
    payment_view,
    refund_view,
)


class PaymentDetailView(PaymentView, frozen=True, kw_only=True):
    """A payment with everything that belongs to it."""

    attempts: tuple[AttemptView, ...]
    captures: tuple[CaptureView, ...]
    refunds: tuple[RefundView, ...]
    disputes: tuple[DisputeView, ...]
    transfers: tuple[TransferView, ...]
    """What it did in the ledger so far, in order; the newest 100 if there are more."""


def case_view(case: Case, transfers: tuple[TransferView, ...]) -> PaymentDetailView:
    """A payment for a caller, with all that belongs to it."""
    return PaymentDetailView(
        **msgspec.structs.asdict(payment_view(case.payment)),
        attempts=tuple(attempt_view(attempt) for attempt in case.attempts),
        captures=tuple(capture_view(capture) for capture in case.captures),
        refunds=tuple(refund_view(refund, case.payment.currency) for refund in case.refunds),
        disputes=tuple(dispute_view(dispute) for dispute in case.disputes),
        transfers=transfers,
    )
