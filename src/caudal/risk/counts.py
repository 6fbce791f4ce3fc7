"""What a process has decided since it started, for its measurements; nothing here knows of an exporter."""

from bisect import bisect_left
from typing import Final, NamedTuple

import msgspec

from caudal.risk.decision_types import Record

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

    decisions: dict[Came, int] = {}
    scores: dict[str, Times] = {}
    """By model, also of shadows."""
    stages: dict[tuple[str, str], Times] = {}
    """By what is decided on, and `read` or `decide`."""

    def decided(self, book_id: int, record: Record) -> None:
        """A decision was made and is to be kept."""
        served, of = record.served, record.of.value
        came = Came(
            book_id, of, served.model or "", served.role or "", record.decided.outcome.value,
            "" if served.fallback is None else served.fallback.value,
        )  # fmt: skip
        self.decisions[came] = self.decisions.get(came, 0) + 1
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
