"""Decisions as callers see them, and how they ask for them."""

from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from caudal.api.bodies import RequestBody
from caudal.api.fields import Amount, Currency, Cursor, Limit, Moment, Time
from caudal.api.payment_bodies import PaymentContext
from caudal.api.payment_fields import Instrument, require_instrument
from caudal.api.views import View
from caudal.connectors import Method
from caudal.payments import PaymentKind, PaymentState, PaymentView
from caudal.risk import (
    Because,
    Fallback,
    FeatureShown,
    PaymentElsewhere,
    Reason,
    Record,
    SubjectOf,
)
from caudal_base.decide import Verdict
from caudal_base.personal import refuse_personal

DecisionSubject = Annotated[
    str,
    Meta(description="The payment's id, or your own name of the application.", min_length=1, max_length=255),
]
DecisionCustomer = Annotated[str, Meta(description="The customer's id.", min_length=1, max_length=255)]
Score = Annotated[float, Meta(description="With at least this score.", ge=0.0, le=1.0)]
Value = int | float | str | bool | None


class DecisionsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which decisions: those that meet every condition."""

    subject: DecisionSubject | None = None
    customer: DecisionCustomer | None = None
    outcome: Verdict | None = None
    of: SubjectOf | None = None
    score_from: Score | None = None
    made_from: Moment | None = None
    made_before: Moment | None = None
    cursor: Cursor | None = None
    limit: Limit = 100


class ReasonView(View, frozen=True, kw_only=True):
    """Why a decision was not simply yes."""

    code: str
    """Stable: `blocked_device`, `limit_per_day`, `rule_many_cards`, `model_score`."""
    text: str
    """In words."""
    because: Because
    wants: Verdict
    """What would have become of it for this reason alone."""
    points: float | None = None
    """Of what a model found: how much it added to the score, in the model's own measure."""


class ShadowView(View, frozen=True, kw_only=True):
    """What a model would have said that serves for comparison only."""

    model: str
    score: float | None = None


class DecisionRecordView(View, frozen=True, kw_only=True):
    """A decision, with all that it was made of. It never changes."""

    id: str
    of: SubjectOf
    subject: str
    customer: str | None = None
    outcome: Verdict
    score: float | None = None
    """The model's: a probability from 0 to 1."""
    reasons: tuple[ReasonView, ...] = ()
    """The weightiest first."""
    at: Time
    as_of: Time
    """From when the windows of features were measured."""
    ordinal: int
    """The newest event that features knew."""
    facts: Mapping[str, Value]
    """What was decided on, as rules read it."""
    features: Mapping[str, Value]
    """As they were served; null: missing."""
    lists: tuple[str, ...] = ()
    """The entries of lists and the limits that it met."""
    feature_set: int | None = None
    rule_set: int | None = None
    serving: int | None = None
    """The version of what says which models serve."""
    model: str | None = None
    """`fraud@3`"""
    role: str | None = None
    """`champion` or `challenger`."""
    fallback: Fallback | None = None
    """Why no model decided, though one should have."""
    rules_missing: tuple[str, ...] = ()
    """Rules that could not say: a value was missing, or something was divided by zero."""
    rules_snoozed: tuple[str, ...] = ()
    shadows: tuple[ShadowView, ...] = ()
    latency_us: Mapping[str, int]
    """By stage, in microseconds; `read` is that of the whole batch."""


class ReplayView(View, frozen=True, kw_only=True):
    """A decision made again of what is stored of it, with the versions that it was made with."""

    id: str
    same: bool
    """Outcome, score and reasons are the same, byte for byte."""
    stored: msgspec.Raw
    """Outcome, score and reasons as they were."""
    again: msgspec.Raw
    """As they are now."""


class ServedFeatureView(View, frozen=True, kw_only=True):
    """A feature as it was served."""

    name: str
    value: Value = None
    """Not there: it was missing."""
    about: str = ""


class ExplanationView(View, frozen=True, kw_only=True):
    """Why a decision came out as it did."""

    id: str
    outcome: Verdict
    score: float | None = None
    words: tuple[str, ...]
    """What was decided and why, a sentence each, the weightiest first."""
    reasons: tuple[ReasonView, ...] = ()
    features: tuple[ServedFeatureView, ...] = ()


