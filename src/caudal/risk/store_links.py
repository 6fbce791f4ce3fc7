"""The SQL of who shares a card, a device or an address, and of the order of decisions and labels."""

from collections.abc import Mapping, Sequence
from typing import Final

from caudal_base import arrays
from caudal_base.database import Connection

_KEY: Final = "encode(substring(sha256(convert_to(n.kind || ':' || n.value, 'UTF8')) for 16), 'hex')::uuid"

KEYS: Final = f"""
           select {_KEY} as key
             from (values ('card', {{data}} -> 'served' -> 'facts' ->> 'payment.card'),
                          ('device', {{data}} -> 'served' -> 'facts' ->> 'payment.device'),
                          ('ip', {{data}} -> 'served' -> 'facts' ->> 'payment.ip')) n (kind, value)
            where n.value is not null"""
"""The keys of a decision, of its `data`."""

# One follows at a time: the others wait for the row, and go on behind.
LOCK: Final = """
insert into risk.linked as l (book_id, seq)
values (%(book_id)s, 0)
    on conflict (book_id)
    do update set seq = l.seq
returning seq
"""

_LOT_KEYS: Final = KEYS.format(data="lot.data")

LINK: Final = f"""
with lot as (
    select id, seq, data
      from risk.decision
     where book_id = %(book_id)s
       and seq > %(after)s
     order by seq
     limit %(limit)s
),
linked as (
    insert into risk.link (book_id, key, decision_id)
    select %(book_id)s, k.key, lot.id
      from lot
     cross join lateral ({_LOT_KEYS}) k
        on conflict do nothing
)
update risk.linked
   set seq = (select max(seq) from lot)
 where book_id = %(book_id)s
   and exists (select from lot)
returning (select count(*) from lot)
"""

# The newest of each key, and what nobody has linked yet; twice the same counts once.
SHARING: Final = f"""
select d.data::text
  from (select l.decision_id as id
          from (select {_KEY} as key
                  from unnest(%(kinds)s, %(values)s) n (kind, value)) wanted
         cross join lateral (
               select decision_id
                 from risk.link
                where book_id = %(book_id)s
                  and key = wanted.key
                order by decision_id desc
                limit %(limit)s) l
         union
        select c.id
          from (select id
                  from risk.decision
                 where book_id = %(book_id)s
                   and customer = %(customer)s
                 order by id desc
                 limit %(limit)s) c
         union
        select t.id
          from (select id, data
                  from risk.decision
                 where book_id = %(book_id)s
                   and seq > (select coalesce(max(seq), 0)
                                from risk.linked
                               where book_id = %(book_id)s)
                 order by seq desc
                 limit %(looked_at)s) t
          join unnest(%(kinds)s, %(values)s) n (kind, value)
            on t.data -> 'served' -> 'facts' ->> ('payment.' || n.kind) = n.value) found
  join risk.decision d
    on d.book_id = %(book_id)s
   and d.id = found.id
 order by d.id desc
 limit %(limit)s
"""

UNNUMBERED: Final = """
select exists (select from risk.decision where book_id = %(book_id)s and seq is null)
    or exists (select from risk.label where book_id = %(book_id)s and seq is null)
"""

NUMBER_DECISIONS: Final = """
with lot as (
    select id, row_number() over (order by id) as place
      from (select id
              from risk.decision
             where book_id = %(book_id)s
               and seq is null
             order by id
             limit %(limit)s) unnumbered
)
update risk.decision d
   set seq = lot.place + coalesce((select max(seq)
                                     from risk.decision
                                    where book_id = %(book_id)s
                                      and seq is not null), 0)
  from lot
 where d.book_id = %(book_id)s
   and d.id = lot.id
   and d.seq is null
"""

NUMBER_LABELS: Final = """
with lot as (
    select subject, kind, source, row_number() over (order by known_at, subject, kind, source) as place
      from (select subject, kind, source, known_at
              from risk.label
             where book_id = %(book_id)s
               and seq is null
             order by known_at
             limit %(limit)s) unnumbered
)
update risk.label l
   set seq = lot.place + coalesce((select max(seq)
                                     from risk.label
                                    where book_id = %(book_id)s
                                      and seq is not null), 0)
  from lot
 where l.book_id = %(book_id)s
   and l.subject = lot.subject
   and l.kind = lot.kind
   and l.source = lot.source
   and l.seq is null
"""


async def unnumbered(connection: Connection, book_id: int) -> bool:
    """Whether there is anything that has no number."""
    row = await (await connection.execute(UNNUMBERED, {"book_id": book_id})).fetchone()
    return row is not None and bool(row[0])


async def number(connection: Connection, book_id: int, limit: int) -> bool:
    """Number what a version before has written, up to `limit` decisions and labels; whether there is more.

    Under the book's lock.
    """
    parameters = {"book_id": book_id, "limit": limit}
    done = [
        (await connection.execute(statement, parameters)).rowcount
        for statement in (NUMBER_DECISIONS, NUMBER_LABELS)
    ]
    return limit in done


async def link(connection: Connection, book_id: int, limit: int) -> bool:
    """Link the next `limit` decisions with their cards, devices and addresses; whether there may be more."""
    row = await (await connection.execute(LOCK, {"book_id": book_id})).fetchone()
    after = 0 if row is None else row[0]
    cursor = await connection.execute(LINK.encode(), {"book_id": book_id, "after": after, "limit": limit})
    done = await cursor.fetchone()
    return done is not None and int(done[0]) == limit


async def sharing(
    connection: Connection, book_id: int, named: Mapping[str, str], *, customer: str | None, looked_at: int,
    limit: int,
) -> Sequence[str]:  # fmt: skip
    """The newest decisions, as JSON, with one of these: `card`, `device`, `ip`; or of this customer."""
    parameters = {
        "book_id": book_id, "customer": customer, "kinds": arrays.texts(list(named)),
        "values": arrays.texts(list(named.values())), "looked_at": looked_at, "limit": limit,
    }  # fmt: skip
    cursor = await connection.execute(SHARING.encode(), parameters)
    return [data for (data,) in await cursor.fetchall()]
