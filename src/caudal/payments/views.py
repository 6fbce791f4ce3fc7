"""How payments and what belongs to them look outside: in answers of the API and in events, alike.

Fields that say nothing are left out. Amounts are in minor units of the currency, times in UTC.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated, Final

import msgspec

from caudal.connectors import CaptureMode, Method, Operation
from caudal.payments.types import (
    Attempt,
    AttemptState,
    Capture,
    Dispute,
    DisputeState,
    Failure,
    PartState,
    Payment,
    PaymentKind,
    PaymentState,
    Refund,
    ReviewReason,
)
from caudal_base.decide import Context

Time = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class View(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, gc=False
):
    """What all of them have in common."""


class FailureView(View, frozen=True, kw_only=True):
    """Why a partner said no."""

    code: str
    """Stable: the partner's own code, or ours where it has none."""
    class_: str = msgspec.field(name="class")
    message: str = ""


class NextActionView(View, frozen=True, kw_only=True):
    """What the customer must do for the payment to go on."""

    type: str
    """`redirect`: send the customer's browser to `url`. `use_stripe_sdk`: give `client_secret` to
    `stripe.handleNextAction` in the customer's browser. `at_partner`: the partner asks the customer."""
    url: str | None = None
    client_secret: str | None = None
    """Lets whoever has it act for the customer on this payment: for the customer's browser alone. Events do
    not have it: read the payment."""


class PaymentReviewView(View, frozen=True, kw_only=True):
    """What a person is asked to decide."""

    reason: ReviewReason
    until: Time | None = None
    """When `default` decides; not there: it waits for a person."""
    default: str | None = None
    """`approve` or `decline`."""
    reported_amount: int | None = None
    """Of a mismatch: what the partner says."""
    reported_currency: str | None = None


class DecisionView(View, frozen=True, kw_only=True):
    """What was decided before anything was sent."""

    verdict: str
    """`approve`, `challenge` (the customer authenticates at the partner), `review` or `decline`."""
    reasons: tuple[str, ...] = ()
    """Stable codes, the weightiest first."""
    id: str | None = None
    """Of the decision, where one is recorded: `GET /v1/decisions/{id}` has all that it was made of."""


class PaymentRouteView(View, frozen=True, kw_only=True):
    """How a payment came to its partner."""

    rule: str
    """Of the routing's rules."""
    rule_set: str
    """`v3`"""
    partners: tuple[str, ...]
    """Whom it may go to, in this order."""


class RetriedView(View, frozen=True, kw_only=True):
    """Why an attempt was made when there had been one before."""

    cause: str
    """`soft_decline`, `not_sent`, `rate_limited`, `unavailable`, …"""
    reason: str
    """At whom the one before failed, and with which code."""


class PaymentView(View, frozen=True, kw_only=True):
    """A payment as it stands."""

    id: str
    kind: PaymentKind
    state: PaymentState
    customer: str
    amount: int
    """What was asked, in minor units of the currency, as all amounts here."""
    currency: str
    authorised_amount: int
    """In total, captured parts included."""
    captured_amount: int
    refunded_amount: int
    """Paid back."""
    refunding_amount: int
    """On its way back."""
    disputed_amount: int
    """Withdrawn by open or lost disputes."""
    fee_amount: int
    """What the customer has been charged for it so far."""
    capture: CaptureMode
    created_at: Time
    updated_at: Time
    destination: str | None = None
    """Of an internal payment: the customer who receives."""
    partner: str | None = None
    partner_id: str | None = None
    """The partner's id of it."""
    route: PaymentRouteView | None = None
    """By which rule the partner was chosen; not there: the caller named it, or there are no rules."""
    method: Method | None = None
    instrument: str | None = None
    reference: str | None = None
    description: str | None = None
    metadata: Mapping[str, str] | None = None
    context: Context | None = None
    execute_at: Time | None = None
    return_url: str | None = None
    expires_at: Time | None = None
    """When what the state waits for runs out: the authorisation, the customer's action, the review."""
    next_action: NextActionView | None = None
    failure: FailureView | None = None
    review: PaymentReviewView | None = None
    decision: DecisionView | None = None


