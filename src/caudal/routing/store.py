"""The SQL of routing: rule sets and their publications, what is known of partners, and figures."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from caudal.routing.types import (
    Attempted,
    Cost,
    Drain,
    Figures,
    Lane,
    Outage,
    Outcome,
    PartnerClock,
    Rules,
    Version,
)
from caudal_base import arrays
from caudal_base.database import Connection
from caudal_base.publications import Publications
from caudal_base.statements import Statement

# Under the book's lock, so that versions and publications have no gaps and no twins.
_INSERT: Final = """
insert into routing.rule_set (book_id, version, rules, created_at, created_by)
select %(book_id)s,
       coalesce((select max(version) from routing.rule_set where book_id = %(book_id)s), 0) + 1,
       %(rules)s::json, %(at)s, %(by)s
returning version
"""


_VERSIONS: Final = """
select r.version, r.rules::text, r.created_at, r.created_by, p.published_at, p.published_by
  from routing.rule_set r
  left join lateral (
        select published_at, published_by
          from routing.publication
         where book_id = %(book_id)s
           and version = r.version
         order by number desc
         limit 1
       ) p on true
 where r.book_id = %(book_id)s
   and r.version = any(%(versions)s)
"""


STANDING: Final = """
select 'current' as what, p.version::text, null::text, null::timestamptz, null::timestamptz
  from (select version
          from routing.publication
         where book_id = %(book_id)s
         order by number desc
         limit 1) p
union all
select 'outage', partner, reason, since, until
  from routing.outage
 where book_id = %(book_id)s
union all
select 'drain', partner, reason, since, null
  from routing.drain
 where book_id = %(book_id)s
"""

_DRAINS: Final = """
select partner, reason, since, drained_by
  from routing.drain
 where book_id = %(book_id)s
"""

_DRAIN: Final = """
insert into routing.drain (book_id, partner, reason, since, drained_by)
values (%(book_id)s, %(partner)s, %(reason)s, %(at)s, %(by)s)
    on conflict (book_id, partner) do update set reason = excluded.reason
"""

_RESUME: Final = """
delete from routing.drain
 where book_id = %(book_id)s
   and partner = %(partner)s
"""

# What lasts longer counts; a later outage begins where the one before had ended.
_DOWN: Final = """
insert into routing.outage as o (book_id, partner, reason, since, until)
select %(book_id)s, n.partner, n.reason, n.since, n.until
  from unnest(%(partners)s, %(reasons)s, %(sinces)s, %(untils)s) as n(partner, reason, since, until)
    on conflict (book_id, partner)
    do update set reason = excluded.reason,
                  until = greatest(o.until, excluded.until)
"""

_UP: Final = """
delete from routing.outage
 where book_id = %(book_id)s
   and partner = any(%(partners)s)
"""

_ATTEMPTED: Final = """
insert into routing.attempted as a (book_id, day, rule, partner, currency, method, outcome, count, amount)
select %(book_id)s, %(day)s, n.rule, n.partner, n.currency, n.method, n.outcome, n.count, n.amount
  from unnest(%(rules)s, %(partners)s, %(currencies)s, %(methods)s, %(outcomes)s, %(counts)s, %(amounts)s)
       as n(rule, partner, currency, method, outcome, count, amount)
    on conflict (book_id, day, rule, partner, currency, method, outcome)
    do update set count = a.count + excluded.count,
                  amount = a.amount + excluded.amount
"""

_COST: Final = """
insert into routing.cost as c (book_id, day, rule, partner, currency, method, count, amount)
select %(book_id)s, %(day)s, n.rule, n.partner, n.currency, n.method, n.count, n.amount
  from unnest(%(rules)s, %(partners)s, %(currencies)s, %(methods)s, %(counts)s, %(amounts)s)
       as n(rule, partner, currency, method, count, amount)
    on conflict (book_id, day, rule, partner, currency, method)
    do update set count = c.count + excluded.count,
                  amount = c.amount + excluded.amount
