"""The job of objectives: each minute and in each book it counts what other rooms have done, evaluates every
objective, and tells of alerts that open and end: as events, in the transaction in which they do.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
import structlog

from caudal import events, jobs
from caudal.access import DEPLOYMENT
from caudal.events import NewEvent
from caudal.ledger import Ledger
from caudal.objectives import rules, service, store, store_measuring
from caudal.objectives.meter import rows_of
from caudal.objectives.types import (
    Counts,
    Indicator,
    Measure,
    Objective,
    Standing,
    Version,
    Watched,
)
from caudal.objectives.views import ObjectiveView, objective_view
from caudal_base.clock import Clock
from caudal_base.database import Connection
from caudal_base.ids import IdSource

WATCH: Final = "objectives.watch"
FORGET: Final = "objectives.forget"
"""Of what belongs to no book; what does is seen to by its own job."""

BURNING: Final = "objective.burning"
RECOVERED: Final = "objective.recovered"

MAX_CATCH_UP: Final = dt.timedelta(hours=1)
"""What one run counts at most of what other rooms have done: after a day without a worker the next ones
catch up."""

_EVERY: Final = dt.timedelta(minutes=1)
_MINUTE: Final = dt.timedelta(minutes=1)
_HOUR: Final = dt.timedelta(hours=1)
_KEEP_MINUTES: Final = rules.BY_MINUTES + _HOUR
_KEEP_HOURS: Final = dt.timedelta(days=rules.DAYS[-1] + 1)
_OF_REQUESTS: Final = frozenset(
    {Indicator.PAYMENTS_ACCEPTED, Indicator.ACCEPT_LATENCY, Indicator.LEDGER_READS}
)
"""What the API counts by itself."""

_log = structlog.get_logger("caudal.objectives")


Sums = Mapping[tuple[str, Measure], Counts]
"""What was counted, by window and measure."""


class Nothing(msgspec.Struct, frozen=True):
    """The payload of a job that its kind and book say all about."""


PERIODICS: Final = (
    jobs.Periodic(name=WATCH, kind=WATCH, every=_EVERY, payload=Nothing()),
    jobs.Periodic(name=FORGET, kind=FORGET, every=_HOUR, payload=Nothing(), per_book=False),
)


def handlers(ledger: Ledger, clock: Clock, new_ids: IdSource) -> list[jobs.AnyHandler]:
    """What each kind of job does."""

    async def watch(work: jobs.Work[Nothing]) -> None:
        now = work.clock.now()
        # On its own: what belongs to no book need not be where the book is.
        async with work.database.connection() as connection:
            versions = await service.current_versions(connection, work.book_id)
            windows = _windows([one.objective for one in versions], now)
            of_none = await store.sums(connection, DEPLOYMENT, windows)
        async with work.database.transaction() as connection:
            await measure(connection, work.book_id, now=now)
            changed = await evaluate(
                connection, work.book_id, of_none, ledger=ledger, new_ids=new_ids, now=now
            )
            await forget(connection, work.book_id, now)
            await work.finish(connection, {job.id: jobs.DONE for job in work.jobs})
        for one in changed:
            _log.warning(
                "objective_alert",
                book_id=work.book_id,
                objective=one.version.objective.name,
                severity=one.severity.value if one.severity else None,
            )

    async def forget_unbound(connection: Connection, work: Sequence[jobs.Job[Nothing]]) -> list[jobs.Outcome]:
        await forget(connection, DEPLOYMENT, clock.now())
        return [jobs.DONE for _ in work]

    return [
        jobs.Handler(WATCH, Nothing, watch, max_batch=1, on_dead=jobs.OnDead.SKIP),
        jobs.Handler(FORGET, Nothing, jobs.in_transaction(forget_unbound), on_dead=jobs.OnDead.SKIP),
    ]


async def forget(connection: Connection, book_id: int, now: dt.datetime) -> None:
    await store.forget(connection, book_id, span="minute", before=now - _KEEP_MINUTES)
    await store.forget(connection, book_id, span="hour", before=now - _KEEP_HOURS)


async def measure(connection: Connection, book_id: int, *, now: dt.datetime) -> None:
    """Count what other rooms have done since the last time, to the last full minute before `now`."""
    wanted = {
        rules.measure_of(one.objective)
        for one in await service.current_versions(connection, book_id)
        if one.objective.enabled and one.objective.indicator not in _OF_REQUESTS
    }
    until = rules.floor(now, _MINUTE)
    come = await store_measuring.through(connection, book_id)
    found: dict[tuple[dt.datetime, Measure], Counts] = {}
    reached: dict[Measure, dt.datetime] = {}
    for each in sorted(wanted, key=lambda one: (one.indicator.value, one.within_ms)):
        since = come.get(each)
        if since is None:
            reached[each] = until  # what was before nobody had promised anything about
            continue
        if since >= until:
            continue
        reached[each] = min(until, since + MAX_CATCH_UP)
        counted = await _count(connection, book_id, each, since, reached[each])
        found |= {(minute, each): counts for minute, counts in counted.items()}
    await store.add(connection, book_id, rows_of(found))
    await store_measuring.advance(connection, book_id, reached)


async def _count(
    connection: Connection, book_id: int, measure: Measure, since: dt.datetime, until: dt.datetime
) -> Mapping[dt.datetime, Counts]:
    """What of a measure had its time run out from `since` to before `until`, by minute."""
    within = dt.timedelta(milliseconds=measure.within_ms)
    if measure.indicator is Indicator.ATTEMPT_KNOWN:
        # How it was in the minutes between nobody can tell: the last one is counted.
        unknown = await store_measuring.attempt_unknown(connection, book_id, before=until - within)
        return {until - _MINUTE: Counts(1, int(unknown))}
    if measure.indicator is Indicator.WEBHOOK_IN_APPLIED:
        return await store_measuring.webhooks_applied(
            connection, book_id, within, since=since - within, until=until - within
        )
    after = await events.seq_before(connection, book_id, since - within)
    through = await events.seq_before(connection, book_id, until - within)
    if through <= after:
        return {}
    if measure.indicator is Indicator.PAYMENT_ENDS:
        return await store_measuring.payments_ended(connection, book_id, within, after=after, through=through)
    return await store_measuring.webhooks_delivered(
        connection, book_id, within, after=after, through=through, since=since - within
    )


async def evaluate(
    connection: Connection,
    book_id: int,
    of_none: Sums,
    *,
    ledger: Ledger,
    new_ids: IdSource,
    now: dt.datetime,
) -> list[Watched]:
    """Evaluate every objective of a book that is watched, and tell of alerts that changed; those that did.

    `of_none` was counted where no book was known: it counts for every book.
    """
    everything = await service.current_versions(connection, book_id)
    versions = [one for one in everything if one.objective.enabled]
    before = await store.standings(connection, book_id)
    windows = _windows([one.objective for one in versions], now)
    of_book = await store.sums(connection, book_id, windows)
    after: dict[str, Standing] = {}
    changed: list[Watched] = []
    for one in versions:
        objective, measured = one.objective, rules.measure_of(one.objective)
        extra = of_none if measured.indicator in _OF_REQUESTS else {}
        (whole,) = rules.sums(of_book, extra, measured, [_whole(objective.window_days)]).values()
        counted = rules.sums(of_book, extra, measured, list(rules.WINDOWS))
        known = before.get(objective.name)
        standing = rules.evaluated(objective, counted, whole, known, now)
        after[objective.name] = standing
        if standing.severity is not (None if known is None else known.severity):
            changed.append(_watched(book_id, one, standing))
    ended = _ended(book_id, before, after, everything, now)
    await store.stand(connection, book_id, after)
    await _tell(connection, book_id, [*changed, *ended], ledger=ledger, new_ids=new_ids, now=now)
    return [*changed, *ended]


def _windows(objectives: Sequence[Objective], now: dt.datetime) -> list[tuple[str, str, dt.datetime]]:
    """The windows to be summed: how they are called, from which spans, and since when."""
    found = {
        name: ("minute", _MINUTE, size) if size <= rules.BY_MINUTES else ("hour", _HOUR, size)
        for name, size in rules.WINDOWS.items()
    }
    for days in {one.window_days for one in objectives}:
        found[_whole(days)] = ("hour", _HOUR, dt.timedelta(days=days))
    return [(name, span, rules.floor(now - size, step)) for name, (span, step, size) in found.items()]


def _whole(days: int) -> str:
    """How the window of an objective is called, apart from those of the rules."""
    return f"whole {days}d"


def _ended(
    book_id: int,
    before: Mapping[str, Standing],
    after: Mapping[str, Standing],
    versions: Sequence[Version],
    now: dt.datetime,
) -> list[Watched]:
    """The objectives with an open alert that are not watched any more: it ends."""
    by_name = {one.objective.name: one for one in versions}
    return [
        _watched(
            book_id,
            by_name[name],
            msgspec.structs.replace(standing, severity=None, since=None, demanded_at=None, evaluated_at=now),
        )
        for name, standing in before.items()
        if standing.severity is not None and name not in after and name in by_name
    ]


def _watched(book_id: int, version: Version, standing: Standing) -> Watched:
    id = service.external_id(book_id, version.objective.name)
    return Watched(id=id, version=version, standing=standing)


async def _tell(
    connection: Connection,
    book_id: int,
    changed: Sequence[Watched],
    *,
    ledger: Ledger,
    new_ids: IdSource,
    now: dt.datetime,
) -> None:
    if not changed:
        return
    async with connection.pipeline():
        book = await (await ledger.begin(connection, book_id, ())).finish()
    told = [event_of(objective_view(one), max(now, book.recorded_at)) for one in changed]
    await events.append(connection, book_id, told, new_ids)


def event_of(view: ObjectiveView, at: dt.datetime) -> NewEvent:
    """What is told of an objective whose alert has changed."""
    burning = view.standing is not None and view.standing.severity is not None
    return NewEvent(
        type=BURNING if burning else RECOVERED,
        object_type="objective",
        object_id=view.id,
        at=at,
        data=view,
    )