class ReroutedView(View, frozen=True, kw_only=True):
    """Between which partners a payment has moved on, and why."""

    from_: str = msgspec.field(name="from")
    to: str
    cause: str
    """As the table of retries has it: `soft_decline`, `not_sent`, …"""
    reason: str
    """At whom it came to nothing, with the partner's code."""


class ToldPaymentView(PaymentView, frozen=True, kw_only=True):
    """A payment as events tell of it: as it looks, but for what is for the customer's browser alone."""

    rerouted: ReroutedView | None = None
    """Of `payment.rerouted` alone."""


class AttemptView(View, frozen=True, kw_only=True):
    """One call to a partner. Its id is the partner's idempotency key, and in the partner's metadata."""

    id: str
    operation: Operation
    state: AttemptState
    partner: str
    amount: int
    created_at: Time
    updated_at: Time
    part: str | None = None
    """The capture or refund that it carries out."""
    partner_id: str | None = None
    """The partner's id of what it made."""
    submitted_at: Time | None = None
    """When it was first sent; not there: it never was."""
    sends: int = 0
    looks: int = 0
    """How often the partner has been asked since."""
    failure: FailureView | None = None
    note: str | None = None
    """For operators: why its outcome is unknown."""
    retried: RetriedView | None = None
    """Of one that begins the payment once more: why."""
    asked_at: Time | None = None
    """Of a refund: since when a person is asked how it ended, by approving or declining the payment."""


class CaptureView(View, frozen=True, kw_only=True):
    """A part of what was authorised, taken."""

    id: str
    payment: str
    amount: int
    final: bool
    state: PartState
    created_at: Time
    updated_at: Time
    transfer: str | None = None
    """The ledger's transfer that posted it."""
    failure: FailureView | None = None


class RefundView(View, frozen=True, kw_only=True):
    """Money on its way back to whom it came from."""

    id: str
    payment: str
    amount: int
    currency: str
    state: PartState
    created_at: Time
    updated_at: Time
    reason: str | None = None
    metadata: Mapping[str, str] | None = None
    partner_id: str | None = None
    """The partner's id of it."""
    failure: FailureView | None = None


class DisputeView(View, frozen=True, kw_only=True):
    """The payer asks their bank for the money back."""

    id: str
    payment: str
    partner: str
    partner_id: str
    """The partner's id of it."""
    amount: int
    currency: str
    state: DisputeState
    created_at: Time
    updated_at: Time
    reason: str | None = None
    """What the payer claims, in the partner's words: `fraudulent`, `product_not_received`."""
    fee_amount: int = 0
    """What the partner has charged for it, less what it has given back."""
    respond_by: Time | None = None
    """Until when the partner takes evidence."""


_encoder: Final = msgspec.json.Encoder()


def encoded(view: View) -> bytes:
    """A view as JSON."""
    return _encoder.encode(view)


def payment_view(p: Payment) -> PaymentView:
    """`p` as it looks outside."""
    return PaymentView(
        id=p.id, kind=p.kind, state=p.state, customer=p.customer, amount=p.amount, currency=p.currency,
        authorised_amount=p.authorised_amount, captured_amount=p.captured_amount,
        refunded_amount=p.refunded_amount, refunding_amount=p.refunding_amount,
        disputed_amount=p.disputed_amount, fee_amount=p.fee_amount, capture=p.capture,
        created_at=p.created_at, updated_at=p.updated_at, destination=p.destination, partner=p.partner,
        partner_id=p.partner_id, route=_route(p), method=p.method, instrument=p.instrument,
        reference=p.reference, description=p.description, metadata=p.metadata or None, context=p.context,
        execute_at=p.execute_at,
        return_url=p.return_url, expires_at=p.expires_at, next_action=_next_action(p),
        failure=failure_view(p.failure), review=_review(p),
        decision=None if p.verdict is None else DecisionView(
            verdict=p.verdict, reasons=p.reasons, id=p.decision
        ),
    )  # fmt: skip


