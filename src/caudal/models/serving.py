"""What decides in a book: the models that serve, by which terms, and which of them a key goes to. Pure."""

import datetime as dt
import enum
import hashlib
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Meta

from caudal.models.errors import ServingInvalid
from caudal.models.scoring import Scorer
from caudal.models.types import Card, Name, Purpose, Rate, Stage, Written
from caudal_base import ids

_PARTS: Final = 10_000
"""A split is exact to a hundredth of a percent."""


class Outcome(enum.Enum):
    """What a score, or the lack of one, comes to; in rising severity."""

    APPROVE = "approve"
    CHALLENGE = "challenge"
    REVIEW = "review"
    DECLINE = "decline"


class Gate(Written, frozen=True, kw_only=True):
    """What a model must meet before it decides."""

    least: Mapping[str, float] = msgspec.field(default_factory=lambda: {"auc": 0.6})
    """By metric, what the lower end of its 95 % interval must reach."""
    max_latency_us: Annotated[int, Meta(ge=1)] = 2_000
    """Of 99 in 100 scores, as measured on this machine at registration."""
    max_calibration_error: Annotated[float, Meta(ge=0)] = 0.05
    max_stability: Annotated[float, Meta(ge=0)] = 0.25
    """PSI of the score between training and data that it did not see."""
    min_four_fifths: Annotated[float, Meta(ge=0, le=1)] = 0.8
    """Of each group's approval against the best one's. Models of credit must have looked at groups."""
    min_shadow_hours: Annotated[int, Meta(ge=0)] = 0
    """How long it must have been a shadow."""
    least_compared: Annotated[int, Meta(ge=1)] = 20
    """Bad ends, and good ones, that a comparison with the champion needs; of fewer nothing is said."""


class DriftBounds(Written, frozen=True, kw_only=True):
    """Beyond these a model has drifted."""

    score: Annotated[float, Meta(gt=0)] = 0.25
    """PSI: 0.1 is little, 0.25 much."""
    input: Annotated[float, Meta(gt=0)] = 0.25
    """CSI of any one input."""
    label: Annotated[float, Meta(gt=1)] = 2.0
    """How many times the rate of training, or how small a part of it, beyond chance."""
    least_rows: Annotated[int, Meta(ge=1)] = 500
    """Of fewer nothing is said: of fewer decisions, or of fewer whose end is known."""
    label_after_days: Annotated[int, Meta(ge=1, le=3_660)] | None = None
    """How old a decision is when its end is known, also by silence; by default 120, of credit 365."""


class Terms(Written, frozen=True, kw_only=True):
    """How a book takes the scores of its models. A score at or above a threshold comes to its outcome."""

    challenge_at: Rate | None = None
    review_at: Rate | None = None
    decline_at: Rate | None = None
    fallback: Outcome = Outcome.REVIEW
    """What decides where the model is late or gives no score, or was retired and none has its place."""
    approve_below: Mapping[Annotated[str, Meta(pattern="^[A-Z]{3}$")], Annotated[int, Meta(ge=1)]] = (
        msgspec.field(default_factory=dict)
    )
    """Amounts in minor units by currency: where the fallback decides, payments below are approved."""
    deadline_ms: Annotated[int, Meta(ge=1, le=1_000)] = 20
    """What the scores of a batch of decisions may take together, while the book waits. Shadows have half as
    much, of their own."""
    gate: Gate = Gate()
    drift: DriftBounds = DriftBounds()
    salt: Annotated[str, Meta(min_length=1, max_length=64)] = "caudal"
    """Another one splits keys between champion and challenger anew."""
    purpose: Purpose = Purpose.FRAUD
    """Of which models these are the terms: models of fraud decide on payments, of credit on applications."""


class Measured(Written, frozen=True, kw_only=True):
    """What registration found out about a model by itself, on this machine."""

    latency_us: float
    """The median of a score."""
    latency_p99_us: float
    broken: tuple[str, ...] = ()
    """What of `check_risk_model` it does not keep to."""


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A model as a book keeps it. The content never changes."""

    id: UUID
    name: Name
    version: int
    """Of the name: 1, 2, 3, …"""
    hash: str
    card: Card
    measured: Measured
    registered_at: dt.datetime
    registered_by: str
    registrar: UUID
    """The principal's id: another one must approve."""
    size: int
    """Of the artifact, in bytes."""
    stage: Stage
    share: int | None = None
    """Of a challenger, in percent."""
    retired_at: dt.datetime | None = None
    shadow_since: dt.datetime | None = None

    @property
    def external_id(self) -> str:
        """`mdl_…`"""
        return ids.encode(ids.MODEL, self.id)

    @property
    def label(self) -> str:
        """`card-fraud@3`"""
        return f"{self.name}@{self.version}"


