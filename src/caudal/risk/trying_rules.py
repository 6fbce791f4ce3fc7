"""Decisions of the past as rules are tried on them, and as figures of rules are counted over them.

Nothing here opens a transaction: each page is a statement of its own, and what is decided never changes.
"""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import Final, NamedTuple

from caudal import features, rules
from caudal.risk import deciding
from caudal.risk.decision_types import SubjectOf
from caudal.risk.labels import LabelDelays, Matured, delays_of, is_bad, label_delays, matured
from caudal.rules import (
    Backtest,
    Outcome,
    Past,
    RuleBacktest,
    RuleBacktestMaturedView,
    RuleBacktestView,
    RuleSet,
    RuleStatsMaturedView,
    RuleStatsView,
    RuleSubject,
    Stats,
    StatsPeriod,
)
from caudal_base.database import Connection
from caudal_base.errors import InvalidRequest

AT_ONCE: Final = 250
"""Decisions that are gone through before others of the process get their turn: some milliseconds."""

LONGEST: Final = dt.timedelta(days=rules.MAX_DAYS)

_DELAYS: Final = LabelDelays()
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

Report = Callable[[int], None]
"""Told how many decisions have been gone through."""


async def past_decisions(
    connection: Connection,
    book_id: int,
    *,
    made_from: dt.datetime,
    made_before: dt.datetime,
    now: dt.datetime,
    delays: LabelDelays = _DELAYS,
    on: RuleSubject | None = None,
) -> AsyncIterator[Past]:
    """Decisions of a span in the order in which they were made, with what is known of each by `now`.

    `delays` are how old they are when their ends are known; `on` leaves out those on something else.

    Raises `InvalidRequest` for a span that is none, or longer than `LONGEST`.
    """
    if not made_from < made_before <= made_from + LONGEST:
        raise InvalidRequest(f"a span of up to {LONGEST.days} days", field="made_before")
    # Ids begin with the milliseconds since then.
    made_from, made_before = max(made_from, _EPOCH), max(made_before, _EPOCH)
    async for one, names in each_matured(
        connection, book_id, made_from=made_from, made_before=made_before, now=now, delays=delays,
        of=None if on is None else SubjectOf(on.value),
    ):  # fmt: skip
        yield past_of(one, names)


async def each_matured(
    connection: Connection, book_id: int, *, made_from: dt.datetime, made_before: dt.datetime,
    now: dt.datetime, delays: LabelDelays = _DELAYS, of: SubjectOf | None = None,
) -> AsyncIterator[tuple[Matured, Mapping[int, tuple[str, ...]]]]:  # fmt: skip
    """Decisions of a span as they are kept, each with the names of the features of its set."""
    names: dict[int, tuple[str, ...]] = {0: ()}
    after = None
    while True:
        page = await matured(
            connection, book_id, made_from=made_from, made_before=made_before, now=now, after=after,
            limit=AT_ONCE, delays=delays, of=of,
        )  # fmt: skip
        for one in page:
            version = one.record.served.feature_set
            if version not in names:
                found = await features.get_version(connection, book_id, version)
                names[version] = tuple(
                    deciding.FEATURES + feature.name for feature in found.declared.features
                )
            yield one, names
        if len(page) < AT_ONCE:
            return
        after = page[-1].record.id


def past_of(one: Matured, names: Mapping[int, tuple[str, ...]]) -> Past:
    """A decision as rules see it; `names` are those of the features of each set."""
    record, served = one.record, one.record.served
    # A decision that failed half-way kept no features.
    row = deciding.row_of(served, names[served.feature_set] if served.features else ())
    row[deciding.SCORE] = record.decided.score
    met = served.met
    lists = Outcome.REVIEW if met.watched else Outcome.APPROVE
    amount, currency = served.facts.get("payment.amount"), served.facts.get("payment.currency")
    spared = bool(met.allowed) and served.fallback is not None
    return Past(
        id=record.id,
        at=served.at,
        on=RuleSubject(record.of.value),
        row=row,
        amount=amount if isinstance(amount, int) else 0,
        currency=currency if isinstance(currency, str) else "",
        outcome=record.decided.outcome,
        lists=Outcome.DECLINE if met.blocked or met.breached else lists,
        model=Outcome.APPROVE if spared else record.model_wants,
        allowed=bool(met.allowed),
        authenticates=served.authenticates,
        fired=record.fired,
        missing=record.missing,
        snoozed=record.snoozed,
        rule_set=served.rule_set,
        bad=one.bad,
        reported=one.early and one.kind is not None and is_bad(one.kind),
        unknown=not one.early and one.bad is None,
    )


