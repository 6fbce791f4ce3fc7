"""The SQL of labels, and of how far the book's events have been followed."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

from caudal.features import Event
from caudal.risk.decision_types import Record, SubjectOf
from caudal.risk.store_decisions import OF, decode_record
from caudal.risk.types import Label, LabelKind
from caudal_base import arrays, ids
from caudal_base.database import Connection

_FIRST: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
"""Ids begin with the milliseconds since then."""

FOLLOWED: Final = """
select seq
  from risk.followed
 where book_id = %(book_id)s
"""

_FOLLOWED_TO: Final = """
insert into risk.followed as f (book_id, seq)
values (%(book_id)s, %(seq)s)
    on conflict (book_id)
    do update set seq = excluded.seq
"""

# Under the book's lock, so that numbers are in the order of commits.
_PUT: Final = """
insert into risk.label (book_id, subject, kind, source, event_at, known_at, note, seq)
select %(book_id)s, n.subject, n.kind, n.source, n.event_at, n.known_at, n.note,
       n.place + coalesce((select max(seq)
                             from risk.label
                            where book_id = %(book_id)s
                              and seq is not null), 0)
  from unnest(%(subjects)s, %(kinds)s, %(sources)s, %(event_ats)s, %(known_ats)s, %(notes)s)
       with ordinality as n(subject, kind, source, event_at, known_at, note, place)
    on conflict (book_id, subject, kind, source) do nothing
"""

LABELS: Final = """
select subject, kind, source, event_at, known_at, note
  from risk.label
 where book_id = %(book_id)s
   and (subject = %(subject)s or %(subject)s::text is null)
   and (kind = %(kind)s or %(kind)s::text is null)
   and (known_at, subject, kind, source) < (%(known_at)s, %(before_subject)s, %(before_kind)s, %(source)s)
 order by known_at desc, subject desc, kind desc, source desc
 limit %(limit)s
"""

SUBJECTS: Final = """
select distinct on (subject) subject, data::text
  from risk.decision
 where book_id = %(book_id)s
   and subject = any(%(subjects)s)
 order by subject, id desc
"""

OF_PAYMENTS: Final = """
select id, event_at, known_at, entities, tags, values
  from features.event
 where book_id = %(book_id)s
   and source = 'payment'
   and id = any(%(ids)s)
"""

OF_SUBJECTS: Final = """
select subject, kind
  from risk.label
 where book_id = %(book_id)s
   and subject = any(%(subjects)s)
 order by subject, known_at desc, kind desc
"""

# What a label has to be to say how something ended: of fraud other disputes say nothing.
_SAYS_AN_END: Final = "kind not in ('other_dispute_opened', 'other_dispute_won', 'other_dispute_lost')"

# The newest word on each subject that was known at a moment.
MATURED: Final = f"""
select d.data::text, l.kind, l.known_at
  from risk.decision d
  left join lateral (
        select kind, known_at
          from risk.label
         where book_id = %(book_id)s
           and subject = d.subject
           and known_at <= %(known_by)s
           and {_SAYS_AN_END}
         order by known_at desc, kind desc, source desc
         limit 1
       ) l on true
 where d.book_id = %(book_id)s
   and d.id > %(after)s
   and d.id < %(before)s
   and (d.of = %(of)s or %(of)s::smallint is null)
 order by d.id
 limit %(limit)s
"""

# Subjects with the newest words first; of several decisions on one, the last. Only what is as old as silence
# has to be to say something: of newer ones bad ends are known before good ones.
TOLD: Final = f"""
select distinct on (l.known_at, l.subject) l.subject, d.data::text, l.kind
  from (select subject, kind, known_at
          from risk.label
         where book_id = %(book_id)s
           and known_at <= %(known_by)s
           and event_at < %(silent_since)s
           and {_SAYS_AN_END}
         order by known_at desc
         limit %(limit)s) l
  join risk.decision d on d.book_id = %(book_id)s and d.subject = l.subject
 where d.of = %(of)s
   and d.id > %(after)s
   and d.id < %(silent)s
 order by l.known_at desc, l.subject, d.id desc, l.kind desc
"""

# What nobody has said anything about for so long that nobody will; without declines (3).
SILENT: Final = f"""
select d.data::text
  from risk.decision d
 where d.book_id = %(book_id)s
   and d.of = %(of)s
   and d.outcome < 3
   and d.id > %(after)s
   and d.id < %(silent)s
   and not exists (
        select 1
          from risk.label l
         where l.book_id = %(book_id)s
           and l.subject = d.subject
           and l.known_at <= %(known_by)s
           and {_SAYS_AN_END}
       )
 order by d.id desc
 limit %(limit)s
"""


# How decisions of a span have ended, as far as it is known; of declines only what somebody said.
ENDS: Final = f"""
select l.kind, count(*)
  from (select subject, outcome
          from risk.decision
         where book_id = %(book_id)s
           and of = %(of)s
           and id >= %(after)s
           and id < %(before)s
         order by id
         limit %(limit)s) d
  left join lateral (
        select kind
          from risk.label
         where book_id = %(book_id)s
           and subject = d.subject
           and known_at <= %(known_by)s
           and {_SAYS_AN_END}
         order by known_at desc, kind desc, source desc
         limit 1
       ) l on true
 where d.outcome < 3
    or l.kind is not null
 group by l.kind
