"""The models room as decisions ask it."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from caudal import models
from caudal.models import Loaded, Role
from caudal.risk.decision_types import Fallback, FallbackPolicy, Finding, Model, Row, Scored, Thresholds
from caudal.risk.resting import Resting
from caudal_base.decide import Verdict


class LoadedModel:
    """A model that can score here."""

    def __init__(self, loaded: Loaded, scorer: models.Scorer) -> None:
        """As `caudal.models` has it."""
        self.ref = f"{loaded.name}@{loaded.version}"
        self.scorer = scorer

    def score(self, row: Row) -> Scored:
        """What it says of a row. Raises nothing."""
        found = self.scorer.score(row)
        return Scored(value=found.value, why=found.why, missing=found.missing)

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """What raised the risk, where that costs no more than a score; else there is `all_findings`."""
        return self.all_findings(row) if self.scorer.quick else ()

    def all_findings(self, row: Row, count: int = 4) -> tuple[Finding, ...]:
        """The same of any model: milliseconds for trees."""
        return tuple(
            Finding(
                one.code if one.statement is not None else f"model_{one.name.rpartition('.')[2]}",
                one.points, one.statement or one.text,
            )
            for one in self.scorer.reasons(row, count)
        )  # fmt: skip


class Chosen(NamedTuple):
    """What decides on one subject where models do."""

    role: str | None
    ref: str | None
    """None: there is no model, and `fallback` says so."""
    model: Model | None
    """None: it cannot be asked, and `fallback` says why."""
    fallback: Fallback | None


_MISSING: Final = Chosen(None, None, None, Fallback.MISSING)


class Serving:
    """Which models serve, with what thresholds, and who decides where none answers: that never changes."""

    def __init__(self, serving: models.Serving) -> None:
        """As `caudal.models` has it."""
        terms = serving.terms
        self.version = serving.version
        self.deadline_us = terms.deadline_ms * 1_000
        """What all scores of a batch may take together; of the rest the policy decides."""
        self.thresholds = Thresholds(
            challenge_at=terms.challenge_at, review_at=terms.review_at, decline_at=terms.decline_at
        )
        self.policy = FallbackPolicy(
            verdict=Verdict(terms.fallback.value), approve_below=terms.approve_below or None
        )
        self.shadows: Sequence[LoadedModel] = tuple(
            LoadedModel(each, each.scorer) for each in serving.shadows if each.scorer is not None
        )
        self.resting = Resting()
        """Which of them this process leaves alone for now."""
        self._serving = serving
        deciding = [
            (loaded, role, share)
            for loaded, role, share in (
                (serving.champion, Role.CHAMPION, 100 - serving.share),
                (serving.challenger, Role.CHALLENGER, serving.share),
            )
            if loaded is not None
        ]
        self._chosen = {loaded.id: _chosen(loaded, role) for loaded, role, _ in deciding}
        self.shares: list[tuple[str, str, int]] = [
            *[(f"{loaded.name}@{loaded.version}", role.value, share) for loaded, role, share in deciding],
            *[(model.ref, "shadow", 0) for model in self.shadows],
        ]
        """Every model that serves: name and version, as what, on how much it decides, in percent."""

    @property
    def decides(self) -> bool:
        """Whether any model is asked, if only for comparison, or is missed."""
        return bool(self._chosen or self.shadows or self._serving.is_missing)

    def pick(self, key: str) -> Chosen | None:
        """Who decides on a key: always the same; None where no model does, and none is missed."""
        found = models.assign(self._serving, key)
        if found.model is not None:
            return self._chosen[found.model.id]
        return _MISSING if self._serving.is_missing else None

    def named(self, ref: str) -> Model | None:
        """The model of this name and version, of those that decide."""
        return next((each.model for each in self._chosen.values() if each.ref == ref), None)

    def asked(self, key: str) -> dict[str, object]:
        """What `Served` says of who decides on a key."""
        chosen = self.pick(key)
        told: dict[str, object] = {"serving": self.version}
        if chosen is not None:
            told |= {"model": chosen.ref, "role": chosen.role, "fallback": chosen.fallback}
        return told


def _chosen(loaded: Loaded, role: Role) -> Chosen:
    ref = f"{loaded.name}@{loaded.version}"
    if loaded.scorer is None:
        return Chosen(role.value, ref, None, Fallback.UNREADABLE)
    return Chosen(role.value, ref, LoadedModel(loaded, loaded.scorer), None)
