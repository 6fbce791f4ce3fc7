"""Measurements of decisions: what came of them, by which versions, and how long models took."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from caudal.risk import TIME_BOUNDS_S, Engines, Times


class Decisions(Collector):
    """What this process has decided since it started, and by what it decides now."""

    def __init__(self, engines: Engines) -> None:
        """`engines` are those that decide."""
        self._engines = engines

    def collect(self) -> Iterator[Metric]:
        """The counts as they stand."""
        yield self._decisions()
        yield from self._times()
        yield from self._versions()

    def _decisions(self) -> Metric:
        decisions = CounterMetricFamily(
            "caudal_decisions",
            "Decisions that were kept, by the model that was to decide ('': none was), as what, by what came "
            "out, and by why no model decided after all ('': it did). Those of a batch that had to be run "
            "again count again.",
            labels=["book", "of", "model", "role", "outcome", "fallback"],
        )
        for came, count in self._engines.counts.decisions.items():
            decisions.add_metric([str(came.book_id), *came[1:]], count)
        return decisions

    def _times(self) -> Iterator[Metric]:
        scores = HistogramMetricFamily(
            "caudal_model_score_duration_seconds",
            "What a model took for a score while something waited for the decision; also of shadows.",
            labels=["model"],
        )
        for model, times in self._engines.counts.scores.items():
            scores.add_metric([model], _cumulated(times), times.sum_s)
        stages = HistogramMetricFamily(
            "caudal_decision_duration_seconds",
            "What a decision took: to `read` what it needs, once for its whole batch, and to `decide`, with "
            "all scores.",
            labels=["of", "stage"],
        )
        for (of, stage), times in self._engines.counts.stages.items():
            stages.add_metric([of.value, stage], _cumulated(times), times.sum_s)
        yield from (scores, stages)

    def _versions(self) -> Iterator[Metric]:
        versions = GaugeMetricFamily(
            "caudal_decides_by_version",
            "The version by which the process decided last: of the feature set, the rule set, and what "
            "serves payments (`serving`) and applications (`credit`); 0: there is none.",
            labels=["book", "of"],
        )
        shares = GaugeMetricFamily(
            "caudal_model_share_ratio",
            "Of the customers on whom each model of the book decides: 0 for a shadow.",
            labels=["book", "model", "role"],
        )
        for book_id, engine in self._engines.all.items():
            book, rules = str(book_id), engine.rules
            versions.add_metric([book, "feature_set"], engine.plan.version)
            versions.add_metric([book, "rule_set"], 0 if rules is None else rules.version)
            for name, serving in (("serving", engine.serving), ("credit", engine.applications.serving)):
                versions.add_metric([book, name], 0 if serving is None else serving.version)
                for ref, role, share in () if serving is None else serving.shares:
                    shares.add_metric([book, ref, role], share / 100)
        yield from (versions, shares)


def _cumulated(times: Times) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for bound, count in zip((*TIME_BOUNDS_S, "+Inf"), times.counts, strict=True):
        total += count
        buckets.append((str(bound), float(total)))
    return buckets
