"""Decisions, the features that they are made of, and reviews, as the API has them."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from caudal.client.bodies import Body
from caudal.client.payment_types import Method, Payment, PaymentContext, PaymentKind, PaymentState
from caudal.client.risk_rule_types import RuleOutcome
from caudal.client.types import Answer, OpenEnum


class DecisionOf(OpenEnum):
    """What was decided on."""

    PAYMENT = "payment"
    APPLICATION = "application"


class DecisionBecause(OpenEnum):
    """What gave a reason."""

    LIST = "list"
    LIMIT = "limit"
    RULE = "rule"
    MODEL = "model"
    FALLBACK = "fallback"
    METHOD = "method"


class DecisionFallback(OpenEnum):
    """Why no model decided, though one should have."""

    MISSING = "model_missing"
    UNREADABLE = "model_unreadable"
    LATE = "model_late"
    NO_SCORE = "model_no_score"
    FAILED = "decision_failed"


class FeatureEntity(OpenEnum):
    """Whose history a feature tells of."""

    CUSTOMER = "customer"
    ACCOUNT = "account"
    CARD = "card"
    DEVICE = "device"
    IP = "ip"
    MERCHANT = "merchant"


class FeatureAggregate(OpenEnum):
    """What is made of the events in a window."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    STDDEV = "stddev"
    MIN = "min"
    MAX = "max"
    DISTINCT = "distinct"
    SINCE_LAST = "since_last"
    RATIO = "ratio"


class DecisionReason(Answer, frozen=True, kw_only=True):
    """Why a decision was not simply yes."""

    code: str
    text: str
    because: DecisionBecause
    wants: RuleOutcome
    points: float | None = None


class DecisionShadow(Answer, frozen=True, kw_only=True):
    """What a model would have said that serves for comparison only."""

    model: str
    score: float | None = None


class DecisionRecord(Answer, frozen=True, kw_only=True):
    """A decision, with all that it was made of."""

    id: str
    of: DecisionOf
    subject: str
    outcome: RuleOutcome
    at: dt.datetime
    as_of: dt.datetime
    ordinal: int
    facts: Mapping[str, Any]
    features: Mapping[str, Any]
    latency_us: Mapping[str, int]
    customer: str | None = None
    score: float | None = None
    reasons: Sequence[DecisionReason] = ()
    lists: Sequence[str] = ()
    feature_set: int | None = None
    rule_set: int | None = None
    serving: int | None = None
    model: str | None = None
    role: str | None = None
    fallback: DecisionFallback | None = None
    rules_missing: Sequence[str] = ()
    rules_snoozed: Sequence[str] = ()
    shadows: Sequence[DecisionShadow] = ()


class DecisionReplay(Answer, frozen=True, kw_only=True):
    """A decision made again of what is stored of it."""

    id: str
    same: bool
    """Byte for byte."""
    stored: Any
    again: Any


class ServedFeature(Answer, frozen=True, kw_only=True):
    """A feature as it was served."""

    name: str
    value: int | float | str | bool | None = None
    about: str = ""


class DecisionExplanation(Answer, frozen=True, kw_only=True):
    """Why a decision came out as it did."""

    id: str
    outcome: RuleOutcome
    words: Sequence[str]
    score: float | None = None
    reasons: Sequence[DecisionReason] = ()
    features: Sequence[ServedFeature] = ()


class DecisionLink(Answer, frozen=True, kw_only=True):
    """Another decision that has something in common."""

    decision: str
    subject: str
    outcome: RuleOutcome
    at: dt.datetime
    shares: Sequence[str]
    customer: str | None = None
    labels: Sequence[str] = ()


class PastPayment(Answer, frozen=True, kw_only=True):
    """A payment that the customer has made before."""

    payment: str
    kind: PaymentKind
    state: PaymentState
    amount: int
    currency: str
    created_at: dt.datetime


class PaymentReviewCase(Answer, frozen=True, kw_only=True):
    """A held payment with all that a person needs to decide."""

    payment: Payment
    decision: DecisionRecord | None = None
    words: Sequence[str] = ()
    linked: Sequence[DecisionLink] = ()
    history: Sequence[PastPayment] = ()
    labels: Sequence[str] = ()


class FeatureFilter(Answer, frozen=True, kw_only=True):
    """Which events count."""

    source: Sequence[str] = ("payment",)
    where: Mapping[str, Sequence[str]] = {}
    at_least: Mapping[str, int] = {}
    below: Mapping[str, int] = {}


class RiskFeature(Answer, frozen=True, kw_only=True):
    """A number that is known of an entity at any moment."""

    name: str
    by: Sequence[FeatureEntity]
    aggregate: FeatureAggregate
    same: Sequence[str] = ()
    of: FeatureFilter = FeatureFilter()
    value: str | None = None
    window: str = "1d"
    delay: str = "0s"
    about: str = ""


class RiskFeatureSet(Answer, frozen=True, kw_only=True):
    """Features as they were published."""

    version: int
    features: Sequence[RiskFeature]
    created_at: dt.datetime
    created_by: str


class RiskEventResult(Answer, frozen=True, kw_only=True):
    """What became of an event: `recorded`, `known`, or the code of a refusal."""

    id: str
    result: str
    detail: str | None = None


class RiskEventResults(Answer, frozen=True, kw_only=True):
    """One result for each event, in order."""

    data: Sequence[RiskEventResult]


class NewFeatureSet(Body, frozen=True, kw_only=True):
    """POST /v1/risk/feature-sets"""

    features: Sequence[RiskFeature]


class NewRiskEvent(Body, frozen=True, kw_only=True):
    """Something that happened elsewhere."""

    id: str
    source: str
    event_at: dt.datetime
    entities: Mapping[str, str]
    tags: Mapping[str, str] | None = None
    values: Mapping[str, int] | None = None


class NewRiskEvents(Body, frozen=True, kw_only=True):
    """POST /v1/risk/events"""

    events: Sequence[NewRiskEvent]


class NewPaymentDecision(Body, frozen=True, kw_only=True):
    """POST /v1/decisions/payment"""

    subject: str
    customer: str
    amount: int
    currency: str
    kind: PaymentKind = PaymentKind.PAY_IN
    method: Method | None = None
    instrument: str | None = None
    context: PaymentContext | None = None
    authenticates: bool = False


class NewDecision(Body, frozen=True, kw_only=True):
    """POST /v1/decisions"""

    subject: str
    values: Mapping[str, int | float | str | bool | None]
    customer: str | None = None
