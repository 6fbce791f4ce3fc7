"""What came of training, in a form for programs."""

from collections.abc import Sequence

import msgspec

from caudal import models
from caudal.training.daily import Daily
from caudal.training.service import Trained
from caudal.training.types import Comparison, FairGroup, Interval, Suspect
from caudal.training.writing import Written


class ModelSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A model's figures, and where it is."""

    name: str
    learner: str
    recommended: bool
    hash: str
    file: str
    registered: str | None
    """Its name and version in the book."""
    auc: Interval
    ks: Interval
    ap: Interval
    recall_at_1_percent: Interval
    calibration_error: float
    stability: float


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Of one run."""

    outcome: str
    time: str | None
    validation: str
    train: str | None
    test: str | None
    rows: int
    positives: int
    bad_rows: int
    inputs: tuple[str, ...]
    left_out: tuple[str, ...]
    found: tuple[str, ...]
    """What was not said but found out of the file, in sentences."""
    leaks: tuple[Suspect, ...]
    models: tuple[ModelSummary, ...]
    comparisons: tuple[Comparison, ...]
    fairness: tuple[FairGroup, ...]
    daily: Daily | None
    report: str
    card: str
    features: str | None


def summary(trained: Trained, written: Written, registered: Sequence[models.Registered] | None) -> Summary:
    """Of what was trained and written; `registered` in the order of the files."""
    labels = [None] * len(trained.files) if registered is None else [each.label for each in registered]
    division = trained.division
    return Summary(
        outcome=f"{trained.roles.target} = {trained.roles.positive}",
        time=trained.roles.time,
        validation=division.said,
        train=division.train_span.said if division.train_span else None,
        test=division.test_span.said if division.test_span else None,
        rows=trained.rows,
        positives=trained.positives,
        bad_rows=trained.table.bad_count,
        inputs=trained.names,
        left_out=tuple(trained.roles.left_out),
        found=trained.roles.found,
        leaks=trained.suspects,
        models=tuple(
            ModelSummary(
                name=file.card.name,
                learner=each.learner,
                recommended=each.learner == trained.recommended,
                hash=file.hash,
                file=str(path),
                registered=label,
                auc=each.figures.auc,
                ks=each.figures.ks,
                ap=each.figures.ap,
                recall_at_1_percent=each.figures.recall_at_fpr["0.01"],
                calibration_error=each.figures.calibration_error,
                stability=each.figures.stability,
            )
            for each, file, path, label in zip(
                trained.candidates, trained.files, written.files, labels, strict=True
            )
        ),
        comparisons=trained.comparisons,
        fairness=trained.candidate(trained.recommended).figures.groups,
        daily=trained.daily,
        report=str(written.report),
        card=str(written.card),
        features=None if written.features is None else str(written.features),
    )
