"""The SQL of rules: versions, reviews, publications, snoozes."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

import msgspec

from caudal.rules.types import Review, ReviewVerdict, RiskRules, Snooze, Version
from caudal_base import arrays
from caudal_base.database import Connection
from caudal_base.publications import Publications

# Under the book's lock, so that versions, publications and snoozes have no gaps and no twins.
_INSERT: Final = """
insert into rules.rule_set (book_id, version, feature_set, rules, reads, created_at, created_by, author)
select %(book_id)s,
       coalesce((select max(version) from rules.rule_set where book_id = %(book_id)s), 0) + 1,
       %(feature_set)s, %(rules)s::json, %(reads)s::json, %(at)s, %(by)s, %(author)s
returning version
"""

_REVIEW: Final = """
insert into rules.review (book_id, version, verdict, note, reviewed_at, reviewed_by)
values (%(book_id)s, %(version)s, %(verdict)s, %(note)s, %(at)s, %(by)s)
"""


_VERSIONS: Final = """
select r.version, r.rules::text, r.feature_set, r.reads::text, r.created_at, r.created_by, r.author,
       v.verdict, v.note, v.reviewed_at, v.reviewed_by, p.published_at, p.published_by
  from rules.rule_set r
  left join rules.review v on v.book_id = %(book_id)s and v.version = r.version
  left join lateral (
        select published_at, published_by
          from rules.publication
         where book_id = %(book_id)s
           and version = r.version
         order by number desc
         limit 1
       ) p on true
 where r.book_id = %(book_id)s
   and r.version = any(%(versions)s)
 order by r.version desc
"""


_SNOOZE: Final = """
with made as (
    insert into rules.snooze (book_id, number, rule, until, reason, snoozed_at, snoozed_by)
    select %(book_id)s,
           coalesce((select max(number) from rules.snooze where book_id = %(book_id)s), 0) + 1,
           %(rule)s, %(until)s, %(reason)s, %(at)s, %(by)s
    returning book_id, number, rule, until, reason, snoozed_at, snoozed_by
)
insert into rules.snoozed (book_id, rule, number, until, reason, snoozed_at, snoozed_by)
select %(book_id)s, rule, number, until, reason, snoozed_at, snoozed_by
  from made
    on conflict (book_id, rule)
    do update set number = excluded.number,
                  until = excluded.until,
                  reason = excluded.reason,
                  snoozed_at = excluded.snoozed_at,
                  snoozed_by = excluded.snoozed_by
returning number
"""

_SNOOZED: Final = """
select number, rule, until, reason, snoozed_at, snoozed_by
  from rules.snoozed
 where book_id = %(book_id)s
 order by number
"""

# As a decision of the past knew them: the newest of each rule up to a number.
_SNOOZED_THEN: Final = """
select distinct on (rule) number, rule, until, reason, snoozed_at, snoozed_by
  from rules.snooze
 where book_id = %(book_id)s
   and number <= %(through)s
 order by rule, number desc
"""

_RULES: Final = msgspec.json.Decoder(RiskRules)
_READS: Final = msgspec.json.Decoder(dict[str, str])


_PUBLICATIONS: Final = Publications("rules")
publish, latest, current = _PUBLICATIONS.publish, _PUBLICATIONS.latest, _PUBLICATIONS.current


async def insert(
    connection: Connection, book_id: int, rules: RiskRules, *, feature_set: int, reads: Mapping[str, str],
    at: dt.datetime, by: str, author: UUID,
) -> int:  # fmt: skip
    """Keep rules as the next version, whose number is returned."""
    parameters = {
        "book_id": book_id, "rules": msgspec.json.encode(rules).decode(), "feature_set": feature_set,
        "reads": msgspec.json.encode(reads, order="sorted").decode(), "at": at, "by": by, "author": author,
    }  # fmt: skip
    ((version,),) = await (await connection.execute(_INSERT, parameters)).fetchall()
    return int(version)


async def review(connection: Connection, book_id: int, version: int, made: Review) -> None:
    """Keep what a reviewer said."""
    parameters = {
        "book_id": book_id, "version": version, "verdict": made.verdict.value, "note": made.note,
        "at": made.at, "by": made.by,
    }  # fmt: skip
    await connection.execute(_REVIEW, parameters)


async def versions(connection: Connection, book_id: int, wanted: Sequence[int]) -> list[Version]:
    """Those of `wanted` that exist, the newest first."""
    parameters = {"book_id": book_id, "versions": arrays.integers(wanted)}
    rows = await (await connection.execute(_VERSIONS, parameters)).fetchall()
    return [
        Version(
            version=version,
            rules=_RULES.decode(rules),
            feature_set=feature_set,
            reads=_READS.decode(reads),
            created_at=created_at,
            created_by=created_by,
            author=author,
            review=None
            if verdict is None
            else Review(verdict=ReviewVerdict(verdict), note=note, at=at, by=by),
            published_at=published_at,
            published_by=published_by,
        )
        for version, rules, feature_set, reads, created_at, created_by, author, verdict, note, at, by,
        published_at, published_by in rows
    ]  # fmt: skip


async def snooze(
    connection: Connection, book_id: int, rule: str, until: dt.datetime, reason: str, at: dt.datetime, by: str
) -> Snooze:
    """Keep a snooze, in place of an earlier one of the rule."""
    parameters = {"book_id": book_id, "rule": rule, "until": until, "reason": reason, "at": at, "by": by}
    ((number,),) = await (await connection.execute(_SNOOZE, parameters)).fetchall()
    return Snooze(number=int(number), rule=rule, until=until, reason=reason, at=at, by=by)


async def snoozed(connection: Connection, book_id: int, through: int | None = None) -> list[Snooze]:
    """The newest snooze of each rule, also those that are over; up to number `through`, if that is given."""
    parameters = {"book_id": book_id}
    if through is None:
        cursor = await connection.execute(_SNOOZED, parameters)
    else:
        cursor = await connection.execute(_SNOOZED_THEN, {**parameters, "through": through})
    return [
        Snooze(number=number, rule=rule, until=until, reason=reason, at=at, by=by)
        for number, rule, until, reason, at, by in await cursor.fetchall()
    ]
