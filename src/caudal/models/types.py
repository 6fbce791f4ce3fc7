"""The words of models: a card that says all about a model, its inputs, and what comes of scoring.

A model file is one card and one artifact. The card is data throughout: nothing in it is ever executed.
"""

import datetime as dt
import enum
from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

SCHEMA: Final = 1
"""Of cards, as they are written and read here."""

Value: TypeAlias = int | float | str | None
"""Of a row; None is missing."""

Row: TypeAlias = Mapping[str, Value]

Rate = Annotated[float, Meta(ge=0, le=1)]
Text = Annotated[str, Meta(min_length=1, max_length=500)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
InputName = Annotated[str, Meta(min_length=1, max_length=200)]


class Written(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What people and training write: whatever is not known is refused."""


class Kind(enum.Enum):
    """What an artifact is, and so what runs it."""

    LIGHTGBM = "lightgbm"
    """LightGBM's text model."""
    ONNX = "onnx"
    """One tensor of floats in, a column of floats out."""
    SCORECARD = "scorecard"
    """Points by bins, in JSON, for one input or two: scorecards, and additive models such as EBM."""


class Purpose(enum.Enum):
    """What is predicted."""

    FRAUD = "fraud"
    CREDIT = "credit"
    """A default: reasons come with adverse-action codes."""


class InputKind(enum.Enum):
    """How a value is taken."""

    NUMBER = "number"
    CATEGORY = "category"


class Adverse(Written, frozen=True, kw_only=True):
    """What an applicant is told where this input weighed against them (Regulation B, 12 CFR 1002.9)."""

    code: Annotated[str, Meta(min_length=1, max_length=40)]
    text: Text


class Input(Written, frozen=True, kw_only=True):
    """A value that the model looks at."""

    name: InputName
    """Of the row: `payment.amount`, `features.card_count_1h`."""
    about: Text
    """What it is, in words for reasons: `payments with this card in the last hour`."""
    kind: InputKind = InputKind.NUMBER
    categories: tuple[str, ...] = ()
    """Of a category, as trained; the model gets the place in this list."""
    unknown: str | None = None
    """The category that stands for any that is not in the list; None: it is missing."""
    missing: float | None = None
    """What stands for a missing number; None is NaN, which the model knows from training."""
    required: bool = False
    """Without it there is no score, and the fallback decides."""
    low: float | None = None
    """The least value as trained; so is `high` the greatest."""
    high: float | None = None
    typical: Value = None
    """The median or the most frequent one as trained: what reasons of ONNX models compare with."""
    monotone: Annotated[int, Meta(ge=-1, le=1)] = 0
    """1: the risk never falls as it grows; -1: never rises. Claimed by the card, and checked."""
    ratio: tuple[InputName, InputName] | None = None
    """Two numbers of the row: where it does not have the input itself, this is the first over the second."""
    adverse: Adverse | None = None


class Direction(enum.Enum):
    """What more of the artifact's output means."""

    RISK = "risk"
    GOODNESS = "goodness"


class Logit(Written, frozen=True, kw_only=True, tag_field="kind", tag="logit"):
    """The output is log odds."""


class Probability(Written, frozen=True, kw_only=True, tag_field="kind", tag="probability"):
    """The output is a probability."""


class Points(Written, frozen=True, kw_only=True, tag_field="kind", tag="points"):
    """The output is points: `base_odds` to one at `base_points`, doubled every `double_odds` points."""

    base_points: float
    base_odds: Annotated[float, Meta(gt=0)]
    """Of what the direction says: of a good end, where more points are good."""
    double_odds: Annotated[float, Meta(gt=0)]


Link: TypeAlias = Logit | Probability | Points


class Platt(Written, frozen=True, kw_only=True, tag_field="kind", tag="platt"):
    """The log odds times `slope`, plus `intercept` (Platt 1999)."""

    slope: float
    intercept: float


class Isotonic(Written, frozen=True, kw_only=True, tag_field="kind", tag="isotonic"):
    """A line through points: where the probability is `x[i]`, it is `y[i]`; both never fall."""

    x: tuple[float, ...]
    y: tuple[float, ...]


Calibration: TypeAlias = Platt | Isotonic


class Metric(Written, frozen=True, kw_only=True):
    """A measure of the model on data that it did not see, with its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None


class Group(Written, frozen=True, kw_only=True):
    """How a group of people fares: its part that is approved, against that of the group that fares best."""

    attribute: Text
    """By what they are grouped; no input of the model need be it."""
    group: Text
    rows: Annotated[int, Meta(ge=0)]
    approved: Rate
    ratio: Annotated[float, Meta(ge=0)]
    """Below 0.8 the four-fifths rule (29 CFR 1607.4 D) sees adverse impact."""


class Leak(Written, frozen=True, kw_only=True):
    """An input that predicts too well to be known beforehand."""

    name: InputName
    auc: float
    kept: bool = False
    """It was left in all the same."""


class Histogram(Written, frozen=True, kw_only=True):
    """How values lay in training. Numbers: `counts[i]` are below `edges[i]`, the last those from there on."""

    counts: tuple[Annotated[int, Meta(ge=0)], ...]
    edges: tuple[float, ...] = ()
    categories: tuple[str, ...] = ()
    """In place of edges; the last count is of all others."""
    missing: Annotated[int, Meta(ge=0)] = 0


class Training(Written, frozen=True, kw_only=True):
    """Of what the model was made, so that it can be made again."""

    rows: Annotated[int, Meta(ge=0)]
    positives: Annotated[int, Meta(ge=0)]
    data_hash: Text
    """Of the data as read."""
    code_version: Text
    protocol: Text
    """How it was validated: `out of time, 80/20`, `5-fold stratified, repeated 3 times`."""
    data_from: dt.datetime | None = None
    data_to: dt.datetime | None = None
    seed: int | None = None
    feature_set: int | None = None
    """The version of the book's feature set that the features are of."""
    libraries: Mapping[str, str] = {}
    parameters: Mapping[str, str | int | float | bool | None] = {}


class Card(Written, frozen=True, kw_only=True, omit_defaults=False):
    """All that there is to know of a model beside its artifact."""

    schema: int = SCHEMA
    name: Name
    """Of the family: versions of one name succeed one another."""
    about: Text
    kind: Kind
    purpose: Purpose
    inputs: Annotated[tuple[Input, ...], Meta(min_length=1, max_length=2_000)]
    direction: Direction = Direction.RISK
    link: Link = Logit()
    calibration: Calibration | None = None
    output: str | None = None
    """Of ONNX: the name of the output; None is the last one of floats."""
    training: Training
    metrics: Mapping[str, Metric] = {}
    """By name: `auc`, `ap`, `ks`, `recall_at_1_percent`."""
    calibration_error: float | None = None
    """Expected calibration error on data that it did not see."""
    stability: float | None = None
    """PSI of the score between training and the data that it did not see."""
    groups: tuple[Group, ...] = ()
    """Fairness; empty: not looked at."""
    leaks: tuple[Leak, ...] | None = None
    """What the leak check named; None: nobody checked."""
    score_histogram: Histogram | None = None
    """Of the scores in training, for drift."""
    input_histograms: Mapping[str, Histogram] = {}
    notes: Mapping[str, Text] = {}
    """What else is to be said: intended use, limits."""


class ModelFile(msgspec.Struct, frozen=True, kw_only=True):
    """A card with its artifact, whole and checked."""

    card: Card
    text: bytes
    """The card's JSON, as it was written first."""
    artifact: bytes
    hash: str
    """BLAKE2b-256 over both, in hexadecimal digits."""


class Score(msgspec.Struct, frozen=True, gc=False):
    """What a model says of a row."""

    value: float | None
    """The probability of the risk; None: there is no score, `why` says it, and the fallback decides."""
    missing: tuple[str, ...] = ()
    """Inputs that the row did not have, or had as NaN, infinity or of another type."""
    why: str | None = None
    """A stable code: `input_required`, `model_failed`, `model_missing`."""
    raw: float | None = None
    """The artifact's own output: the points of a scorecard."""


class Contribution(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What an input did to a score."""

    name: str
    """The input; of a pair both, with `&`."""
    points: float
    """In the scale of the artifact's output; positive raises the risk."""
    text: str
    """In words: `payments with this card in the last hour: 14`."""
    code: str
    """The adverse-action code of a credit model, else the name."""
    statement: str | None = None
    """What an applicant is told, of a credit model."""


class Stage(enum.Enum):
    """What a model does in a book."""

    REGISTERED = "registered"
    """Nothing yet."""
    SHADOW = "shadow"
    """It scores what is decided, and its scores are kept: it decides nothing."""
    CHALLENGER = "challenger"
    """It decides a share."""
    CHAMPION = "champion"
    """It decides the rest."""
    RETIRED = "retired"