async def backtest(
    connection: Connection, book_id: int, rule_set: RuleSet, *, made_from: dt.datetime,
    made_before: dt.datetime, now: dt.datetime, label_after_days: int | None = None, most: int | None = None,
    report: Report | None = None,
) -> RuleBacktestView:  # fmt: skip
    """What rules would have done in a span, and how they do where that can be known.

    Where decisions of the span are too young for their ends to be known, the rules are tried on those of the
    last span of the same length that are not: `label_after_days` are the book's own by default. `most` bounds
    the decisions of each span, and the oldest are looked at first. Raises as `past_decisions` does.
    """
    delays = await _delays(connection, book_id, label_after_days)

    async def tried(
        on: RuleSubject | None, made_from: dt.datetime, made_before: dt.datetime
    ) -> tuple[RuleBacktest, bool]:
        trial, count = Backtest(rule_set), 0
        each = past_decisions(
            connection, book_id, made_from=made_from, made_before=made_before, now=now, delays=delays, on=on
        )
        async for past in _reported(each, report):
            if count == most:
                return trial.result(), False
            trial.take(past)
            count += 1
        return trial.result(), True

    made, complete = await tried(None, made_from, made_before)
    matured = []
    names = {on: {rule.name for rule in rule_set.rules if rule.on is on} for on in RuleSubject}
    for span in _matured_spans([on for on in names if names[on]], made_from, made_before, now, delays):
        judged, all_of_it = await tried(span.on, span.made_from, span.made_before)
        matured.append(
            RuleBacktestMaturedView(
                on=span.on, label_after_days=span.label_after_days, made_from=span.made_from,
                made_before=span.made_before, decisions=judged.decisions, complete=all_of_it,
                rules=tuple(one for one in judged.rules if one.rule in names[span.on]),
            )
        )  # fmt: skip
    return rules.backtest_view(made, made_from, made_before, complete=complete, matured=tuple(matured))


async def rule_stats(
    connection: Connection, book_id: int, period: StatsPeriod, *, made_from: dt.datetime,
    made_before: dt.datetime, now: dt.datetime, label_after_days: int | None = None,
    report: Report | None = None,
) -> RuleStatsView:  # fmt: skip
    """How the rules that were published have done in a span, and where that can be known: see `backtest`.

    Raises as `past_decisions` does.
    """
    delays = await _delays(connection, book_id, label_after_days)
    names: dict[int, dict[str, RuleSubject]] = {0: {}}

    async def counted(on: RuleSubject | None, made_from: dt.datetime, made_before: dt.datetime) -> Stats:
        stats = Stats(period, names)
        each = past_decisions(
            connection, book_id, made_from=made_from, made_before=made_before, now=now, delays=delays, on=on
        )
        async for past in _reported(each, report):
            if past.rule_set not in names:
                version = await rules.get_version(connection, book_id, past.rule_set)
                names[past.rule_set] = {rule.name: rule.on for rule in version.rules.rules}
            stats.take(past)
        return stats

    stats = await counted(None, made_from, made_before)
    matured = []
    for span in _matured_spans(stats.kinds, made_from, made_before, now, delays):
        judged = await counted(span.on, span.made_from, span.made_before)
        matured.append(
            RuleStatsMaturedView(
                on=span.on, label_after_days=span.label_after_days, made_from=span.made_from,
                made_before=span.made_before, data=tuple(judged.result()),
            )
        )  # fmt: skip
    return RuleStatsView(
        made_from=made_from, made_before=made_before, by=period, data=tuple(stats.result()),
        matured=tuple(matured),
    )  # fmt: skip


class _MaturedSpan(NamedTuple):
    """Decisions that rules are judged by."""

    on: RuleSubject
    label_after_days: int
    made_from: dt.datetime
    made_before: dt.datetime


async def _delays(connection: Connection, book_id: int, label_after_days: int | None) -> LabelDelays:
    if label_after_days is None:
        return await label_delays(connection, book_id)
    return delays_of(label_after_days)


def _matured_spans(
    kinds: Iterable[RuleSubject], made_from: dt.datetime, made_before: dt.datetime, now: dt.datetime,
    delays: LabelDelays,
) -> list[_MaturedSpan]:  # fmt: skip
    """The last spans of the same length that are old enough; none where the span itself is."""
    found = []
    for on in kinds:
        delay = delays.after(SubjectOf(on.value))
        end = now - delay
        if end < made_before:
            found.append(_MaturedSpan(on, delay.days, end - (made_before - made_from), end))
    return found


async def _reported(each: AsyncIterator[Past], report: Report | None) -> AsyncIterator[Past]:
    count = 0
    async for past in each:
        yield past
        count += 1
        if report is not None and count % AT_ONCE == 0:
            report(count)
