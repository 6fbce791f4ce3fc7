"""Models, as the API answers and takes them."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from caudal.client.bodies import Body
from caudal.client.types import Answer, OpenEnum


class ModelStage(OpenEnum):
    """What a model does in a book."""

    REGISTERED = "registered"
    SHADOW = "shadow"
    """It scores, and decides nothing."""
    CHALLENGER = "challenger"
    """It decides a share."""
    CHAMPION = "champion"
    RETIRED = "retired"


class ModelKind(OpenEnum):
    """What an artifact is."""

    LIGHTGBM = "lightgbm"
    ONNX = "onnx"
    SCORECARD = "scorecard"


class ModelPurpose(OpenEnum):
    """What is predicted."""

    FRAUD = "fraud"
    CREDIT = "credit"


class ModelOutcome(OpenEnum):
    """What a score comes to, in rising severity."""

    APPROVE = "approve"
    CHALLENGE = "challenge"
    REVIEW = "review"
    DECLINE = "decline"


class _Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What people write, and get again."""


class ModelGate(_Written, frozen=True, kw_only=True):
    """What a model must meet before it decides."""

    least: Mapping[str, float] = msgspec.field(default_factory=lambda: {"auc": 0.6})
    """By metric, what the lower end of its 95 % interval must reach."""
    max_latency_us: int = 2_000
    max_calibration_error: float = 0.05
    max_stability: float = 0.25
    min_four_fifths: float = 0.8
    min_shadow_hours: int = 0
    least_compared: int = 20
    """Bad ends, and good ones, that a comparison with the champion needs."""


class ModelDriftBounds(_Written, frozen=True, kw_only=True):
    """Beyond these a model has drifted."""

    score: float = 0.25
    """PSI."""
    input: float = 0.25
    """CSI of any one input."""
    label: float = 2.0
    """How many times the rate of training, or how small a part of it."""
    least_rows: int = 500
    label_after_days: int | None = None
    """How old a decision is when its end is known; by default 120, of credit 365."""


class ModelTerms(_Written, frozen=True, kw_only=True):
    """How a book takes the scores of its models."""

    challenge_at: float | None = None
    review_at: float | None = None
    decline_at: float | None = None
    fallback: ModelOutcome = ModelOutcome.REVIEW
    """What decides where there is no score."""
    approve_below: Mapping[str, int] = msgspec.field(default_factory=dict)
    """Amounts in minor units by currency: where the fallback decides, payments below are approved."""
    deadline_ms: int = 20
    """What the scores of a batch of decisions may take together."""
    gate: ModelGate = ModelGate()
    drift: ModelDriftBounds = ModelDriftBounds()
    salt: str = "caudal"
    """Another one splits keys between champion and challenger anew."""
    purpose: str = "fraud"
    """Models of `fraud` decide on payments, of `credit` on applications."""


class ModelMeasured(Answer, frozen=True, kw_only=True):
    """What registration found out, on the machine that registered the model."""

    latency_us: float
    """The median of a score."""
    latency_p99_us: float
    broken: tuple[str, ...] = ()
    """What of the contract of models it does not keep to."""


class Model(Answer, frozen=True, kw_only=True):
    """A model with its card."""

    id: str
    name: str
    version: int
    stage: ModelStage
    kind: ModelKind
    purpose: ModelPurpose
    hash: str
    size: int
    registered_at: dt.datetime
    registered_by: str
    card: Mapping[str, Any]
    measured: ModelMeasured
    share: int | None = None
    """Of a challenger, in percent."""
    retired_at: dt.datetime | None = None
    misses: tuple[str, ...] = ()
    reason: str | None = None
    by: str | None = None


class ModelServing(Answer, frozen=True, kw_only=True):
    """What serves, or served, in a book."""

    id: str
    version: int
    purpose: str
    terms: ModelTerms
    champion: str | None = None
    challenger: str | None = None
    share: int = 0
    shadows: tuple[str, ...] = ()
    what: str | None = None
    model: str | None = None
    reason: str | None = None
    overridden: tuple[str, ...] = ()
    at: dt.datetime | None = None
    by: str | None = None


class ModelDifference(Answer, frozen=True, kw_only=True):
    """A measure of two models on the same decisions."""

    measure: str
    """`auc`, `ap`, `recall_at_1_percent`"""
    champion: float
    challenger: float
    difference: float
    low: float
    """Of the difference's 95 % interval."""
    high: float


class ModelComparison(Answer, frozen=True, kw_only=True):
    """How a model does beside the champion."""

    model: str
    champion: str | None = None
    """None: there is none that it could be compared with."""
    rows: int
    bad: int
    unscored: int = 0
    differences: tuple[ModelDifference, ...] = ()
    """Empty: too few decisions for anything to be said."""
    misses: tuple[str, ...] = ()
    """All that the gate would say."""


class ModelReason(Answer, frozen=True, kw_only=True):
    """What an input did to a score."""

    name: str
    points: float
    """Positive raises the risk."""
    text: str
    code: str
    statement: str | None = None
    """What an applicant is told, of a credit model."""


class ModelScore(Answer, frozen=True, kw_only=True):
    """What a model says of a row."""

    model: str
    score: float | None = None
    """A probability; None: there is none, and `why` says why."""
    raw: float | None = None
    why: str | None = None
    missing: tuple[str, ...] = ()
    outcome: ModelOutcome
    """What the book's terms make of it alone."""
    reasons: tuple[ModelReason, ...] = ()


class ModelDrift(Answer, frozen=True, kw_only=True):
    """How far what a model meets was from its training."""

    measured_at: dt.datetime
    rows: int
    score: float | None = None
    inputs: Mapping[str, float] = {}
    missing: Mapping[str, float] = {}
    labels: int = 0
    rate: float | None = None
    trained_rate: float | None = None
    over: tuple[str, ...] = ()


class ModelDrifts(Answer, frozen=True, kw_only=True):
    """The newest measurements first."""

    data: tuple[ModelDrift, ...]


class NewModel(Body, frozen=True, kw_only=True):
    """POST /v1/models"""

    card: Mapping[str, Any]
    artifact: str
    hash: str | None = None


class NewModelChallenge(Body, frozen=True, kw_only=True):
    """POST /v1/models/{model}/challenge"""

    share: int
    override: str | None = None


class NewModelPromotion(Body, frozen=True, kw_only=True):
    """POST /v1/models/{model}/promote"""

    override: str | None = None


class NewModelScoring(Body, frozen=True, kw_only=True):
    """POST /v1/models/{model}/score"""

    row: Mapping[str, str | float | None]


class ModelServingQuery(Body, frozen=True, kw_only=True):
    """GET /v1/model-serving"""

    purpose: str


class NewModelRollback(Body, frozen=True, kw_only=True):
    """POST /v1/model-serving/rollback"""

    reason: str
    purpose: str = "fraud"