def reason_view(reason: Reason) -> ReasonView:
    """A reason for a caller."""
    return ReasonView(
        code=reason.code, text=reason.text, because=reason.because, wants=reason.wants, points=reason.points
    )


def decision_view(record: Record, features: Sequence[FeatureShown]) -> DecisionRecordView:
    """A decision for a caller."""
    served, decided = record.served, record.decided
    met = served.met
    return DecisionRecordView(
        id=record.id, of=record.of, subject=record.subject, customer=record.customer,
        outcome=decided.outcome, score=decided.score,
        reasons=tuple(reason_view(reason) for reason in decided.reasons),
        at=record.at, as_of=record.as_of, ordinal=record.ordinal, facts=served.facts,
        features={feature.name: feature.value for feature in features},
        lists=met.blocked + met.breached + met.watched + met.allowed,
        feature_set=served.feature_set or None, rule_set=served.rule_set or None,
        serving=served.serving or None, model=served.model, role=served.role, fallback=served.fallback,
        rules_missing=record.missing, rules_snoozed=record.snoozed,
        shadows=tuple(ShadowView(model=shadow.model, score=shadow.score) for shadow in record.shadows),
        latency_us=record.latency_us,
    )  # fmt: skip


class NewDecision(RequestBody, frozen=True, kw_only=True):
    """Something that is no payment: an application for credit."""

    subject: Annotated[
        str, Meta(description="Your own name of it: labels go by it.", min_length=1, max_length=255)
    ]
    values: Annotated[
        dict[str, int | float | str | bool | None],
        Meta(
            description="What the model reads, by the names of its inputs; null, or not there, is missing.",
            max_length=2_000,
        ),
    ]
    customer: DecisionCustomer | None = None


class NewPaymentDecision(RequestBody, frozen=True, kw_only=True):
    """A payment that is carried out elsewhere."""

    subject: Annotated[
        str,
        Meta(description="Your own name of it: labels go by it, and asked again it is the same decision.",
             min_length=1, max_length=255),
    ]  # fmt: skip
    customer: Annotated[str, Meta(description="Your own id of the customer.", min_length=1, max_length=255)]
    amount: Amount
    currency: Currency
    kind: PaymentKind = PaymentKind.PAY_IN
    method: Method | None = None
    instrument: Instrument | None = None
    context: PaymentContext | None = None
    authenticates: Annotated[
        bool,
        Meta(description="The customer can be made to authenticate. Else there is `review` for `challenge`."),
    ] = False

    def checked(self) -> PaymentElsewhere:
        """As decisions have it. Raises `PersonalDataRefused`, and for each field what it must be."""
        refuse_personal(self.instrument, "instrument")
        require_instrument(self.instrument)
        return PaymentElsewhere(
            subject=self.subject, customer=self.customer, amount=self.amount, currency=self.currency,
            kind=self.kind.value, method=None if self.method is None else self.method.value,
            instrument=self.instrument, context=None if self.context is None else self.context.checked(),
            authenticates=self.authenticates,
        )  # fmt: skip


class ReviewsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A page of what waits for a person."""

    cursor: Cursor | None = None
    limit: Annotated[int, Meta(description="At most so many rows.", ge=1, le=100)] = 20


class LinkedView(View, frozen=True, kw_only=True):
    """Another decision that has something in common."""

    decision: str
    subject: str
    customer: str | None = None
    outcome: Verdict
    at: Time
    shares: tuple[str, ...]
    """`card`, `device`, `ip`, `customer`."""
    labels: tuple[str, ...] = ()
    """What became known of it: `fraud`, `dispute_lost`; the newest first."""


class PastPaymentView(View, frozen=True, kw_only=True):
    """A payment that the customer has made before."""

    payment: str
    kind: PaymentKind
    state: PaymentState
    amount: int
    currency: str
    created_at: Time


class PaymentReviewCaseView(View, frozen=True, kw_only=True):
    """A held payment with all that a person needs to decide: approve or decline the payment itself."""

    payment: PaymentView
    decision: DecisionRecordView | None = None
    words: tuple[str, ...] = ()
    """Why it is held, a sentence each."""
    linked: tuple[LinkedView, ...] = ()
    """Of one review: the newest by the same card, device, address or customer."""
    history: tuple[PastPaymentView, ...] = ()
    """Of one review: the customer's own payments, the newest ten before it."""
    labels: tuple[str, ...] = ()
    """What is known of the payment meanwhile."""
