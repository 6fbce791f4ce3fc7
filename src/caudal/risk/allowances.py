"""How much time the models of a batch have, and what becomes of those that take more."""

from time import perf_counter_ns
from typing import Final

import msgspec

from caudal.risk import deciding
from caudal.risk.counts import DecisionCounts
from caudal.risk.deciding import Judged, Judges
from caudal.risk.decision_types import Finding, Model, Row, Scored, Served, Shadow, Value
from caudal.risk.resting import Resting
from caudal.risk.serving_models import Serving

_NS: Final = 1_000


class Allowance:
    """The time of a batch's models, from which each of its decisions takes."""

    def __init__(self, serving: Serving, counts: DecisionCounts) -> None:
        """As the terms of serving say."""
        self._shadows = serving.shadows
        self._deadline = Deadline(serving.deadline_us, serving.resting, counts)
        # Of their own: whatever serves for comparison takes no time from what decides.
        self._spare = Deadline(serving.deadline_us // 2, serving.resting, counts)

    def judged(
        self, served: Served, judges: Judges, row: dict[str, Value]
    ) -> tuple[Judged, tuple[Shadow, ...]]:
        """What comes of it, and what those say that decide nothing."""
        if judges.model is not None:
            judges = msgspec.structs.replace(judges, model=self._deadline.over(judges.model))
        judged = deciding.decide(served, judges, row)
        return judged, tuple(
            [Shadow(model=each.ref, score=self._spare.over(each).score(row).value) for each in self._shadows]
        )


class Deadline:
    """So much time for models of a batch together: the whole book waits for it.

    A score that has begun is waited for: it cannot be broken off. So a model that alone takes longer than the
    whole batch may is late for what it was asked, and soon rests.
    """

    def __init__(self, deadline_us: int, resting: Resting, counts: DecisionCounts) -> None:
        """In microseconds; what each model takes of it is counted."""
        self._whole_ns = self._left_ns = deadline_us * _NS
        self._resting = resting
        self._counts = counts

    def over(self, model: Model) -> "Timed":
        """The model, as long as there is time."""
        return Timed(model, self)

    def score(self, model: Model, row: Row) -> Scored:
        """What a model says; that it is late, where the time is over before it has, or it rests."""
        if self._left_ns <= 0 or self._resting.is_resting(model.ref):
            return Scored(value=None, late=True)
        begun = perf_counter_ns()
        scored = model.score(row)
        took_ns = perf_counter_ns() - begun
        self._left_ns -= took_ns
        self._counts.scored(model.ref, took_ns)
        self._resting.took(model.ref, too_long=took_ns > self._whole_ns)
        return scored if self._left_ns > 0 else Scored(value=None, late=True)


class Timed(msgspec.Struct, frozen=True):
    """A model within a deadline."""

    model: Model
    deadline: Deadline

    @property
    def ref(self) -> str:
        """As of the model."""
        return self.model.ref

    def score(self, row: Row) -> Scored:
        """What it says in time."""
        return self.deadline.score(self.model, row)

    def findings(self, row: Row) -> tuple[Finding, ...]:
        """As of the model."""
        return self.model.findings(row)
