"""Payments: the only orchestrator of money movement. One state machine (`rules`), exact in the ledger.

    payments = Payments(ledger, decide, registry, ids)
    outcomes = await payments.carry_out(connection, book_id, [CreatePayment(…)])    # in a transaction

`PaymentDesk` batches callers' orders; `handlers` is the work in the background; partners' words enter by
`Payments.apply_snapshots`.
"""

from caudal.payments.commands import (
    ApprovePayment,
    CallerCommand,
    CancelPayment,
    CapturePayment,
    Command,
    ConfirmPayment,
    CreatePayment,
    DeclinePayment,
    IncrementPayment,
    RefundPayment,
    TimeOut,
)
from caudal.payments.desk import LIMITS as PAYMENT_LIMITS
from caudal.payments.desk import PaymentDesk, PaymentOrder, Render
from caudal.payments.errors import DisputeNotFound, PaymentNotFound, RefundNotFound
from caudal.payments.handlers import PERIODICS, handlers, queues
from caudal.payments.outcomes import Applied, AppliedStatus, Outcome, OutcomeStatus
from caudal.payments.part_rules import DISPUTES, REFUNDS, DisputePosting, RefundPosting
from caudal.payments.queries import (
    PaymentFilter,
    PaymentPage,
    SettlementRow,
    WaitingFor,
    get_dispute,
    get_payment,
    get_refund,
    list_disputes,
    list_payments,
    list_refunds,
    list_settlements,
)
from caudal.payments.refusals import BY_CODE, REASONS, Reason, Refusal
from caudal.payments.rules import FINAL, TABLE
from caudal.payments.service import Payments
from caudal.payments.settlements import SettlementView
from caudal.payments.terms import Effect, Event, Posting, Row
from caudal.payments.trying import Tried, past_of, try_rules
from caudal.payments.types import (
    Attempt,
    AttemptState,
    Capture,
    Case,
    Dispute,
    DisputeState,
    Failure,
    PartState,
    Payment,
    PaymentKind,
    PaymentState,
    Refund,
    Retried,
    ReviewDefault,
    ReviewReason,
    Routed,
)
from caudal.payments.views import (
    AttemptView,
    CaptureView,
    DisputeView,
    FailureView,
    PaymentView,
    RefundView,
    ToldPaymentView,
    attempt_view,
    capture_view,
    dispute_view,
    encoded,
    payment_view,
    refund_view,
)

__all__ = [
    "BY_CODE", "DISPUTES", "FINAL", "PAYMENT_LIMITS", "PERIODICS", "REASONS", "REFUNDS", "TABLE", "Applied",
    "AppliedStatus", "ApprovePayment", "Attempt", "AttemptState", "AttemptView", "CallerCommand",
    "CancelPayment", "Capture", "CapturePayment", "CaptureView", "Case", "Command", "ConfirmPayment",
    "CreatePayment", "DeclinePayment", "Dispute", "DisputeNotFound", "DisputePosting", "DisputeState",
    "DisputeView", "Effect", "Event", "Failure", "FailureView", "IncrementPayment", "Outcome",
    "OutcomeStatus", "PartState", "Payment", "PaymentDesk", "PaymentFilter", "PaymentKind",
    "PaymentNotFound", "PaymentOrder", "PaymentPage", "PaymentState", "PaymentView", "Payments", "Posting",
    "Reason", "Refund", "RefundNotFound", "RefundPayment", "RefundPosting", "RefundView", "Refusal", "Render",
    "Retried", "ReviewDefault", "ReviewReason", "Routed", "Row", "SettlementRow", "SettlementView", "TimeOut",
    "ToldPaymentView", "Tried", "WaitingFor", "attempt_view", "capture_view", "dispute_view", "encoded",
    "get_dispute", "get_payment", "get_refund", "handlers", "list_disputes", "list_payments", "list_refunds",
    "list_settlements", "past_of", "payment_view", "queues", "refund_view", "try_rules",
]  # fmt: skip
