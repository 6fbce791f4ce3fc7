"""Measurements of what the database says: jobs, open payments, outcomes, objectives, of each book.

They are asked for when somebody reads them, at most every `FRESH_S`. All processes say the same: take the
`max` over instances, not the sum.
"""

import asyncio
import collections
import time
from collections.abc import Iterator
from typing import Final

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


class Books(Collector):
    """What the tables of all books say."""

    def __init__(self, database: Database | None, clock: Clock, *, fresh_s: float = FRESH_S) -> None:
        """Knows nothing before the first `look`; without a database never."""
        self._database = database
        self._fresh_s = fresh_s
        self._clock = clock
        self._looking = asyncio.Lock()
        self._fresh_until = 0.0
        self._found: dict[str, Figures] = {}
        self._told_through: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._told: collections.Counter[tuple[str, str]] = collections.Counter()
        self._outcomes: collections.Counter[tuple[str, str, str, str, str]] = collections.Counter()

    async def look(self) -> None:
        """Ask the database, unless somebody just has. Without it the last figures are withdrawn."""
        async with self._looking:
            if self._database is None or time.monotonic() < self._fresh_until:
                return
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
                            told_after=self._told_through.get(number),
                            now=self._clock.now(),
                        )
            except (psycopg.Error, CaudalError) as error:
                _log.warning("books_not_measured", reason=type(error).__name__)
                self._found = {}
                return
            for number, one in found.items():
                self._count(number, one)
            self._found, self._names = found, names
            self._fresh_until = time.monotonic() + self._fresh_s

    def _count(self, book: str, found: Figures) -> None:
        self._told_through[book] = found.told_through
        for told in found.told:
            self._told[book, told.type] += told.count
            if told.type in _ENDINGS:
                state = told.type.removeprefix("payment.")
                key = (book, told.kind or "", told.partner or "", state, told.failure or "")
                self._outcomes[key] += told.count

    def collect(self) -> Iterator[Metric]:
        """The figures of the last `look`."""
        info = GaugeMetricFamily(
            "caudal_book_info", "1, of each book: its number, as other labels have it, and its name.",
            labels=["book", "name"],
        )  # fmt: skip
        for book, name in self._names.items():
            info.add_metric([book, name], 1.0)
        yield info
        yield from self._jobs()
        yield from self._payments()
        yield self._routed()
        yield from self._objectives()

    def _jobs(self) -> Iterator[Metric]:
        count = GaugeMetricFamily(
            "caudal_jobs_waiting", "Unfinished and dead jobs.", labels=["book", "queue", "state"]
        )
        age = GaugeMetricFamily(
            "caudal_jobs_oldest_age_seconds",
            "How long ago the first of them should have begun; below 0: when it will.",
            labels=["book", "queue", "state"],
        )
        for book, found in self._found.items():
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
        for book, found in self._found.items():
            for state, number in found.open_payments.items():
                opened.add_metric([book, state], number)
            for one in found.unsettled:
                count.add_metric([book, one.partner, one.state], one.count)
                age.add_metric([book, one.partner, one.state], (found.at - one.oldest).total_seconds())
        outcomes = CounterMetricFamily(
            "caudal_payment_outcomes",
            "Payments by how they ended, since this process was first asked.",
            labels=["book", "kind", "partner", "state", "failure"],
        )
        for key, number in list(self._outcomes.items()):
            outcomes.add_metric(list(key), number)
        told = CounterMetricFamily(
            "caudal_events_told",
            "Events by type (refunds, disputes, reviews, endpoints, …), since this process was first asked.",
            labels=["book", "type"],
        )
        for (book, type_), number in list(self._told.items()):
            told.add_metric([book, type_], number)
        yield from (opened, count, age, outcomes, told)

    def _routed(self) -> Metric:
        attempts = CounterMetricFamily(
            "caudal_routed_attempts",
            "First calls for payments, by the rule that chose the partner ('': none) and by what came of "
            "them, of the present day; at midnight UTC it begins anew.",
            labels=["book", "rule", "partner", "outcome"],
        )
        for book, found in self._found.items():
            sums: collections.Counter[tuple[str, str, str]] = collections.Counter()
            for one in found.routed:
                for outcome, count in one.counts.items():
                    sums[one.lane.rule, one.lane.partner, outcome.value] += count
            for key, count in sums.items():
                attempts.add_metric([book, *key], count)
        return attempts

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
        for book, found in self._found.items():
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
