"""The SQL of lists and of sums of a day."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from psycopg import AsyncCursor
from psycopg.rows import TupleRow

from caudal.risk.rules import Named
from caudal.risk.types import Bucket, Entry, EntryFilter, ListKind, SubjectKind, Used
from caudal_base import arrays, ids
from caudal_base.database import Connection
from caudal_base.decide import Unmoved
from caudal_base.statements import Statement

Cursor = AsyncCursor[TupleRow]

LIST: Final = {ListKind.BLOCK: 1, ListKind.ALLOW: 2, ListKind.WATCH: 3}
LIST_OF: Final = {number: kind for kind, number in LIST.items()}
SUBJECT_OF: Final = {kind.value: kind for kind in SubjectKind}

ENTRIES: Final = """
select e.subject, e.value, e.list, e.expires_at
  from unnest(%(subjects)s, %(values)s) as n(subject, value)
  join risk.entry e
    on e.book_id = %(book_id)s and e.subject = n.subject and e.value = n.value
 order by e.list
"""

# The day is known once the lock is held, hence a lower bound; later days there are none.
USED: Final = """
select customer, currency, kind, country, day, amount, count
  from risk.usage
 where book_id = %(book_id)s
   and customer = any(%(customers)s)
   and day >= %(since)s
"""

_ADD_USED: Final = """
insert into risk.usage as u (book_id, customer, day, currency, kind, country, amount, count)
select %(book_id)s, n.customer, %(day)s, n.currency, n.kind, n.country, n.amount, n.count
  from unnest(%(customers)s, %(currencies)s, %(kinds)s, %(countries)s, %(amounts)s, %(counts)s)
       as n(customer, currency, kind, country, amount, count)
    on conflict (book_id, customer, day, currency, kind, country)
    do update set amount = u.amount + excluded.amount,
                  count = u.count + excluded.count
"""

# Sums are made when the first payment is counted: one that there is none of was not counted there. A product
# whose limits were changed during the day may have sums that began later: none goes below nothing.
_GIVE_BACK: Final = """
update risk.usage as u
   set amount = greatest(u.amount - n.amount, 0),
       count = greatest(u.count - n.count, 0)
  from (select customer, day, currency, kind, country, sum(amount)::bigint as amount,
               sum(count)::integer as count
          from (select b.customer, b.day::date as day, b.currency, b.kind, c.country, b.amount, b.count
                  from unnest(%(customers)s, %(days)s, %(currencies)s, %(kinds)s, %(countries)s, %(amounts)s,
                              %(counts)s)
                       as b(customer, day, currency, kind, country, amount, count)
                 cross join lateral (select '' as country union select b.country) c) each
         group by customer, day, currency, kind, country) n
 where u.book_id = %(book_id)s
   and u.customer = n.customer
   and u.day = n.day
   and u.currency = n.currency
   and u.kind = n.kind
   and u.country = n.country
"""

DELETE_USED: Final = """
with old as (
    select customer, day, currency, kind, country
      from risk.usage
     where book_id = %(book_id)s
       and day < %(before)s
     order by day
     limit %(limit)s
)
delete from risk.usage u
 using old
 where u.book_id = %(book_id)s
   and u.customer = old.customer
   and u.day = old.day
   and u.currency = old.currency
   and u.kind = old.kind
   and u.country = old.country
"""

_COLUMNS: Final = "subject, value, list, reason, created_at, created_by, expires_at"

_PUT: Final = """
insert into risk.entry (book_id, subject, value, list, reason, created_at, created_by, expires_at)
select %(book_id)s, n.subject, n.value, n.list, n.reason, n.created_at, n.created_by, n.expires_at
  from unnest(%(subjects)s, %(values)s, %(lists)s, %(reasons)s, %(created)s, %(creators)s, %(expiries)s)
       as n(subject, value, list, reason, created_at, created_by, expires_at)
    on conflict (book_id, subject, value, list)
    do update set reason = excluded.reason,
                  created_at = excluded.created_at,
                  created_by = excluded.created_by,
                  expires_at = excluded.expires_at
"""

_TAKE: Final = """
delete from risk.entry e
 using unnest(%(subjects)s, %(values)s, %(lists)s) as n(subject, value, list)
 where e.book_id = %(book_id)s
   and e.subject = n.subject
   and e.value = n.value
   and e.list = n.list
returning e.subject, e.value, e.list
"""

_FIND: Final = f"""
select {_COLUMNS}
  from risk.entry
 where book_id = %(book_id)s
   and (list = %(list)s or %(list)s::smallint is null)
   and (subject = %(subject)s or %(subject)s::text is null)
   and (value = %(value)s or %(value)s::text is null)
   and (subject, value, list) > (%(after_subject)s, %(after_value)s, %(after_list)s)
 order by subject, value, list
 limit %(limit)s
