"""Every measurement there is, with its meaning: made from the collectors themselves, for the reference."""

from typing import Final

import msgspec
from prometheus_client.core import Metric

from caudal import jobs
from caudal.api.book_metrics import Books
from caudal.api.decision_metrics import Decisions
from caudal.api.metrics import Metrics
from caudal.api.places import Room
from caudal.api.rates import RateLimits
from caudal.api.webhooks_in_metrics import Partners, Received, Waiting
from caudal.api.worker_metrics import worker_registry
from caudal.connectors import Registry
from caudal.delivery import DeliveryCounts
from caudal.risk import Engines
from caudal.webhooks import ApplyCounts, InboxCounts, Unsettled
from caudal_base.clock import SystemClock
from caudal_base.shared import Shared

DESKS: Final = ("ledger", "payments", "decisions", "webhooks")
"""The queues of the API."""

_SUFFIXES: Final = {"counter": "_total"}


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """A measurement, as a process shows it."""

    name: str
    """As its `TYPE` line has it."""
    type: str
    labels: tuple[str, ...]
    help: str
    unit: str
    where: tuple[str, ...]
    """Which processes have it: `API`, `worker`; and `database` where it comes from the tables."""


def described() -> list[Described]:
    """All measurements, by name."""
    found: dict[str, Described] = {}
    of_worker = worker_registry(jobs.Counts(), ApplyCounts(), Registry(), DeliveryCounts())
    for where, families in (("API", _api().families()), ("worker", list(of_worker.collect()))):
        for family in families:
            name = family.name + _SUFFIXES.get(family.type, "")
            known = found.get(name)
            found[name] = Described(
                name=name,
                type=family.type,
                labels=_labels(family),
                help=family.documentation,
                unit=_unit(family.name),
                where=(*(known.where if known else ()), where),
            )
    for family in Books(None, SystemClock()).collect():
        name = family.name + _SUFFIXES.get(family.type, "")
        found[name] = msgspec.structs.replace(found[name], where=(*found[name].where, "database"))
    return [found[name] for name in sorted(found)]


def _api() -> Metrics:
    """An API's measurements: of one request, so that the labels of what counts itself are known."""

    async def nothing() -> list[Unsettled]:
        return []

    metrics, clock = Metrics(), SystemClock()
    metrics.watch(dict.fromkeys(DESKS, dict), dict)
    metrics.watch_traffic(Room.of(2, 1), RateLimits(0, 1, Shared()))
    for own in (Partners(Registry()), Received(InboxCounts(())), Decisions(Engines())):
        metrics.register(own)
    for common in (Waiting(nothing, clock), Books(None, clock)):
        metrics.register_common(common)
    metrics.route("GET", "/")(200, 0.0)
    metrics.failed("")
    return metrics


def _labels(family: Metric) -> tuple[str, ...]:
    """The names of its labels, which those that have no samples yet know too."""
    of_samples = [name for sample in family.samples for name in sample.labels if name != "le"]
    return tuple(dict.fromkeys((*getattr(family, "_labelnames", ()), *of_samples)))


def _unit(name: str) -> str:
    for unit in ("seconds", "ratio"):
        if name.endswith(unit):
            return unit
    return "" if name.endswith(("_rate", "breaker_open", "_alert", "_info")) else "count"
