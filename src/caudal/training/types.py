"""The vocabulary of training: columns, what they are for, figures with their intervals, what comes of it."""

import datetime as dt
import enum
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Places: TypeAlias = npt.NDArray[np.int64]
"""Numbers of rows."""
Objects: TypeAlias = npt.NDArray[Any]

DAY_US: Final = 86_400_000_000


class ColumnKind(enum.Enum):
    """What values a column has."""

    NUMBER = "number"
    CATEGORY = "category"
    DATE = "date"
    """Days since 1970 with their parts, in UTC."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """A column as it was understood."""

    name: str
    kind: ColumnKind
    values: Any
    """Numbers and dates: floats, NaN where missing. Categories: texts, None where missing."""
    unreadable: int = 0
    """Values that are of another kind, and were taken as missing."""
    example: str | None = None
    """The first of them, with its row."""
    whole: bool = False
    """Whether all numbers are integers."""


class BadRow(msgspec.Struct, frozen=True):
    """A row that was left out."""

    number: int
    """In the file, the first behind the header being 1."""
    why: str


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A file's content, with what could not be read of it."""

    columns: Mapping[str, Column]
    rows: int
    numbers: Any
    """Of each row in the file."""
    hash: str
    """BLAKE2b-256 of the file."""
    bad_rows: tuple[BadRow, ...] = ()
    """The first of them."""
    bad_count: int = 0


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of a file; whatever is not is found out."""

    target: str | None = None
    positive: str | None = None
    """The target's value that is the risk: fraud, default."""
    time: str | None = None
    train_from: str | None = None
    train_until: str | None = None
    """Both included; so are those of the test."""
    test_from: str | None = None
    test_until: str | None = None
    out_of_time: bool = True
    """Whether a column of times, where there is one, divides training from test."""
    label_delay_days: float = 0.0
    """How long it takes until the outcome is known: rows so close before the test are not trained on."""
    leave_out: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    """Columns to train on whatever the checks say."""
    category: tuple[str, ...] = ()
    """Numbers that are codes."""
    number: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    """By what fairness is measured."""
    rising: tuple[str, ...] = ()
    """Inputs with which the risk must never fall."""
    falling: tuple[str, ...] = ()


class Roles(msgspec.Struct, frozen=True, kw_only=True):
    """What the columns are for."""

    target: str
    positive: str
    time: str | None
    inputs: tuple[str, ...]
    left_out: Mapping[str, str]
    """Column by column, why."""
    found: tuple[str, ...]
    """What was not said but found out, in sentences."""


class Interval(msgspec.Struct, frozen=True):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Suspect(msgspec.Struct, frozen=True, kw_only=True):
    """A column that predicts too well, or is known too late."""

    name: str
    why: str
    auc: float | None
    left_out: bool


class FairGroup(msgspec.Struct, frozen=True, kw_only=True):
    """How a group fares."""

    attribute: str
    group: str
    rows: int
    bad_rate: float
    approved: float
    ratio: float
    """To the group that is approved most often; below 0.8 the four-fifths rule sees adverse impact."""
    auc: float | None


class Lift(msgspec.Struct, frozen=True, kw_only=True):
    """A tenth of the rows, the riskiest first."""

    tenth: int
    rows: int
    positives: int
    rate: float
    lift: float
    caught: float
    """The share of all positives in this tenth and those before."""


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Of a reliability curve."""

    predicted: float
    observed: float
    rows: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a model was measured at, on rows that it did not see."""

    auc: Interval
    ks: Interval
    ap: Interval
    recall_at_fpr: Mapping[str, Interval]
    """By the false-positive rate, as text: `0.01`."""
    brier: float
    log_loss: float
    calibration_error: float
    stability: float
    """PSI of the scores: of training against test, or between the halves where there is no test."""
    reliability: tuple[Bin, ...]
    lifts: tuple[Lift, ...]
    groups: tuple[FairGroup, ...] = ()
    roc: tuple[tuple[float, float], ...] = ()
    precision_recall: tuple[tuple[float, float], ...] = ()
    histogram: tuple[tuple[float, int, int], ...] = ()
    """From which probability on, negatives, positives."""


class Division(enum.Enum):
    """How training and test were divided."""

    OUT_OF_TIME = "out_of_time"
    CROSS_VALIDATION = "cross_validation"


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """The times of rows."""

    first: dt.datetime | None
    last: dt.datetime | None
    said: str
    """In words: times may be plain numbers."""


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was fitted: what it scores with, and what it is to be kept as."""

    learner: str
    artifact: bytes
    encoder: Any
    """The `Encoder` it was fitted with."""
    raw: Any
    """From a matrix of the encoder to log odds of the risk, before calibration."""
    importance: Mapping[str, float]
    bins: tuple[Any, ...] = ()
    """Of a scorecard, its table."""
    information: Mapping[str, float] = {}
    parameters: Mapping[str, str | int | float | bool | None] = {}


class Platt(msgspec.Struct, frozen=True):
    """Calibration: the log odds times `slope`, plus `intercept`."""

    slope: float
    intercept: float


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A learner with what it came to."""

    learner: str
    about: str
    learned: Learned
    calibration: Platt
    figures: Figures
    seconds: float
    """Of fitting it once."""
    seeds: Mapping[str, tuple[float, ...]] = {}
    """`auc`, `ap`, `ks` for each seed, or for each fold."""
    scores: Any = None
    """Of the rows of the test, or of all rows by the first repeat's folds; calibrated."""
    train_scores: Any = None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate against the recommended one, on the same rows."""

    learner: str
    difference: Interval
    """Of AUC; positive: it ranks better."""