class ServingVersion(msgspec.Struct, frozen=True, kw_only=True):
    """Who served a purpose by which terms, from one change to the next. Never changes."""

    version: int
    """Of the book: both purposes count together."""
    terms: Terms
    champion: UUID | None = None
    challenger: UUID | None = None
    share: int = 0
    """The challenger's, in percent."""
    shadows: tuple[UUID, ...] = ()
    what: str
    """What made it: `terms`, `promote`, `challenge`, `shadow`, `retire`, `rollback`."""
    model: UUID | None = None
    """Which model that was about."""
    reason: str | None = None
    """Why the gate was overridden, or a model was taken back."""
    overridden: tuple[str, ...] = ()
    """What the gate missed."""
    at: dt.datetime
    by: str

    @property
    def purpose(self) -> Purpose:
        """What it is about; the other purpose is served by a version of its own."""
        return self.terms.purpose


class Loaded(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A model that serves."""

    id: UUID
    name: str
    version: int
    hash: str
    scorer: Scorer | None = None
    why: str | None = None
    """Why it cannot score here: `library_missing`, `model_corrupt`, `model_invalid`."""

    @property
    def external_id(self) -> str:
        """`mdl_…`"""
        return ids.encode(ids.MODEL, self.id)


class Serving(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What decides in a book now, for one purpose."""

    version: int
    """0: nobody ever said anything, and no model decides."""
    terms: Terms = Terms()
    champion: Loaded | None = None
    challenger: Loaded | None = None
    share: int = 0
    shadows: tuple[Loaded, ...] = ()
    is_missing: bool = False
    """There is no champion, and there has been one: the terms' fallback decides."""


class Role(enum.Enum):
    """As what a model decides."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"


class Assigned(msgspec.Struct, frozen=True):
    """Which model decides, as what; None: none does."""

    model: Loaded | None
    role: Role | None


NO_SERVING: Final = Serving(version=0)
_NOBODY: Final = Assigned(None, None)


def assign(serving: Serving, key: str) -> Assigned:
    """Which model decides for a key (a customer, a payment): the same one as long as salt and share stay.

    A share that grows takes keys from the champion alone: none changes back.
    """
    if serving.challenger is not None and part_of(serving.terms.salt, key) < serving.share * _PARTS // 100:
        return Assigned(serving.challenger, Role.CHALLENGER)
    if serving.champion is not None:
        return Assigned(serving.champion, Role.CHAMPION)
    return _NOBODY


def part_of(salt: str, key: str) -> int:
    """Where a key lies, from 0 to 9,999: the first 8 bytes of BLAKE2b over the key, by the salt."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, key=salt.encode()).digest()
    return int.from_bytes(digest, "big") % _PARTS


def outcome_of(terms: Terms, score: float) -> Outcome:
    """What a score comes to."""
    for bound, outcome in (
        (terms.decline_at, Outcome.DECLINE),
        (terms.review_at, Outcome.REVIEW),
        (terms.challenge_at, Outcome.CHALLENGE),
    ):
        if bound is not None and score >= bound:
            return outcome
    return Outcome.APPROVE


def refuse_terms(terms: Terms) -> None:
    """Raise `ServingInvalid` for thresholds that are out of order."""
    bounds = [
        (name, bound)
        for name in ("challenge_at", "review_at", "decline_at")
        if (bound := getattr(terms, name)) is not None
    ]
    for (lower, below), (name, above) in pairwise(bounds):
        if below > above:
            raise ServingInvalid(f"{lower} is not above {name}", field=name)
    if len(terms.salt.encode()) > hashlib.blake2b.MAX_KEY_SIZE:
        raise ServingInvalid(f"at most {hashlib.blake2b.MAX_KEY_SIZE} bytes", field="salt")


def stage_of(id: UUID, serving: ServingVersion | None, retired_at: dt.datetime | None) -> Stage:
    """What a model does by a version of serving."""
    if serving is not None:
        if id == serving.champion:
            return Stage.CHAMPION
        if id == serving.challenger:
            return Stage.CHALLENGER
        if id in serving.shadows:
            return Stage.SHADOW
    return Stage.REGISTERED if retired_at is None else Stage.RETIRED
