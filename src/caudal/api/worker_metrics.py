"""Measurements of a worker: its jobs, partners' webhooks, how it gets on with partners, and webhooks out."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from caudal import jobs
from caudal.api.webhooks_in_metrics import Partners
from caudal.api.webhooks_out_metrics import Delivered
from caudal.connectors import Registry
from caudal.delivery import DeliveryCounts
from caudal.webhooks import ApplyCounts

_ENDINGS = ("done", "postponed", "retried", "dead", "lost")


class Jobs(Collector):
    """What a worker has done since it started."""

    def __init__(self, counts: jobs.Counts) -> None:
        """`counts` are the worker's own."""
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """The counts as they stand."""
        ended = CounterMetricFamily("caudal_jobs_ended", "Jobs by how they ended.", labels=["kind", "ending"])
        calls = CounterMetricFamily("caudal_jobs_calls", "Calls of handlers.", labels=["kind"])
        failed = CounterMetricFamily(
            "caudal_jobs_failed_calls", "Calls that raised or timed out.", labels=["kind"]
        )
        busy = CounterMetricFamily("caudal_jobs_busy_seconds", "Seconds spent in calls.", labels=["kind"])
        # A scrape reads from a thread of its own: the copy is made in one step.
        for kind, counted in list(self._counts.kinds.items()):
            for ending in _ENDINGS:
                ended.add_metric([kind, ending], getattr(counted, ending))
            calls.add_metric([kind], counted.calls)
            failed.add_metric([kind], counted.failed_calls)
            busy.add_metric([kind], counted.busy_s)
        yield from (ended, calls, failed, busy)
        yield GaugeMetricFamily("caudal_jobs_in_work", "Jobs claimed now.", value=self._counts.in_work)
        yield CounterMetricFamily(
            "caudal_jobs_released", "Jobs of workers that died.", value=self._counts.released
        )
        yield CounterMetricFamily(
            "caudal_jobs_troubles", "Failures of the worker's own statements.", value=self._counts.troubles
        )


class Applied(Collector):
    """How attempts at applying partners' webhooks ended."""

    def __init__(self, counts: ApplyCounts) -> None:
        """`counts` are the handlers' own."""
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """The counts as they stand."""
        attempts = CounterMetricFamily(
            "caudal_webhooks_in_attempts",
            "Attempts at applying partners' webhooks, by the state they ended in.",
            labels=["partner", "state"],
        )
        for (partner, state), count in list(self._counts.ended.items()):
            attempts.add_metric([partner, state], count)
        yield attempts


def worker_registry(
    counts: jobs.Counts, applied: ApplyCounts, partners: Registry, delivered: DeliveryCounts
) -> CollectorRegistry:
    """All measurements of a worker, as `prometheus_client` serves them."""
    registry = CollectorRegistry()
    for collector in (Jobs(counts), Applied(applied), Partners(partners), Delivered(delivered)):
        registry.register(collector)
    return registry