"""

Key = tuple[SubjectKind, str, ListKind]
"""What makes an entry: subject, value, list."""


async def queue_entries(connection: Connection, book_id: int, named: Collection[Named]) -> Cursor:
    """Send the statement that finds which of `named` are on lists; in a pipeline this does not wait."""
    parameters = {
        "book_id": book_id,
        "subjects": arrays.texts([subject.value for subject, _ in named]),
        "values": arrays.texts([value for _, value in named]),
    }
    return await connection.execute(ENTRIES, parameters)


async def queue_used(
    connection: Connection, book_id: int, customers: Collection[str], since: dt.date
) -> Cursor:
    """Send the statement that reads the sums of `customers` from the day `since`."""
    parameters = {"book_id": book_id, "customers": arrays.hex_uuids(list(customers)), "since": since}
    return await connection.execute(USED, parameters)


def adding(book_id: int, day: dt.date, added: Mapping[Bucket, Used]) -> Statement:
    """The statement that adds to the sums of `day`."""
    buckets = list(added)
    return Statement(
        _ADD_USED,
        {
            "book_id": book_id,
            "day": day,
            "customers": arrays.hex_uuids([bucket.customer for bucket in buckets]),
            "currencies": arrays.texts([bucket.currency for bucket in buckets]),
            "kinds": arrays.texts([bucket.kind for bucket in buckets]),
            "countries": arrays.texts([bucket.country for bucket in buckets]),
            "amounts": arrays.bigints([used.amount for used in added.values()]),
            "counts": arrays.integers([used.payments for used in added.values()]),
        },
    )


def giving_back(book_id: int, unmoved: Sequence[Unmoved]) -> Statement:
    """The statement that takes what has not moved off the sums of the days for which it was counted.

    What has moved after all is put on them again, as far as they are still kept.
    """
    return Statement(
        _GIVE_BACK,
        {
            "book_id": book_id,
            "customers": arrays.hex_uuids([each.customer_id for each in unmoved]),
            "days": arrays.texts([each.day.isoformat() for each in unmoved]),
            "currencies": arrays.texts([each.currency for each in unmoved]),
            "kinds": arrays.texts([each.kind for each in unmoved]),
            "countries": arrays.texts([each.country or "" for each in unmoved]),
            "amounts": arrays.bigints([each.amount for each in unmoved]),
            "counts": arrays.integers([each.payments for each in unmoved]),
        },
    )


async def used_on(cursor: Cursor, day: dt.date) -> dict[Bucket, Used]:
    """Of the rows that `queue_used` asked for, the sums of `day`."""
    return {
        Bucket(ids.encode(ids.CUSTOMER, customer), currency, kind, country): Used(amount, count)
        for customer, currency, kind, country, of, amount, count in await cursor.fetchall()
        if of == day
    }


async def delete_used(connection: Connection, book_id: int, before: dt.date, limit: int) -> int:
    """Delete up to `limit` sums of days before `before`; how many it were."""
    cursor = await connection.execute(DELETE_USED, {"book_id": book_id, "before": before, "limit": limit})
    return cursor.rowcount


async def put(connection: Connection, book_id: int, entries: Sequence[Entry]) -> None:
    """Write entries, in the place of equal ones. None may stand twice in `entries`."""
    parameters = _keys(book_id, [(e.subject, e.value, e.list) for e in entries]) | {
        "reasons": arrays.texts([e.reason for e in entries]),
        "created": arrays.timestamps([e.created_at for e in entries]),
        "creators": arrays.texts([e.created_by for e in entries]),
        "expiries": arrays.timestamps([e.expires_at for e in entries]),
    }
    await connection.execute(_PUT, parameters)


async def take(connection: Connection, book_id: int, keys: Sequence[Key]) -> set[Key]:
    """Delete entries; those that there were."""
    cursor = await connection.execute(_TAKE, _keys(book_id, keys))
    return {(SUBJECT_OF[row[0]], row[1], LIST_OF[row[2]]) for row in await cursor.fetchall()}


def _keys(book_id: int, keys: Sequence[Key]) -> dict[str, Any]:
    return {
        "book_id": book_id,
        "subjects": arrays.texts([subject.value for subject, _, _ in keys]),
        "values": arrays.texts([value for _, value, _ in keys]),
        "lists": arrays.smallints([LIST[kind] for _, _, kind in keys]),
    }


async def find(
    connection: Connection, book_id: int, wanted: EntryFilter, *, after: Key | None, limit: int
) -> list[Entry]:
    """Up to `limit` entries that `wanted` wants, by subject, value and list, behind `after`."""
    parameters = {
        "book_id": book_id,
        "list": None if wanted.list is None else LIST[wanted.list],
        "subject": None if wanted.subject is None else wanted.subject.value,
        "value": wanted.value,
        "after_subject": "" if after is None else after[0].value,
        "after_value": "" if after is None else after[1],
        "after_list": 0 if after is None else LIST[after[2]],
        "limit": limit,
    }
    cursor = await connection.execute(_FIND, parameters)
    return [
        Entry(
            subject=SUBJECT_OF[subject],
            value=value,
            list=LIST_OF[number],
            reason=reason,
            created_at=created_at,
            created_by=created_by,
            expires_at=expires_at,
        )
        for subject, value, number, reason, created_at, created_by, expires_at in await cursor.fetchall()
    ]
