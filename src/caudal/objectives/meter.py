"""Counts of requests: kept in memory while they are served, and added to the database every few seconds.

Several processes add to the same rows. What a process has counted since it last did so is lost with it;
where the answer to a COMMIT is lost it may be added twice. Both are far below what a promise is about.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Final

import structlog

from caudal.access import DEPLOYMENT
from caudal.objectives import rules, store
from caudal.objectives.store import Addition
from caudal.objectives.types import Counts, Indicator, Measure
from caudal_base.clock import Clock
from caudal_base.database import Database

MAX_KEPT: Final = 20_000
"""Counts that are kept while the database is away: of minutes, books and measures."""

_MINUTE: Final = dt.timedelta(minutes=1)
_HOUR: Final = dt.timedelta(hours=1)

_ACCEPTED: Final = Measure(Indicator.PAYMENTS_ACCEPTED, 0)
_READ: Final = Measure(Indicator.LEDGER_READS, 0)
_LATE: Final = tuple(
    rules.measure_of(one) for one in rules.DEFAULTS if one.indicator is Indicator.ACCEPT_LATENCY
)

_log = structlog.get_logger("caudal.objectives")

Key = tuple[int, int, Measure]
"""Book, minute since 1970, measure."""


class Meter:
    """Counts for one process. Belongs to one event loop."""

    def __init__(self, clock: Clock) -> None:
        """Nothing counted yet; until the first `flush` all books have the defaults."""
        self._clock = clock
        self._counts: dict[Key, list[int]] = {}
        self._late: dict[int, tuple[Measure, ...]] = {}
        self.dropped = 0
        """Counts that were given up since the database was away for too long."""

    def accepted(self, book_id: int, status: int, seconds: float) -> None:
        """A request for a payment was answered with `status` after `seconds`."""
        minute = self._minute()
        self._count(book_id, minute, _ACCEPTED, bad=status >= 500)
        if status < 300:
            for measure in self._late.get(book_id, _LATE):
                self._count(book_id, minute, measure, bad=seconds * 1000 > measure.within_ms)

    def read(self, book_id: int, status: int, _: float) -> None:
        """A read of the ledger was answered with `status`."""
        self._count(book_id, self._minute(), _READ, bad=status >= 500)

    async def flush(self, database: Database) -> None:
        """Add what was counted to the database's counts, and learn what books want counted.

        Raises what the database does; what could not be written is kept for the next time.
        """
        while self._counts:
            book_id = next(iter(self._counts))[0]
            keys = [key for key in self._counts if key[0] == book_id]
            taken = {key: self._counts.pop(key) for key in keys}
            try:
                async with database.transaction() as connection:
                    await store.add(connection, book_id, _additions(taken))
                    versions = await store.latest(connection, book_id)
            except BaseException:
                self._put_back(taken)
                raise
            wanted = rules.current([version.objective for version in versions])
            self._late[book_id] = tuple(
                {
                    rules.measure_of(one)
                    for one in wanted
                    if one.enabled and one.indicator is Indicator.ACCEPT_LATENCY
                }
            )

    def _minute(self) -> int:
        return int(self._clock.now().timestamp() // 60)

    def _count(self, book_id: int, minute: int, measure: Measure, *, bad: bool) -> None:
        if book_id == DEPLOYMENT and not bad:
            return  # whoever has no key may knock as often as he likes: that dilutes no failure
        key = (book_id, minute, measure)
        counted = self._counts.get(key)
        if counted is None:
            counted = self._counts[key] = [0, 0]
        counted[0] += 1
        counted[1] += bad

    def _put_back(self, taken: Mapping[Key, list[int]]) -> None:
        for key, (total, bad) in taken.items():
            kept = self._counts.setdefault(key, [0, 0])
            kept[0] += total
            kept[1] += bad
        too_many = sorted(self._counts, key=lambda key: key[1])[: max(0, len(self._counts) - MAX_KEPT)]
        for key in too_many:
            self.dropped += self._counts.pop(key)[0]
        if too_many:
            _log.warning("objective_counts_dropped", count=len(too_many))


def _additions(taken: Mapping[Key, list[int]]) -> list[Addition]:
    """What was counted by minute, as rows of minutes and of hours."""
    by_minute = {
        (dt.datetime.fromtimestamp(minute * 60, dt.UTC), measure): Counts(total, bad)
        for (_, minute, measure), (total, bad) in taken.items()
    }
    return rows_of(by_minute)


def rows_of(by_minute: Mapping[tuple[dt.datetime, Measure], Counts]) -> list[Addition]:
    """Counts by minute as the rows that they are added to: of each minute, and of its hour."""
    by_hour: dict[tuple[dt.datetime, Measure], Counts] = {}
    for (minute, measure), counts in by_minute.items():
        key = (rules.floor(minute, _HOUR), measure)
        before = by_hour.get(key, Counts(0, 0))
        by_hour[key] = Counts(before.total + counts.total, before.bad + counts.bad)
    return [
        Addition(span, starts_at, measure, counts)
        for span, rows in (("minute", by_minute), ("hour", by_hour))
        for (starts_at, measure), counts in rows.items()
    ]
