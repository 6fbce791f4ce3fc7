"""Measurements of partners and their webhooks."""

from collections.abc import Awaitable, Callable, Iterator, Sequence

import psycopg
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from caudal.api.book_metrics import Books
from caudal.api.decision_metrics import Decisions
from caudal.api.merged_metrics import Processes
from caudal.api.metrics import Metrics
from caudal.connectors import LATENCY_BOUNDS_S, BreakerState, Registry
from caudal.risk import Engines
from caudal.webhooks import Inbox, InboxCounts, Unsettled
from caudal_base.clock import Clock
from caudal_base.database import Database
from caudal_base.errors import CaudalError

_log = structlog.get_logger("caudal.api")


class Waiting(Collector):
    """How many webhooks are not settled, and for how long: asked of the database before each reading."""

    def __init__(self, unsettled: Callable[[], Awaitable[list[Unsettled]]], clock: Clock) -> None:
        """Knows nothing before the first `look`, which calls `unsettled`."""
        self._unsettled = unsettled
        self._clock = clock
        self._found: list[Unsettled] = []

    async def look(self) -> None:
        """Ask the database. Without it there are no figures; the other measurements do not depend on it."""
        self._found = []
        try:
            self._found = await self._unsettled()
        except (psycopg.Error, CaudalError) as error:
            _log.warning("webhooks_not_counted", reason=type(error).__name__)

    def collect(self) -> Iterator[Metric]:
        """The figures of the last `look`."""
        count = GaugeMetricFamily(
            "caudal_webhooks_in_unsettled",
            "Partners' webhooks that are received or parked.",
            labels=["partner", "state"],
        )
        age = GaugeMetricFamily(
            "caudal_webhooks_in_oldest_age_seconds",
            "Since when the oldest of them has been here.",
            labels=["partner", "state"],
        )
        now = self._clock.now()
        for one in self._found:
            labels = [one.partner, one.state.value]
            count.add_metric(labels, one.count)
            age.add_metric(labels, max(0.0, (now - one.oldest_received_at).total_seconds()))
        yield count
        yield age


class Received(Collector):
    """What came in at this process."""

    def __init__(self, counts: InboxCounts) -> None:
        """`counts` are the inbox's own."""
        self._counts = counts

    def collect(self) -> Iterator[Metric]:
        """The counts as they stand."""
        counts = self._counts
        for name, help_, by_partner in (
            ("received", "Partners' webhooks that were verified and stored.", counts.received),
            ("repeated", "Partners' webhooks that were there already.", counts.repeated),
        ):
            counter = CounterMetricFamily(f"caudal_webhooks_in_{name}", help_, labels=["partner"])
            for partner, count in by_partner.items():
                counter.add_metric([partner], count)
            yield counter
        refused = CounterMetricFamily(
            "caudal_webhooks_in_refused",
            "Webhooks that nothing showed to be the partner's.",
            labels=["partner", "reason"],
        )
        for (partner, reason), count in counts.refused.items():
            refused.add_metric([partner, reason], count)
        yield refused


class Partners(Collector):
    """How this process gets on with partners: their answers, their breakers, what they say unexpectedly."""

    def __init__(self, partners: Registry) -> None:
        """`partners` count."""
        self._partners = partners

    def collect(self) -> Iterator[Metric]:
        """The counts as they stand."""
        calls = CounterMetricFamily(
            "caudal_partner_calls", "Calls by what came of them.", labels=["partner", "operation", "outcome"]
        )
        drift = CounterMetricFamily(
            "caudal_partner_drift",
            "Answers and webhooks with something that the connector does not know.",
            labels=["partner", "kind", "field", "value"],
        )
        seconds = HistogramMetricFamily(
            "caudal_partner_call_duration_seconds",
            "From sending a call to its answer.",
            labels=["partner", "operation"],
        )
        gauges = {
            "breaker": GaugeMetricFamily(
                "caudal_partner_breaker_open", "1 while calls are held back.", labels=["partner"]
            ),
            "in_flight": GaugeMetricFamily(
                "caudal_partner_in_flight", "Calls that are out now.", labels=["partner"]
            ),
            "waiting": GaugeMetricFamily(
                "caudal_partner_waiting", "Calls that wait for their turn.", labels=["partner"]
            ),
            "clock": GaugeMetricFamily(
                "caudal_partner_clock_ahead_seconds",
                "How far the partner's clock is ahead of ours, by the Date of its answers.",
                labels=["partner"],
            ),
        }
        for partner in self._partners:
            name, stats = partner.name, partner.stats
            for (operation, outcome), count in stats.outcomes.items():
                calls.add_metric([name, operation, outcome], count)
            for (kind, field, value), count in stats.drift.items():
                drift.add_metric([name, kind.value, field, value], count)
            for operation, counts in stats.latency_counts.items():
                seconds.add_metric(
                    [name, operation], _cumulated(counts), stats.latency_sum_s.get(operation, 0)
                )
            gauges["breaker"].add_metric([name], float(stats.breaker is not BreakerState.CLOSED))
            gauges["in_flight"].add_metric([name], stats.in_flight)
            gauges["waiting"].add_metric([name], stats.waiting)
            if stats.clock_ahead_s is not None:
                gauges["clock"].add_metric([name], stats.clock_ahead_s)
        yield from (calls, drift, seconds, *gauges.values())


def _cumulated(counts: Sequence[int]) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for bound, count in zip((*LATENCY_BOUNDS_S, "+Inf"), counts, strict=True):
        total += count
        buckets.append((str(bound), float(total)))
    return buckets


class Asked:
    """What is asked for before measurements are read: of the other processes, and of the database."""

    def __init__(self, waiting: Waiting, books: Books, processes: Processes | None) -> None:
        """Of webhooks, of all else, and of those that serve together."""
        self._waiting = waiting
        self._books = books
        self._processes = processes
        if processes is not None:
            processes.keep(books.kept)
            books.adopt(processes.kept())

    async def look(self) -> None:
        """Ask them. What another process has been told lately is not asked for again."""
        if self._processes is not None:
            await self._processes.gather()
            self._books.adopt(self._processes.kept())
        await self._waiting.look()
        await self._books.look()
        if self._processes is not None:
            self._processes.pin()

    async def answer_others(self) -> None:
        """Tell the other processes what they ask for, until cancelled."""
        if self._processes is not None:
            await self._processes.answer_others()


def watch_rooms(
    metrics: Metrics, partners: Registry, inbox: Inbox, engines: Engines, clock: Clock, database: Database
) -> Asked:
    """Add the figures of partners, webhooks, decisions, and of what the tables say; what is to be asked."""
    waiting, books = Waiting(inbox.unsettled, clock), Books(database, clock)
    for own in (Partners(partners), Received(inbox.counts), Decisions(engines)):
        metrics.register(own)
    for common in (waiting, books):
        metrics.register_common(common)
    return Asked(waiting, books, metrics.processes)
