"""Measurements of what the database says: jobs, open payments, outcomes, objectives, of each book.

They are asked for when somebody reads them, at most every `FRESH_S`. The processes of one API say the same,
since each goes on from what the latest of them has found; of several APIs take the `max`, not the sum.
"""

import asyncio
import collections
import time
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import psycopg
import structlog
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from caudal.access import DEPLOYMENT
from caudal.doctor import Figures, figures
from caudal.ledger import list_books
from caudal.objectives import Severity
from caudal_base.clock import Clock
from caudal_base.database import Database
from caudal_base.errors import CaudalError

FRESH_S: Final = 10.0

_ENDINGS: Final = frozenset(
    f"payment.{state}" for state in ("succeeded", "failed", "declined", "cancelled", "expired", "returned")
)

_log = structlog.get_logger("caudal.api")


class Kept(msgspec.Struct, kw_only=True):
    """What was found, and counted since the API was first asked."""

    looked_at: float = float("-inf")
    """In seconds of `time.monotonic`, which all processes of a machine share."""
    found: dict[str, Figures] = {}
    names: dict[str, str] = {}
    told_through: dict[str, int] = {}
    told: dict[tuple[str, str], int] = {}
    outcomes: dict[tuple[str, str, str, str, str], int] = {}


_KEPT: Final = msgspec.msgpack.Decoder(Kept)


