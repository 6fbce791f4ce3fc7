"""Measurements of the API, as Prometheus reads them."""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from caudal.api.merged_metrics import Processes
from caudal.api.places import Room
from caudal.api.rates import RateLimits
from caudal_base.coalesce import BATCH_SIZE_BOUNDS, Stats
from caudal_base.shared import Shared

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_LATENCY_BOUNDS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

_COUNTERS = {
    "batches": "Batches that came to an end.",
    "commands": "Requests in them.",
    "reruns": "Runs repeated because the connection was lost or the failure was passing.",
    "split_batches": "Batches that the database refused and that were run again one by one.",
    "failed_batches": "Batches whose requests all got an error.",
    "refused": "Requests turned away because the queue was full or closing.",
    "dropped": "Requests whose callers left before they started.",
    "busy_s": "Seconds spent in batches.",
}
_GAUGES = {
    "queued": "Requests that wait for a batch.",
    "queued_weight": "Transfers in them.",
    "in_flight": "Requests in the batch that runs.",
}

_PLACE_GAUGES = {
    "at_once": "Requests that may hold a place.",
    "in_use": "Requests that hold one.",
    "waiting": "Requests that wait for one.",
}
_POOL_GAUGES = {
    "pool_size": "Connections to the database.",
    "pool_available": "Connections that are free.",
    "requests_waiting": "Pieces of work that wait for a connection.",
}


class Metrics:
    """The process's own registries, so that several applications in one process do not mix."""

    def __init__(self, shared: Shared | None = None) -> None:
        """Nothing counted yet; `shared` are the processes that serve together, by default this one alone."""
        self._registry = CollectorRegistry()
        self._of_all = CollectorRegistry()
        self.processes: Processes | None = None
        """Those that serve together, where there are several."""
        if shared is not None and shared.board is not None:
            self.processes = Processes(shared.board, shared.process, self._registry.collect)
        self._requests = Counter(
            "caudal_http_requests",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self._registry,
        )
        self._latency = Histogram(
            "caudal_http_request_duration_seconds",
            "From a request's arrival to the end of its answer.",
            ["method", "route"],
            buckets=_LATENCY_BOUNDS_S,
            registry=self._registry,
        )

        self.replays = Counter(
            "caudal_http_replays",
            "Requests answered with what their idempotency key had been answered before.",
            registry=self._registry,
        )
        self._errors = Counter(
            "caudal_http_errors",
            "Requests that an error ended, by its code; what a batch refuses stands under its status alone.",
            ["code"],
            registry=self._registry,
        )

    def failed(self, code: str) -> None:
        """An error of this code has ended a request."""
        self._errors.labels(code).inc()

    def route(self, method: str, path: str) -> Callable[[int, float], None]:
        """A function that counts a request of this route: its status, and how many seconds it took."""
        latency: Histogram | None = None
        counters: dict[int, Counter] = {}

        def observe(status: int, seconds: float) -> None:
            nonlocal latency
            if latency is None:
                # Not before it is used: most routes never are, and each costs a reading 15 lines.
                latency = self._latency.labels(method, path)
            counter = counters.get(status)
            if counter is None:
                counter = counters[status] = self._requests.labels(method, path, str(status))
            counter.inc()
            latency.observe(seconds)

        return observe

    def watch(
        self,
        desks: Mapping[str, Callable[[], Mapping[int, Stats]]],
        pool: Callable[[], Mapping[str, int]],
    ) -> None:
        """Add the figures of each desk's queues, by the desk's name and by book, and of the database pool."""
        for name, stats in desks.items():
            self._registry.register(_Queues(name, stats))
        self._registry.register(_Pool(pool))

    def watch_traffic(self, room: Room, rates: RateLimits) -> None:
        """Add who waits for a place, and who asked for too much."""
        self._registry.register(_Traffic(room, rates))

    def register(self, collector: Collector) -> None:
        """Add the figures of another part of the process, which are asked for at each reading."""
        self._registry.register(collector)

    def register_common(self, collector: Collector) -> None:
        """Add figures that are the same whichever process is asked."""
        self._of_all.register(collector)

    def families(self) -> list[Metric]:
        """All of it: of all processes what they have last pinned."""
        own = self._registry.collect() if self.processes is None else self.processes.families()
        return [*own, *self._of_all.collect()]

    def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(_Families(self.families()))


class _Families(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return iter(self._families)


class _Queues(Collector):
    def __init__(self, desk: str, stats: Callable[[], Mapping[int, Stats]]) -> None:
        self._desk = f"caudal_{desk}"
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        stats = self._stats()
        for name, help_ in _COUNTERS.items():
            unit = "busy_seconds" if name == "busy_s" else name
            counter = CounterMetricFamily(f"{self._desk}_queue_{unit}", help_, labels=["book"])
            for book, counted in stats.items():
                counter.add_metric([str(book)], getattr(counted, name))
            yield counter
        for name, help_ in _GAUGES.items():
            gauge = GaugeMetricFamily(f"{self._desk}_queue_{name}", help_, labels=["book"])
            for book, counted in stats.items():
                gauge.add_metric([str(book)], getattr(counted, name))
            yield gauge
        sizes = HistogramMetricFamily(f"{self._desk}_batch_requests", "Requests in a batch.", labels=["book"])
        for book, counted in stats.items():
            sizes.add_metric([str(book)], _cumulated(counted), counted.commands)
        yield sizes


def _cumulated(stats: Stats) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for bound, count in zip((*BATCH_SIZE_BOUNDS, "+Inf"), stats.batch_sizes, strict=True):
        total += count
        buckets.append((str(bound), float(total)))
    return buckets


class _Traffic(Collector):
    def __init__(self, room: Room, rates: RateLimits) -> None:
        self._room = room
        self._rates = rates

    def collect(self) -> Iterator[Metric]:
        limited = CounterMetricFamily(
            "caudal_rate_limited",
            "Requests of API keys that were over their rate.",
            value=self._rates.refused,
        )
        yield limited
        kinds = {"ordinary": self._room.ordinary.stats(), "long": self._room.long.stats()}
        for name, help_ in _PLACE_GAUGES.items():
            gauge = GaugeMetricFamily(f"caudal_places_{name}", help_, labels=["kind"])
            for kind, stats in kinds.items():
                gauge.add_metric([kind], getattr(stats, name))
            yield gauge
        refused = CounterMetricFamily(
            "caudal_places_refused", "Requests turned away for want of a place.", labels=["kind"]
        )
        for kind, stats in kinds.items():
            refused.add_metric([kind], stats.refused)
        yield refused


class _Pool(Collector):
    def __init__(self, statistics: Callable[[], Mapping[str, int]]) -> None:
        self._statistics = statistics

    def collect(self) -> Iterator[Metric]:
        figures = self._statistics()
        for name, help_ in _POOL_GAUGES.items():
            yield GaugeMetricFamily(f"caudal_database_{name}", help_, value=figures.get(name, 0))