"""

_FIGURES: Final = """
select rule, partner, currency, method, outcome, sum(count), sum(amount)
  from routing.attempted
 where book_id = %(book_id)s
   and day >= %(since)s
   and day <= %(through)s
 group by rule, partner, currency, method, outcome
union all
select rule, partner, currency, method, 'cost', sum(count), sum(amount)
  from routing.cost
 where book_id = %(book_id)s
   and day >= %(since)s
   and day <= %(through)s
 group by rule, partner, currency, method
 limit %(limit)s
"""

# What was measured last counts, whichever worker did.
_CLOCKS: Final = """
insert into routing.clock as c (book_id, partner, ahead_ms, measured_at)
select %(book_id)s, n.partner, n.ahead_ms, n.measured_at
  from unnest(%(partners)s, %(aheads)s, %(times)s) as n(partner, ahead_ms, measured_at)
 order by n.partner
    on conflict (book_id, partner)
    do update set ahead_ms = excluded.ahead_ms,
                  measured_at = excluded.measured_at
 where c.measured_at < excluded.measured_at
"""

MAX_ROWS: Final = 20_000
"""Of figures in one answer: far more lanes than there are rules and partners."""

_RULES: Final = msgspec.json.Decoder(Rules)


_PUBLICATIONS: Final = Publications("routing")
publish, latest, current = _PUBLICATIONS.publish, _PUBLICATIONS.latest, _PUBLICATIONS.current


async def insert(connection: Connection, book_id: int, rules: Rules, at: dt.datetime, by: str) -> int:
    """Keep rules as the next version, whose number is returned."""
    written = msgspec.json.encode(rules).decode()
    cursor = await connection.execute(_INSERT, {"book_id": book_id, "rules": written, "at": at, "by": by})
    ((version,),) = await cursor.fetchall()
    return int(version)


async def versions(connection: Connection, book_id: int, wanted: Sequence[int]) -> list[Version]:
    """Those of `wanted` that exist, the newest first."""
    cursor = await connection.execute(_VERSIONS, {"book_id": book_id, "versions": arrays.integers(wanted)})
    found = [
        Version(
            version=row[0], rules=_RULES.decode(row[1]), created_at=row[2], created_by=row[3],
            published_at=row[4], published_by=row[5],
        )
        for row in await cursor.fetchall()
    ]  # fmt: skip
    return sorted(found, key=lambda each: -each.version)


async def standing(
    connection: Connection, book_id: int
) -> tuple[int | None, dict[str, Outage], frozenset[str]]:
    """The current version, the outages and the partners that are being drained: one statement."""
    cursor = await connection.execute(STANDING, {"book_id": book_id})
    version: int | None = None
    outages: dict[str, Outage] = {}
    drained = set()
    for what, name, reason, since, until in await cursor.fetchall():
        if what == "current":
            version = int(name)
        elif what == "outage":
            outages[name] = Outage(partner=name, reason=reason, since=since, until=until)
        else:
            drained.add(name)
    return version, outages, frozenset(drained)


async def drains(connection: Connection, book_id: int) -> dict[str, Drain]:
    """The partners that are being drained."""
    cursor = await connection.execute(_DRAINS, {"book_id": book_id})
    return {
        row[0]: Drain(partner=row[0], reason=row[1], since=row[2], by=row[3])
        for row in await cursor.fetchall()
    }


async def drain(connection: Connection, book_id: int, drained: Drain) -> None:
    """Begin to drain a partner; of one that is drained already, the reason is changed."""
    await connection.execute(
        _DRAIN,
        {
            "book_id": book_id, "partner": drained.partner, "reason": drained.reason, "at": drained.since,
            "by": drained.by,
        },
    )  # fmt: skip


async def resume(connection: Connection, book_id: int, partner: str) -> bool:
    """End a drain; whether there was one."""
    cursor = await connection.execute(_RESUME, {"book_id": book_id, "partner": partner})
    return cursor.rowcount > 0


async def note_clocks(connection: Connection, book_id: int, clocks: Sequence[PartnerClock]) -> None:
    """Note how partners' clocks stand."""
    if clocks:
        await connection.execute(
            _CLOCKS,
            {
                "book_id": book_id,
                "partners": arrays.texts([one.partner for one in clocks]),
                "aheads": arrays.integers([one.ahead_ms for one in clocks]),
                "times": arrays.timestamps([one.measured_at for one in clocks]),
            },
        )