class Books(Collector):
    """What the tables of all books say."""

    def __init__(self, database: Database | None, clock: Clock, *, fresh_s: float = FRESH_S) -> None:
        """Knows nothing before the first `look`; without a database never."""
        self._database = database
        self._fresh_s = fresh_s
        self._clock = clock
        self._looking = asyncio.Lock()
        self._kept = Kept()

    def kept(self) -> bytes:
        """What the other processes go on from."""
        return msgspec.msgpack.encode(self._kept)

    def adopt(self, others: Iterable[bytes]) -> None:
        """Go on from what the latest of them has found, if that is later than what this one has."""
        latest = max(map(_KEPT.decode, others), key=lambda one: one.looked_at, default=self._kept)
        if latest.looked_at > self._kept.looked_at:
            self._kept = latest

    async def look(self) -> None:
        """Ask the database, unless somebody just has. Without it the last figures are withdrawn."""
        async with self._looking:
            began = time.monotonic()
            if self._database is None or began < self._kept.looked_at + self._fresh_s:
                return
            before = self._kept
            found: dict[str, Figures] = {}
            names: dict[str, str] = {}
            try:
                async with self._database.connection() as connection:
                    for book in await list_books(connection):
                        if book.book_id == DEPLOYMENT:
                            continue
                        number = str(book.book_id)
                        names[number] = book.name
                        found[number] = await figures(
                            connection,
                            book.book_id,
                            told_after=before.told_through.get(number),
                            now=self._clock.now(),
                        )
            except (psycopg.Error, CaudalError) as error:
                _log.warning("books_not_measured", reason=type(error).__name__)
                self._kept = msgspec.structs.replace(before, found={})
                return
            self._kept = _counted(before, found, names, began)

    def collect(self) -> Iterator[Metric]:
        """The figures of the last `look`."""
        info = GaugeMetricFamily(
            "caudal_book_info", "1, of each book: its number, as other labels have it, and its name.",
            labels=["book", "name"],
        )  # fmt: skip
        for book, name in self._kept.names.items():
            info.add_metric([book, name], 1.0)
        yield info
        yield from self._jobs()
        yield from self._payments()
        yield self._routed()
        yield from self._objectives()
        yield from self._cases()
        yield from self._anomalies()
        yield from self._features()

    def _jobs(self) -> Iterator[Metric]:
        count = GaugeMetricFamily(
            "caudal_jobs_waiting", "Unfinished and dead jobs.", labels=["book", "queue", "state"]
        )
        age = GaugeMetricFamily(
            "caudal_jobs_oldest_age_seconds",
            "How long ago the first of them should have begun; below 0: when it will.",
            labels=["book", "queue", "state"],
        )
        for book, found in self._kept.found.items():
            for one in found.jobs:
                labels = [book, one.queue, one.state.value]
                count.add_metric(labels, one.count)
                age.add_metric(labels, (found.at - one.oldest_run_at).total_seconds())
        yield from (count, age)

    def _payments(self) -> Iterator[Metric]:
        opened = GaugeMetricFamily(
            "caudal_payments_open", "Payments that have not ended, up to 10,000.", labels=["book", "state"]
        )
        count = GaugeMetricFamily(
            "caudal_payment_attempts_unsettled",
            "Calls to partners whose outcome is not known yet, up to 10,000.",
            labels=["book", "partner", "state"],
        )
        age = GaugeMetricFamily(
            "caudal_payment_attempts_oldest_age_seconds",
            "Since when the oldest of them has been as it is.",
            labels=["book", "partner", "state"],
        )
        for book, found in self._kept.found.items():
            for state, number in found.open_payments.items():
                opened.add_metric([book, state], number)
            for one in found.unsettled:
                count.add_metric([book, one.partner, one.state], one.count)
                age.add_metric([book, one.partner, one.state], (found.at - one.oldest).total_seconds())
        outcomes = CounterMetricFamily(
            "caudal_payment_outcomes",
            "Payments by how they ended, since the API was first asked.",
            labels=["book", "kind", "partner", "state", "failure"],
        )
        for key, number in self._kept.outcomes.items():
            outcomes.add_metric(list(key), number)
        told = CounterMetricFamily(
            "caudal_events_told",
            "Events by type (refunds, disputes, reviews, endpoints, …), since the API was first asked.",
            labels=["book", "type"],
        )
        for (book, type_), number in self._kept.told.items():
            told.add_metric([book, type_], number)
        yield from (opened, count, age, outcomes, told)

    def _routed(self) -> Metric:
        attempts = CounterMetricFamily(
            "caudal_routed_attempts",
            "First calls for payments, by the rule that chose the partner ('': none) and by what came of "
            "them, of the present day; at midnight UTC it begins anew.",
            labels=["book", "rule", "partner", "outcome"],
        )
        for book, found in self._kept.found.items():
            sums: collections.Counter[tuple[str, str, str]] = collections.Counter()
            for one in found.routed:
                for outcome, count in one.counts.items():
                    sums[one.lane.rule, one.lane.partner, outcome.value] += count
            for key, count in sums.items():
                attempts.add_metric([book, *key], count)
        return attempts

    def _cases(self) -> Iterator[Metric]:
        labels = ["book", "kind", "severity"]
        opened = GaugeMetricFamily(
            "caudal_cases_open", "Cases that wait for people, up to 10,000.", labels=labels
        )
        overdue = GaugeMetricFamily("caudal_cases_overdue", "Those of them that are overdue.", labels=labels)
        for book, found in self._kept.found.items():
            for one in found.cases:
                opened.add_metric([book, one.kind, one.severity.value], one.count)
                overdue.add_metric([book, one.kind, one.severity.value], one.overdue)
        yield from (opened, overdue)

    def _anomalies(self) -> Iterator[Metric]:
        labels = ["book", "stream"]
        events = GaugeMetricFamily(
            "caudal_anomalies_behind_events", "Events that a stream has not looked at.", labels=labels
        )
        seconds = GaugeMetricFamily(
            "caudal_anomalies_behind_seconds",
            "How long ago the first of them became known; 0 where there is none.",
            labels=labels,
        )
        for book, found in self._kept.found.items():
            for one in found.anomalies:
                late = 0.0 if one.since is None else max((found.at - one.since).total_seconds(), 0.0)
                events.add_metric([book, one.stream], one.events)
                seconds.add_metric([book, one.stream], late)
        yield from (events, seconds)

    def _features(self) -> Iterator[Metric]:
        events = GaugeMetricFamily(
            "caudal_features_behind_events",
            "Events of the book of which features and labels do not know yet.",
            labels=["book"],
        )
        seconds = GaugeMetricFamily(
            "caudal_features_behind_seconds",
            "How long the first of them has waited; 0 where there is none.",
            labels=["book"],
        )
        for book, found in self._kept.found.items():
            since = found.features.since
            events.add_metric([book], found.features.events)
            seconds.add_metric([book], 0.0 if since is None else max((found.at - since).total_seconds(), 0.0))
        yield from (events, seconds)

    def _objectives(self) -> Iterator[Metric]:
        labels = ["book", "objective"]
        budget = GaugeMetricFamily(
            "caudal_objective_budget_left_ratio",
            "Of the budget of the objective's window: 1 is untouched, below 0 the promise is broken.",
            labels=labels,
        )
        rate = GaugeMetricFamily(
            "caudal_objective_burn_rate",
            "How many times as fast as it may the budget burns, by window.",
            labels=[*labels, "window"],
        )
        alert = GaugeMetricFamily(
            "caudal_objective_alert",
            "1 while an alert of this severity is open.",
            labels=[*labels, "severity"],
        )
        age = GaugeMetricFamily(
            "caudal_objective_evaluated_age_seconds",
            "How long ago a worker last evaluated the book's objectives.",
            labels=["book"],
        )
        for book, found in self._kept.found.items():
            standings = [one for one in found.objectives if one.standing is not None]
            for one in standings:
                name, standing = one.version.objective.name, one.standing
                if standing is None:
                    continue
                budget.add_metric([book, name], standing.budget_left_basis_points / 10_000)
                for window, burns in standing.burn_rates.items():
                    rate.add_metric([book, name, window], burns)
                for severity in Severity:
                    alert.add_metric([book, name, severity.value], float(standing.severity is severity))
            times = [one.standing.evaluated_at for one in standings if one.standing is not None]
            if times:
                age.add_metric([book], (self._clock.now() - max(times)).total_seconds())
        yield from (budget, rate, alert, age)


def _counted(before: Kept, found: dict[str, Figures], names: dict[str, str], at: float) -> Kept:
    """What was told between two looks, added."""
    told, outcomes = collections.Counter(before.told), collections.Counter(before.outcomes)
    for book, figures_ in found.items():
        for one in figures_.told:
            told[book, one.type] += one.count
            if one.type in _ENDINGS:
                state = one.type.removeprefix("payment.")
                outcomes[book, one.kind or "", one.partner or "", state, one.failure or ""] += one.count
    through = before.told_through | {book: one.told_through for book, one in found.items()}
    return Kept(
        looked_at=at, found=found, names=names, told_through=through, told=dict(told), outcomes=dict(outcomes)
    )
