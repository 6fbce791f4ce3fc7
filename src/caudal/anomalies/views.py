"""Anomalies and streams as callers get them."""

import datetime as dt
from collections.abc import Mapping
from typing import Annotated

import msgspec

from caudal.anomalies.types import Anomaly, AnomalyDetector, AnomalyStream, Silence, StreamVersion

Time = Annotated[dt.datetime, msgspec.Meta(tz=True)]


class View(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What all of them have in common."""


class AnomalyStreamStandingView(View, frozen=True, kw_only=True):
    """A stream as it was declared last, and how far it has come."""

    name: str
    version: int
    through: int
    """Up to which event of the book, by ordinal."""
    declared: AnomalyStream
    after: int
    """Events up to this one only teach what is usual."""
    created_at: Time
    created_by: str


class AnomalyView(View, frozen=True, kw_only=True):
    """Something that is unlike an entity's own past."""

    id: str
    stream: str
    version: int
    """Of the stream."""
    detector: AnomalyDetector
    entity: str
    """`customer:cus_…`"""
    words: str
    """What is unusual, with figures."""
    score: float
    """Of `level` robust standard deviations, of `burst` the decimal logarithm of the odds, of
    `new_counterparty` how many times the 95th percentile."""
    observed: int
    usual_low: int
    usual_high: int
    """Between the 5th and the 95th percentile of its own past, at this time of the week."""
    at: Time
    source: str
    event: str
    """The id of the event that brought it about: of payments the payment's."""
    ordinal: int
    silenced: bool
    case: str | None = None


class AnomalyExplainedView(AnomalyView, frozen=True, kw_only=True):
    """An anomaly with all that it was computed of."""

    factor: float
    """How busy this time of the week is; 1: as the average."""
    median: float
    """Of the past, the season taken out; of bursts the mean, of counterparties the 95th percentile."""
    spread: float
    """Robust; of bursts the size of the negative binomial."""
    past: tuple[float, ...]
    """The observations that it was held against, the oldest first; of amounts the logarithms."""
    subjects: Mapping[str, str]
    tags: Mapping[str, str] = {}


class AnomalySilenceView(View, frozen=True, kw_only=True):
    """Until a moment, anomalies of a stream or an entity (or both) open no cases."""

    number: int
    until: Time
    reason: str
    created_at: Time
    created_by: str
    stream: str | None = None
    entity: str | None = None


def stream_view(one: StreamVersion) -> AnomalyStreamStandingView:
    """A stream for a caller."""
    return AnomalyStreamStandingView(
        name=one.declared.name, version=one.version, through=one.through, declared=one.declared,
        after=one.after,
        created_at=one.created_at, created_by=one.created_by,
    )  # fmt: skip


def anomaly_view(one: Anomaly) -> AnomalyView:
    """An anomaly for a caller."""
    found = one.found
    return AnomalyView(
        id=one.id, stream=one.stream, version=one.version, detector=found.detector, entity=one.entity,
        words=found.words, score=found.score, observed=found.observed, usual_low=found.usual_low,
        usual_high=found.usual_high, at=found.at, source=found.source, event=found.event,
        ordinal=one.ordinal, silenced=one.silenced, case=one.case,
    )  # fmt: skip


def explained_view(one: Anomaly) -> AnomalyExplainedView:
    """An anomaly with all that it was computed of."""
    found = one.found
    return AnomalyExplainedView(
        id=one.id, stream=one.stream, version=one.version, detector=found.detector, entity=one.entity,
        words=found.words, score=found.score, observed=found.observed, usual_low=found.usual_low,
        usual_high=found.usual_high, at=found.at, source=found.source, event=found.event,
        ordinal=one.ordinal, silenced=one.silenced, case=one.case, factor=found.factor, median=found.median,
        spread=found.spread, past=found.past, subjects=found.subjects, tags=found.tags,
    )  # fmt: skip


def silence_view(one: Silence) -> AnomalySilenceView:
    """A silence for a caller."""
    return AnomalySilenceView(
        number=one.number, until=one.until, reason=one.reason, created_at=one.created_at,
        created_by=one.created_by, stream=one.stream, entity=one.entity,
    )  # fmt: skip
