"""Decisions of the past as rules are tried on them, and as figures of rules are counted over them.

Nothing here opens a transaction: each page is a statement of its own, and what is decided never changes.
"""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Final

from caudal import features, rules
from caudal.risk import deciding
from caudal.risk.labels import Matured, matured
from caudal.rules import (
    Backtest,
    Outcome,
    Past,
    RuleBacktest,
    RulePeriod,
    RuleSet,
    RuleSubject,
    Stats,
    StatsPeriod,
)
from caudal_base.database import Connection
from caudal_base.errors import InvalidRequest

AT_ONCE: Final = 250
"""Decisions that are gone through before others of the process get their turn: some milliseconds."""

LONGEST: Final = dt.timedelta(days=rules.MAX_DAYS)

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
) -> AsyncIterator[Past]:
    """Decisions of a span in the order in which they were made, with what is known of each by `now`.

    Raises `InvalidRequest` for a span that is none, or longer than `LONGEST`.
    """
    if not made_from < made_before <= made_from + LONGEST:
        raise InvalidRequest(f"a span of up to {LONGEST.days} days", field="made_before")
    # Ids begin with the milliseconds since then.
    made_from, made_before = max(made_from, _EPOCH), max(made_before, _EPOCH)
    async for one, names in each_matured(
        connection, book_id, made_from=made_from, made_before=made_before, now=now
    ):
        yield past_of(one, names)


async def each_matured(
    connection: Connection, book_id: int, *, made_from: dt.datetime, made_before: dt.datetime,
    now: dt.datetime,
) -> AsyncIterator[tuple[Matured, Mapping[int, tuple[str, ...]]]]:  # fmt: skip
    """Decisions of a span as they are kept, each with the names of the features of its set."""
    names: dict[int, tuple[str, ...]] = {0: ()}
    after = None
    while True:
        page = await matured(
            connection, book_id, made_from=made_from, made_before=made_before, now=now, after=after,
            limit=AT_ONCE,
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
    )


async def backtest(
    connection: Connection, book_id: int, rule_set: RuleSet, *, made_from: dt.datetime,
    made_before: dt.datetime, now: dt.datetime, most: int | None = None, report: Report | None = None,
) -> tuple[RuleBacktest, bool]:  # fmt: skip
    """What rules would have done in a span, and whether that is all of it: `most` bounds the decisions.

    The oldest are looked at first. Raises as `past_decisions` does.
    """
    trial = Backtest(rule_set)
    count = 0
    async for past in past_decisions(
        connection, book_id, made_from=made_from, made_before=made_before, now=now
    ):
        if count == most:
            return trial.result(), False
        trial.take(past)
        count += 1
        if report is not None and count % AT_ONCE == 0:
            report(count)
    return trial.result(), True


async def rule_stats(
    connection: Connection, book_id: int, period: StatsPeriod, *, made_from: dt.datetime,
    made_before: dt.datetime, now: dt.datetime, report: Report | None = None,
) -> list[RulePeriod]:  # fmt: skip
    """How the rules that were published have done in a span. Raises as `past_decisions` does."""
    names: dict[int, frozenset[str]] = {0: frozenset()}
    stats = Stats(period, names)
    count = 0
    async for past in past_decisions(
        connection, book_id, made_from=made_from, made_before=made_before, now=now
    ):
        if past.rule_set not in names:
            version = await rules.get_version(connection, book_id, past.rule_set)
            names[past.rule_set] = frozenset(rule.name for rule in version.rules.rules)
        stats.take(past)
        count += 1
        if report is not None and count % AT_ONCE == 0:
            report(count)
    return stats.result()
