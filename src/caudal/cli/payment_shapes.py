"""Payments and what belongs to them, as people see them."""

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from caudal.cli.terminal import cell, facts, money, table, when
from caudal.payments import (
    AttemptView,
    CaptureView,
    DisputeView,
    FailureView,
    PaymentKind,
    PaymentState,
    PaymentView,
    RefundView,
)

_MARKED = {
    PaymentState.REVIEW: "bold yellow",
    PaymentState.REQUIRES_ACTION: "bold yellow",
    PaymentState.DECLINED: "bold red",
    PaymentState.FAILED: "bold red",
    PaymentState.RETURNED: "bold red",
}
"""States that somebody should look at."""


def payment_rows(payments: Sequence[PaymentView], *, with_kind: bool) -> Table:
    """A table of payments, one a line."""
    kind = ("kind",) if with_kind else ()
    shown = table("created", *kind, "state", "amount", "reference", "payment", right=("amount",))
    for payment in payments:
        shown.add_row(
            when(payment.created_at),
            *([payment.kind.value] if with_kind else []),
            _state(payment.state),
            money(payment.amount, payment.currency),
            payment.reference or "",
            payment.id,
        )
    return shown


def show_payment(out: Console, payment: PaymentView) -> None:
    """One payment, a property a line."""
    currency = payment.currency

    def if_any(amount: int) -> str | None:
        return money(amount, currency) if amount else None

    review, decision, action = payment.review, payment.decision, payment.next_action
    rows: list[tuple[str, Any]] = [
        ("payment", payment.id),
        ("kind", payment.kind.value),
        ("state", _state(payment.state)),
        ("failure", failure(payment.failure)),
        ("to be done", None if action is None else " to ".join(filter(None, (action.type, action.url)))),
        ("review", None if review is None else review.reason.value),
        ("reported", None if review is None or review.reported_amount is None
         else f"{review.reported_amount} minor units of {review.reported_currency}"),
        ("by default", None if review is None else review.default),
        ("decision", None if decision is None else " ".join((decision.verdict, *decision.reasons))),
        ("customer", payment.customer),
        ("to", payment.destination),
        ("amount", money(payment.amount, currency)),
        ("authorised", if_any(payment.authorised_amount)),
        ("captured", if_any(payment.captured_amount)),
        ("refunded", if_any(payment.refunded_amount)),
        ("refunding", if_any(payment.refunding_amount)),
        ("disputed", if_any(payment.disputed_amount)),
        ("fee", if_any(payment.fee_amount)),
        ("partner", " ".join(text for text in (payment.partner, payment.partner_id) if text)),
        ("method", None if payment.method is None else payment.method.value),
        ("instrument", payment.instrument),
        ("capture", None if payment.kind is not PaymentKind.PAY_IN else payment.capture.value),
        ("reference", payment.reference),
        ("description", payment.description),
        ("metadata", cell(payment.metadata) if payment.metadata else None),
        ("begins", payment.execute_at),
        ("created", payment.created_at),
        ("updated", payment.updated_at),
        ("expires", payment.expires_at),
    ]  # fmt: skip
    out.print(facts(rows))


def failure(found: FailureView | None) -> str | None:
    """Why a partner said no, in a line."""
    if found is None:
        return None
    return f"{found.code} ({found.class_})" + (f": {found.message}" if found.message else "")


def attempt_rows(attempts: Sequence[AttemptView], currency: str) -> Table:
    """A table of calls to partners."""
    shown = table(
        "created", "operation", "state", "amount", "sent", "attempt", "why", right=("amount", "sent")
    )
    for attempt in attempts:
        shown.add_row(
            when(attempt.created_at), attempt.operation.value, attempt.state.value,
            money(attempt.amount, currency), str(attempt.sends), attempt.id,
            failure(attempt.failure) or attempt.note or "",
        )  # fmt: skip
    return shown


def capture_rows(captures: Sequence[CaptureView], currency: str) -> Table:
    """A table of captures."""
    shown = table("created", "state", "amount", "final", "capture", right=("amount",))
    for capture in captures:
        shown.add_row(
            when(capture.created_at), capture.state.value, money(capture.amount, currency),
            "yes" if capture.final else "no", capture.id,
        )  # fmt: skip
    return shown


def refund_rows(refunds: Sequence[RefundView]) -> Table:
    """A table of refunds."""
    shown = table("created", "state", "amount", "refund", "why", right=("amount",))
    for refund in refunds:
        shown.add_row(
            when(refund.created_at), refund.state.value, money(refund.amount, refund.currency), refund.id,
            failure(refund.failure) or refund.reason or "",
        )  # fmt: skip
    return shown


def dispute_rows(disputes: Sequence[DisputeView]) -> Table:
    """A table of disputes."""
    shown = table("created", "state", "amount", "dispute", "payment", right=("amount",))
    for dispute in disputes:
        shown.add_row(
            when(dispute.created_at), dispute.state.value, money(dispute.amount, dispute.currency),
            dispute.id, dispute.payment,
        )  # fmt: skip
    return shown


def show_dispute(out: Console, dispute: DisputeView) -> None:
    """One dispute, a property a line."""
    rows = [
        ("dispute", dispute.id),
        ("state", dispute.state.value),
        ("reason", dispute.reason),
        ("evidence until", dispute.respond_by),
        ("amount", money(dispute.amount, dispute.currency)),
        ("partner's fee", money(dispute.fee_amount, dispute.currency) if dispute.fee_amount else None),
        ("payment", dispute.payment),
        ("partner", f"{dispute.partner} {dispute.partner_id}"),
        ("created", dispute.created_at),
        ("updated", dispute.updated_at),
    ]
    out.print(facts(rows))


def _state(state: PaymentState) -> Text:
    return Text(state.value, _MARKED.get(state, ""))