"""


async def followed(connection: Connection, book_id: int) -> int:
    """The seq of the newest event that has been followed; 0 at first."""
    row = await (await connection.execute(FOLLOWED, {"book_id": book_id})).fetchone()
    return 0 if row is None else int(row[0])


async def followed_to(connection: Connection, book_id: int, seq: int) -> None:
    """Events have been followed up to here."""
    await connection.execute(_FOLLOWED_TO, {"book_id": book_id, "seq": seq})


async def put(connection: Connection, book_id: int, labels: Sequence[Label]) -> None:
    """Keep labels, under the book's lock; the same one again has no effect."""
    parameters = {
        "book_id": book_id,
        "subjects": arrays.texts([label.subject for label in labels]),
        "kinds": arrays.texts([label.kind.value for label in labels]),
        "sources": arrays.texts([label.source for label in labels]),
        "event_ats": arrays.timestamps([label.event_at for label in labels]),
        "known_ats": arrays.timestamps([label.known_at for label in labels]),
        "notes": arrays.texts([label.note for label in labels]),
    }
    await connection.execute(_PUT, parameters)


async def decided_on(connection: Connection, book_id: int, subjects: Sequence[str]) -> dict[str, Record]:
    """The newest decision on each of these, as far as there is one."""
    parameters = {"book_id": book_id, "subjects": arrays.texts(subjects)}
    cursor = await connection.execute(SUBJECTS, parameters)
    return {subject: decode_record(data) for subject, data in await cursor.fetchall()}


async def payments(connection: Connection, book_id: int, ids: Sequence[str]) -> dict[str, Event]:
    """These payments as features know them, by id."""
    cursor = await connection.execute(OF_PAYMENTS, {"book_id": book_id, "ids": arrays.texts(ids)})
    return {
        id: Event(
            id=id, source="payment", event_at=event_at, known_at=known_at, entities=entities, tags=tags,
            values=values,
        )
        for id, event_at, known_at, entities, tags, values in await cursor.fetchall()
    }  # fmt: skip


async def find(
    connection: Connection, book_id: int, *, subject: str | None, kind: LabelKind | None,
    before: Label | None, limit: int,
) -> list[Label]:  # fmt: skip
    """Up to `limit` labels, those that became known last first, behind `before`."""
    parameters = {
        "book_id": book_id,
        "subject": subject,
        "kind": None if kind is None else kind.value,
        "known_at": "infinity" if before is None else before.known_at,
        "before_subject": "" if before is None else before.subject,
        "before_kind": "" if before is None else before.kind.value,
        "source": "" if before is None else before.source,
        "limit": limit,
    }
    cursor = await connection.execute(LABELS, parameters)
    return [
        Label(
            subject=subject, kind=LabelKind(kind), source=source, event_at=event_at, known_at=known_at,
            note=note,
        )
        for subject, kind, source, event_at, known_at, note in await cursor.fetchall()
    ]  # fmt: skip


async def of_subjects(
    connection: Connection, book_id: int, subjects: Sequence[str]
) -> dict[str, list[LabelKind]]:
    """What is known of each of these, the newest first, as far as anything is."""
    parameters = {"book_id": book_id, "subjects": arrays.texts(subjects)}
    found: dict[str, list[LabelKind]] = {}
    for subject, kind in await (await connection.execute(OF_SUBJECTS, parameters)).fetchall():
        found.setdefault(subject, []).append(LabelKind(kind))
    return found


async def matured(
    connection: Connection, book_id: int, *, of: SubjectOf | None, after: object, before: object,
    known_by: dt.datetime, limit: int,
) -> list[tuple[Record, LabelKind | None, dt.datetime | None]]:  # fmt: skip
    """Decisions with ids between two, in order, each with the newest label that was known by a moment."""
    parameters = {
        "book_id": book_id, "of": None if of is None else OF[of], "after": after, "before": before,
        "known_by": known_by, "limit": limit,
    }  # fmt: skip
    cursor = await connection.execute(MATURED, parameters)
    return [
        (decode_record(data), None if kind is None else LabelKind(kind), known_at)
        for data, kind, known_at in await cursor.fetchall()
    ]


async def ended(
    connection: Connection, book_id: int, *, of: SubjectOf, made_from: dt.datetime,
    silent_since: dt.datetime, known_by: dt.datetime, limit: int,
) -> list[tuple[Record, LabelKind | None]]:  # fmt: skip
    """Decisions before `silent_since`, each with the newest word on it: up to `limit` with one, and without.

    What nobody has said anything about for so long has come to a good end, unless it was declined. The newest
    of both are found.
    """
    parameters = {
        "book_id": book_id, "of": OF[of], "after": ids.uuid7(max(made_from, _FIRST), bytes),
        "silent": ids.uuid7(max(silent_since, _FIRST), bytes), "silent_since": silent_since,
        "known_by": known_by, "limit": limit,
    }  # fmt: skip
    told: dict[str, tuple[Record, LabelKind | None]] = {}
    for subject, data, kind in await (await connection.execute(TOLD, parameters)).fetchall():
        told.setdefault(subject, (decode_record(data), LabelKind(kind)))
    silent = await (await connection.execute(SILENT, parameters)).fetchall()
    return [*told.values(), *[(decode_record(data), None) for (data,) in silent]]


async def ends(
    connection: Connection, book_id: int, *, of: SubjectOf, made_from: dt.datetime, made_before: dt.datetime,
    known_by: dt.datetime, limit: int,
) -> dict[LabelKind | None, int]:  # fmt: skip
    """How the decisions of a span have ended, up to `limit`, the oldest first; None: nobody said anything."""
    parameters = {
        "book_id": book_id, "of": OF[of], "after": ids.uuid7(max(made_from, _FIRST), bytes),
        "before": ids.uuid7(max(made_before, _FIRST), bytes), "known_by": known_by, "limit": limit,
    }  # fmt: skip
    cursor = await connection.execute(ENDS, parameters)
    return {None if kind is None else LabelKind(kind): count for kind, count in await cursor.fetchall()}