def down(book_id: int, outages: Sequence[Outage]) -> Statement:
    """The statement that notes outages; each partner once."""
    return Statement(
        _DOWN,
        {
            "book_id": book_id,
            "partners": arrays.texts([each.partner for each in outages]),
            "reasons": arrays.texts([each.reason for each in outages]),
            "sinces": arrays.timestamps([each.since for each in outages]),
            "untils": arrays.timestamps([each.until for each in outages]),
        },
    )


def up(book_id: int, partners: Sequence[str]) -> Statement:
    """The statement that ends outages."""
    return Statement(_UP, {"book_id": book_id, "partners": arrays.texts(partners)})


def attempted(book_id: int, day: dt.date, ended: Iterable[Attempted]) -> Statement:
    """The statement that adds attempts to the figures of a day."""
    sums: defaultdict[tuple[Lane, Outcome], list[int]] = defaultdict(lambda: [0, 0])
    for each in ended:
        counted = sums[each.lane, each.outcome]
        counted[0] += 1
        counted[1] += each.amount
    keys = list(sums)
    return Statement(
        _ATTEMPTED,
        {
            "book_id": book_id,
            "day": day,
            **_lanes([lane for lane, _ in keys]),
            "outcomes": arrays.texts([outcome.value for _, outcome in keys]),
            "counts": arrays.integers([counted[0] for counted in sums.values()]),
            "amounts": arrays.bigints([counted[1] for counted in sums.values()]),
        },
    )


def cost(book_id: int, day: dt.date, costs: Iterable[Cost]) -> Statement:
    """The statement that adds partners' fees to the figures of a day."""
    sums: defaultdict[Lane, list[int]] = defaultdict(lambda: [0, 0])
    for each in costs:
        counted = sums[each.lane]
        counted[0] += 1
        counted[1] += each.amount
    return Statement(
        _COST,
        {
            "book_id": book_id,
            "day": day,
            **_lanes([*sums]),
            "counts": arrays.integers([counted[0] for counted in sums.values()]),
            "amounts": arrays.bigints([counted[1] for counted in sums.values()]),
        },
    )


def _lanes(lanes: Sequence[Lane]) -> dict[str, Any]:
    return {
        "rules": arrays.texts([lane.rule for lane in lanes]),
        "partners": arrays.texts([lane.partner for lane in lanes]),
        "currencies": arrays.texts([lane.currency for lane in lanes]),
        "methods": arrays.texts([lane.method for lane in lanes]),
    }


async def figures(connection: Connection, book_id: int, since: dt.date, through: dt.date) -> list[Figures]:
    """What was counted from the day `since` to the day `through`, by lane."""
    parameters = {"book_id": book_id, "since": since, "through": through, "limit": MAX_ROWS}
    cursor = await connection.execute(_FIGURES, parameters)
    counts: defaultdict[Lane, dict[Outcome, int]] = defaultdict(dict)
    approved: defaultdict[Lane, int] = defaultdict(int)
    costs: defaultdict[Lane, int] = defaultdict(int)
    for rule, partner, currency, method, outcome, count, amount in await cursor.fetchall():
        lane = Lane(rule, partner, currency, method)
        if outcome == "cost":
            costs[lane] += int(amount)
            continue
        counts[lane][Outcome(outcome)] = int(count)
        if outcome == Outcome.APPROVED.value:
            approved[lane] += int(amount)
    return [
        Figures(lane=lane, counts=_plain(counts, lane), approved_amount=approved[lane], cost=costs[lane])
        for lane in sorted({*counts, *costs})
    ]


def _plain(counts: Mapping[Lane, Mapping[Outcome, int]], lane: Lane) -> Mapping[Outcome, int]:
    return counts.get(lane, {})
