"""What a process has decided since it started, for its measurements; nothing here knows of an exporter."""

from bisect import bisect_left
from typing import Final, NamedTuple

import msgspec

from caudal.risk.decision_types import Fallback, Record, SubjectOf
from caudal_base.decide import Verdict

TIME_BOUNDS_S: Final = (
    1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 0.1,
)  # fmt: skip
"""From the ten microseconds of a scorecard to what is five times late."""


class Came(NamedTuple):
    """By what decisions are counted."""

    book_id: int
    of: str
    model: str
    """`card-fraud@3`; empty: none was to decide."""
    role: str
    outcome: str
    fallback: str
    """Why no model decided, though one should have; empty: it did."""


_Key = tuple[int, SubjectOf, str | None, str | None, Verdict, Fallback | None]


class Times(msgspec.Struct):
    """How long something took."""

    counts: list[int] = msgspec.field(default_factory=lambda: [0] * (len(TIME_BOUNDS_S) + 1))
    """By `TIME_BOUNDS_S`, each bound belonging to what is below it; the last has none."""
    sum_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Once more."""
        self.counts[bisect_left(TIME_BOUNDS_S, seconds)] += 1
        self.sum_s += seconds


class DecisionCounts(msgspec.Struct):
    """Decisions, and how long they and their parts took."""

    kept: dict[_Key, int] = {}
    """Decisions, by what they are counted by as it comes: a payment waits meanwhile."""
    scores: dict[str, Times] = {}
    """By model, also of shadows."""
    stages: dict[tuple[SubjectOf, str], Times] = {}
    """By what is decided on, and `read` or `decide`."""

    @property
    def decisions(self) -> dict[Came, int]:
        """How many decisions came out how."""
        # A copy made in one step: others go on counting.
        return {
            Came(
                book_id,
                of.value,
                model or "",
                role or "",
                outcome.value,
                "" if fallback is None else fallback.value,
            ): count
            for (book_id, of, model, role, outcome, fallback), count in list(self.kept.items())
        }

    def decided(self, book_id: int, record: Record) -> None:
        """A decision was made and is to be kept."""
        served, of, kept = record.served, record.of, self.kept
        key = (book_id, of, served.model, served.role, record.decided.outcome, served.fallback)
        kept[key] = kept.get(key, 0) + 1
        for stage, took_us in record.latency_us.items():
            times = self.stages.get((of, stage))
            if times is None:
                times = self.stages[of, stage] = Times()
            times.add(took_us / 1e6)

    def scored(self, model: str, took_ns: int) -> None:
        """A model was asked, in time or not."""
        times = self.scores.get(model)
        if times is None:
            times = self.scores[model] = Times()
        times.add(took_ns / 1e9)
