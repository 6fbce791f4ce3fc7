"""The SQL of decisions, and of the numbers by which processes know whether what they hold still counts."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import msgspec

from caudal.risk.decision_types import SEVERITY, DecisionFilter, Record, SubjectOf
from caudal.risk.store import Cursor
from caudal.risk.store_links import KEYS
from caudal_base import arrays, ids
from caudal_base.database import Connection
from caudal_base.statements import Statement, execute

Stamp = tuple[int, ...]
"""What has been published in a book, as numbers: as long as they are the same, so is what decides."""

# A few index seeks. Of series that wait to be filled the number: once one is, each payment adds to it.
STAMP: Final = """
select (select coalesce(max(version), 0)
          from features.feature_set
         where book_id = %(book_id)s),
       (select count(*)
          from features.series
         where book_id = %(book_id)s
           and filled_to is not null),
       (select coalesce(max(number), 0)
          from rules.publication
         where book_id = %(book_id)s),
       (select coalesce(max(number), 0)
          from rules.snooze
         where book_id = %(book_id)s),
       (select coalesce(max(version), 0)
          from models.serving
         where book_id = %(book_id)s)
"""

# Under the book's lock, so that numbers are in the order of commits.
_INSERT: Final = """
insert into risk.decision (book_id, id, of, subject, customer, outcome, score, at, data, seq)
select %(book_id)s, n.id, n.of, n.subject, n.customer, n.outcome, n.score, n.at, n.data,
       n.place + coalesce((select max(seq)
                             from risk.decision
                            where book_id = %(book_id)s
                              and seq is not null), 0)
  from unnest(%(ids)s, %(ofs)s, %(subjects)s, %(customers)s, %(outcomes)s, %(scores)s, %(ats)s, %(datas)s)
       with ordinality as n(id, of, subject, customer, outcome, score, at, data, place)
"""

GET: Final = """
select data::text
  from risk.decision
 where book_id = %(book_id)s
   and id = %(id)s
"""

FIND: Final = """
select data::text
  from risk.decision
 where book_id = %(book_id)s
   and (id < %(before)s or %(before)s::uuid is null)
   and (subject = %(subject)s or %(subject)s::text is null)
   and (customer = %(customer)s or %(customer)s::text is null)
   and (outcome = %(outcome)s or %(outcome)s::smallint is null)
   and (of = %(of)s or %(of)s::smallint is null)
   and (score >= %(score_from)s or %(score_from)s::double precision is null)
   and (at >= %(made_from)s or %(made_from)s::timestamptz is null)
   and (at < %(made_before)s or %(made_before)s::timestamptz is null)
 order by id desc
 limit %(limit)s
"""

_OLD_KEYS: Final = KEYS.format(data="old.data")

MADE: Final = """
select d.data::text
  from unnest((select %(subjects)s)) as n(subject)
 cross join lateral (
        select data
          from risk.decision
         where book_id = %(book_id)s and subject = n.subject and of = 1
         order by id
         limit 1
       ) d
"""

DELETE_OLD: Final = f"""
with old as (
    select id, data
      from risk.decision
     where book_id = %(book_id)s
       and id < %(before)s
     order by id
     limit %(limit)s
),
unlinked as (
    delete from risk.link l
     using old
     cross join lateral ({_OLD_KEYS}) k
     where l.book_id = %(book_id)s
       and l.key = k.key
       and l.decision_id = old.id
)
delete from risk.decision d
 using old
 where d.book_id = %(book_id)s
   and d.id = old.id
"""

OF: Final = {SubjectOf.PAYMENT: 1, SubjectOf.APPLICATION: 2}
_encode: Final = msgspec.json.Encoder().encode
decode_record: Final = msgspec.json.Decoder(Record).decode


async def queue_stamp(connection: Connection, book_id: int) -> Cursor:
    """Ask for a book's stamp; in a pipeline this does not wait."""
    return await connection.execute(STAMP, {"book_id": book_id})


async def stamp_of(cursor: Cursor) -> Stamp:
    """The answer to `queue_stamp`."""
    row = await cursor.fetchone()
    return () if row is None else tuple(row)


def inserting(book_id: int, records: Sequence[Record]) -> Statement:
    """The statement that keeps decisions: for a transaction that holds the book's lock."""
    return Statement(
        _INSERT,
        {
            "book_id": book_id,
            "ids": arrays.hex_uuids([record.id for record in records]),
            "ofs": arrays.smallints([OF[record.of] for record in records]),
            "subjects": arrays.texts([record.subject for record in records]),
            "customers": arrays.texts([record.customer for record in records]),
            "outcomes": arrays.smallints([SEVERITY[record.decided.outcome] for record in records]),
            "scores": arrays.doubles([record.decided.score for record in records]),
            "ats": arrays.timestamps([record.at for record in records]),
            "datas": arrays.jsons([_encode(record) for record in records]),
        },
    )


async def get(connection: Connection, book_id: int, decision_id: str) -> Record | None:
    """A decision."""
    parameters = {"book_id": book_id, "id": ids.decode(ids.DECISION, decision_id)}
    row = await (await connection.execute(GET, parameters)).fetchone()
    return None if row is None else decode_record(row[0])


async def find(
    connection: Connection, book_id: int, wanted: DecisionFilter, *, before: str | None, limit: int
) -> list[Record]:
    """Up to `limit` decisions that `wanted` wants, the newest first, made before the one `before`."""
    parameters = {
        "book_id": book_id,
        "before": None if before is None else ids.decode(ids.DECISION, before, field="cursor"),
        "subject": wanted.subject,
        "customer": wanted.customer,
        "outcome": None if wanted.outcome is None else SEVERITY[wanted.outcome],
        "of": None if wanted.of is None else OF[wanted.of],
        "score_from": wanted.score_from,
        "made_from": wanted.made_from,
        "made_before": wanted.made_before,
        "limit": limit,
    }
    cursor = await connection.execute(FIND, parameters)
    return [decode_record(data) for (data,) in await cursor.fetchall()]


async def queue_made(connection: Connection, book_id: int, subjects: Sequence[str]) -> Cursor:
    """Ask what was decided on payments of these names; in a pipeline this does not wait."""
    return await connection.execute(MADE, {"book_id": book_id, "subjects": arrays.texts(subjects)})


async def records_of(cursor: Cursor) -> list[Record]:
    """The answer to `queue_made`."""
    return [decode_record(data) for (data,) in await cursor.fetchall()]


async def delete_old(connection: Connection, book_id: int, before: UUID, limit: int) -> int:
    """Delete up to `limit` decisions whose ids are below `before`, the oldest first; how many it were."""
    parameters = {"book_id": book_id, "before": before, "limit": limit}
    return (await connection.execute(DELETE_OLD, parameters)).rowcount


async def insert(connection: Connection, book_id: int, record: Record) -> None:
    """Keep one decision, under the book's lock."""
    await execute(connection, [inserting(book_id, [record])])