def rerouted_view(shown: PaymentView, rerouted: ReroutedView) -> ToldPaymentView:
    """What is told of a payment that goes on at another partner."""
    return ToldPaymentView(**msgspec.structs.asdict(told_view(shown)), rerouted=rerouted)


def told_view(shown: PaymentView) -> PaymentView:
    """What is told of a payment in events: what it looks like, without what only a browser may have.

    Events are kept for good and go to every endpoint that wants them; who reads the payment gets the secret.
    """
    action = shown.next_action
    if action is None or action.client_secret is None:
        return shown
    return msgspec.structs.replace(shown, next_action=msgspec.structs.replace(action, client_secret=None))


def _route(p: Payment) -> PaymentRouteView | None:
    if p.route is None:
        return None
    return PaymentRouteView(rule=p.route.rule, rule_set=f"v{p.route.version}", partners=p.route.partners)


def _next_action(p: Payment) -> NextActionView | None:
    if p.state is not PaymentState.REQUIRES_ACTION:
        return None
    if p.action_url is not None:
        return NextActionView(type="redirect", url=p.action_url)
    if p.action_secret is not None:
        return NextActionView(type="use_stripe_sdk", client_secret=p.action_secret)
    return NextActionView(type="at_partner")


def _review(p: Payment) -> PaymentReviewView | None:
    if p.state is not PaymentState.REVIEW or p.review is None:
        return None
    return PaymentReviewView(
        reason=p.review,
        until=p.expires_at,
        default=None if p.review_default is None else p.review_default.value,
        reported_amount=p.reported_amount,
        reported_currency=p.reported_currency,
    )


def failure_view(failure: Failure | None) -> FailureView | None:
    """`failure` as it looks outside."""
    if failure is None:
        return None
    return FailureView(code=failure.code, class_=failure.class_, message=failure.message)


def attempt_view(attempt: Attempt) -> AttemptView:
    """`attempt` as it looks outside."""
    return AttemptView(
        id=attempt.id,
        operation=attempt.operation,
        state=attempt.state,
        partner=attempt.partner,
        amount=attempt.amount,
        created_at=attempt.created_at,
        updated_at=attempt.updated_at,
        part=attempt.part_id,
        partner_id=attempt.partner_id,
        submitted_at=attempt.submitted_at,
        sends=attempt.sends,
        looks=attempt.looks,
        failure=failure_view(attempt.failure),
        note=attempt.note,
        retried=None
        if attempt.retried is None
        else RetriedView(cause=attempt.retried.cause, reason=attempt.retried.reason),
        asked_at=attempt.asked_at,
    )


def capture_view(capture: Capture) -> CaptureView:
    """`capture` as it looks outside."""
    return CaptureView(
        id=capture.id,
        payment=capture.payment_id,
        amount=capture.amount,
        final=capture.final,
        state=capture.state,
        created_at=capture.created_at,
        updated_at=capture.updated_at,
        transfer=capture.transfer_id,
        failure=failure_view(capture.failure),
    )


def refund_view(refund: Refund, currency: str) -> RefundView:
    """`refund` as it looks outside; `currency` is its payment's."""
    return RefundView(
        id=refund.id,
        payment=refund.payment_id,
        amount=refund.amount,
        currency=currency,
        state=refund.state,
        created_at=refund.created_at,
        updated_at=refund.updated_at,
        reason=refund.reason,
        metadata=refund.metadata or None,
        partner_id=refund.partner_id,
        failure=failure_view(refund.failure),
    )


def dispute_view(dispute: Dispute) -> DisputeView:
    """`dispute` as it looks outside."""
    return DisputeView(
        id=dispute.id,
        payment=dispute.payment_id,
        partner=dispute.partner,
        partner_id=dispute.partner_id,
        amount=dispute.amount,
        currency=dispute.currency,
        state=dispute.state,
        created_at=dispute.created_at,
        updated_at=dispute.updated_at,
        reason=dispute.reason,
        fee_amount=dispute.fee_amount,
        respond_by=dispute.respond_by,
    )
