"""What was trained as model files of the registry: a card that says all of it, and the artifact."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from caudal import models
from caudal.training import additive, describing, encoding, learners
from caudal.training.describing import Described
from caudal.training.splits import Split
from caudal.training.types import Candidate, Column, ColumnKind, Figures, Interval, Suspect, Table

_LIBRARIES: Final = ("lightgbm", "optbinning", "interpret-core", "scikit-learn", "numpy")


def file_of(
    candidate: Candidate,
    *,
    name: str,
    purpose: models.Purpose,
    table: Table,
    target: str,
    positives: int,
    rows: int,
    division: Split,
    time: Column | None,
    suspects: Sequence[Suspect],
    seed: int,
    feature_set: int | None,
    about: Mapping[str, str],
    described: Mapping[str, Described],
) -> models.ModelFile:
    """The model's file. `about` are its features' declarations, `described` columns as whoever trains says.

    Raises `models.ModelInvalid`: a bug of training.
    """
    learned = candidate.learned
    encoder = learned.encoder
    about = {**about, **{name: one.text for name, one in described.items()}}
    inputs = tuple(_in_words(one, about) for one in _inputs(candidate))
    if purpose is models.Purpose.CREDIT:
        inputs = _adverse(inputs, described)
    kept = {one.name for one in inputs}
    histograms = encoding.histograms(encoder, encoder.matrix(table, division.train))
    span = division.train_span
    card = models.Card(
        name=name,
        about=candidate.about,
        kind=learners.KINDS[candidate.learner],
        purpose=purpose,
        inputs=inputs,
        direction=learners.DIRECTIONS[candidate.learner],
        link=learners.LINKS[candidate.learner],
        calibration=models.Platt(
            slope=candidate.calibration.slope, intercept=candidate.calibration.intercept
        ),
        training=models.Training(
            rows=rows,
            positives=positives,
            data_hash=table.hash,
            code_version=f"caudal {importlib.metadata.version('caudal')}",
            protocol=division.said[:500],
            data_from=span.first if span else None,
            data_to=span.last if span else None,
            seed=seed,
            feature_set=feature_set,
            libraries={each: importlib.metadata.version(each) for each in _LIBRARIES},
            parameters=dict(learned.parameters),
        ),
        metrics=measures(candidate.figures),
        calibration_error=candidate.figures.calibration_error,
        stability=max(0.0, candidate.figures.stability),
        groups=_groups(candidate.figures),
        leaks=_leaks(suspects),
        score_histogram=encoding.histogram(candidate.train_scores),
        input_histograms={one: each for one, each in histograms.items() if one in kept},
        notes=_notes(purpose, target, time),
    )
    return models.assemble(card, learned.artifact)


def _in_words(one: models.Input, about: Mapping[str, str]) -> models.Input:
    """The input as its declaration tells of it; a ratio by its two."""
    if one.ratio is not None and any(name in about for name in one.ratio):
        above, below = (about.get(name, encoding.words(name)) for name in one.ratio)
        return msgspec.structs.replace(one, about=f"{above}, over {below}"[:500])
    return msgspec.structs.replace(one, about=about.get(one.name, one.about))


def _inputs(candidate: Candidate) -> tuple[models.Input, ...]:
    """Those that the artifact takes."""
    inputs: tuple[models.Input, ...] = candidate.learned.encoder.inputs
    if candidate.learner in learners.ADDITIVE:
        scorecard = msgspec.json.decode(candidate.learned.artifact, type=models.Scorecard)
        inputs = additive.used_inputs(scorecard, inputs)
    return inputs


def _groups(figures: Figures) -> tuple[models.Group, ...]:
    return tuple(
        models.Group(
            attribute=one.attribute,
            group=one.group[:500],
            rows=one.rows,
            approved=one.approved,
            ratio=one.ratio,
        )
        for one in figures.groups
    )


def _leaks(suspects: Sequence[Suspect]) -> tuple[models.Leak, ...]:
    """A date that lies too late has no AUC of its own: a half says nothing of it."""
    return tuple(
        models.Leak(name=each.name, auc=0.5 if each.auc is None else each.auc, kept=not each.left_out)
        for each in suspects
    )


def measures(figures: Figures) -> Mapping[str, models.Metric]:
    """By the names of the registry."""
    found = {"auc": figures.auc, "ap": figures.ap, "ks": figures.ks}
    for rate, interval in figures.recall_at_fpr.items():
        found[f"recall_at_{float(rate) * 100:g}_percent"] = interval
    return {name: _metric(interval) for name, interval in found.items()}


def _metric(interval: Interval) -> models.Metric:
    return models.Metric(
        value=interval.value,
        low=min(interval.low, interval.value),
        high=max(interval.high, interval.value),
    )


def _adverse(inputs: Sequence[models.Input], described: Mapping[str, Described]) -> tuple[models.Input, ...]:
    """With what applicants are told: as described, or in the words of the columns' names."""
    codes = describing.codes([one.name for one in inputs], described)
    return tuple(
        msgspec.structs.replace(
            one, adverse=models.Adverse(code=codes[one.name], text=one.about[: describing.MOST_LETTERS])
        )
        for one in inputs
    )


def _notes(purpose: models.Purpose, target: str, time: Column | None) -> dict[str, str]:
    use = (
        "Decisions on payments before they are made; a score is the probability of fraud."
        if purpose is models.Purpose.FRAUD
        else "Decisions on applications for credit; a score is the probability of default."
    )
    limits = "Holds for people and payments like those of the training data, and as long as these stay alike."
    if time is None:
        limits += " It was not validated on a later time than it was trained on."
    elif time.kind is ColumnKind.NUMBER:
        limits += f" Time was taken from {time.name}, which is no calendar."
    return {"intended_use": use, "limits": limits, "outcome": f"The outcome was the column {target}."[:500]}
