"""Measurements of webhooks out, as the worker that delivers them has them."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from caudal.delivery import DURATION_BOUNDS_S, DeliveryCounts


class Delivered(Collector):
    """What a process has sent since it started, and how far the endpoints of all books are behind."""

    def __init__(self, counts: DeliveryCounts) -> None:
        """`counts` are the deliverer's own."""
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """The counts as they stand."""
        counts = self._counts
        attempts = CounterMetricFamily(
            "caudal_webhooks_out_attempts",
            "Attempts at delivering webhooks, by the class of the answer.",
            labels=["outcome"],
        )
        for outcome, count in list(counts.attempts.items()):
            attempts.add_metric([outcome], count)
        yield attempts
        disabled = CounterMetricFamily(
            "caudal_webhooks_out_disabled", "Endpoints that were disabled.", labels=["reason"]
        )
        for reason, count in list(counts.disabled.items()):
            disabled.add_metric([reason], count)
        yield disabled
        yield CounterMetricFamily(
            "caudal_webhooks_out_given_up", "Deliveries whose schedule is over.", value=counts.given_up
        )
        yield CounterMetricFamily(
            "caudal_webhooks_out_troubles", "Failures of the deliverer's own.", value=counts.troubles
        )
        for name, help_, value in (
            ("driven", "Endpoints that this process delivers to now.", counts.driven),
            ("under_way", "Webhooks that are out now.", counts.under_way),
            ("breakers_open", "Endpoints that are left alone for a while.", counts.open_breakers),
        ):
            yield GaugeMetricFamily(f"caudal_webhooks_out_{name}", help_, value=value)
        yield from self._backlog()
        yield self._durations()

    def _backlog(self) -> Iterator[Metric]:
        """By book, as counted a few seconds ago."""
        for name, help_, by_book in (
            ("unread", "Events that endpoints have not been given yet, over all.", self._counts.unread),
            ("behind", "Endpoints that get nothing new: too much waits for them.", self._counts.behind),
            ("pending", "Deliveries that are tried or will be.", self._counts.pending),
            ("oldest_age_seconds", "Age of the oldest event not delivered.", self._counts.oldest_s),
        ):
            gauge = GaugeMetricFamily(f"caudal_webhooks_out_{name}", help_, labels=["book"])
            for book_id, value in list(by_book.items()):
                gauge.add_metric([str(book_id)], value)
            yield gauge

    def _durations(self) -> Metric:
        seconds = HistogramMetricFamily(
            "caudal_webhooks_out_duration_seconds", "From sending a webhook to its answer.", labels=[]
        )
        total, buckets = 0, []
        counts = list(self._counts.duration_counts)
        for bound, count in zip((*DURATION_BOUNDS_S, "+Inf"), counts, strict=True):
            total += count
            buckets.append((str(bound), float(total)))
        seconds.add_metric([], buckets, self._counts.duration_sum_s)
        return seconds
