"""The SQL that counts what other rooms have done: reads of their tables by the indexes they have.

Each statement counts by the minute in which a time ran out, not in which it began: so what is counted of a
minute does not change any more, and an alert is no later for a longer time.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, LiteralString

from caudal.objectives.types import Counts, Indicator, Measure
from caudal_base import arrays, ids
from caudal_base.database import Connection

THROUGH: Final[LiteralString] = """
select indicator, within_ms, through
  from objectives.measured
 where book_id = %(book_id)s
"""

_ADVANCE: Final[LiteralString] = """
insert into objectives.measured (book_id, indicator, within_ms, through)
select %(book_id)s, n.indicator, n.within_ms, n.through
  from unnest(%(indicators)s, %(withins)s, %(throughs)s) as n(indicator, within_ms, through)
 order by n.indicator, n.within_ms
    on conflict (book_id, indicator, within_ms) do update set through = excluded.through
"""

# A payment is with its partner from its creation, or from when it is told to be processing, until it is told
# to be anything else. One that never was is out of it in the same breath.
PAYMENT_ENDS: Final[LiteralString] = """
select date_trunc('minute', begun.at + %(within)s, 'UTC'), count(*),
       count(*) filter (where ended.at is null or ended.at > begun.at + %(within)s)
  from events.event as begun
  left join lateral (
       select e.at
         from events.event as e
        where e.book_id = %(book_id)s
          and e.object_id = begun.object_id
          and e.seq > begun.seq
          and e.type <> 'payment.processing'
        order by e.seq
        limit 1
       ) as ended on true
 where begun.book_id = %(book_id)s
   and begun.type in ('payment.created', 'payment.processing')
   and begun.seq > %(after)s
   and begun.seq <= %(through)s
 group by 1
"""

WEBHOOK_IN_APPLIED: Final[LiteralString] = """
select date_trunc('minute', received_at + %(within)s, 'UTC'), count(*),
       count(*) filter (where not (state in ('applied', 'ignored')
                                   and settled_at <= received_at + %(within)s))
  from webhooks.inbound
 where book_id = %(book_id)s
   and id >= %(first)s
   and id < %(last)s
 group by 1
"""

# What is ours is that somebody tries in time. Of an endpoint that fails, asks for quiet or cannot keep up
# nothing is counted; nor, where something was late, of one that lately failed or was slow to answer: what it
# was late for may have waited for it. Deliveries are read by the seqs of the minute, and events no endpoint
# was given yet only behind its position: a thousand say that it is late. What only one endpoint gets, since
# somebody tries it, is not promised to the others.
WEBHOOK_DELIVERED: Final[LiteralString] = r"""
with asked as materialized (
       select p.id, p.types, p.created_at, drive.through_seq
         from delivery.endpoint as p
         join delivery.drive
           on drive.book_id = %(book_id)s
          and drive.endpoint_id = p.id
        where p.book_id = %(book_id)s
          and p.status = 'enabled'
          and drive.failing_since is null
          and drive.behind_since is null
          and (drive.quiet_until is null or drive.quiet_until <= %(since)s)
       ),
     due as (
       select asked.id, e.at,
              not (d.attempts = 1 and d.state = 'delivered' and d.ended_at <= e.at + %(within)s)
              and not exists (
                      select
                        from delivery.attempt as first
                       where first.book_id = %(book_id)s
                         and first.endpoint_id = asked.id
                         and first.seq = d.seq
                         and first.number = 1
                         and first.at <= e.at + %(within)s
                  ) as late
         from asked
         join delivery.delivery as d
           on d.book_id = %(book_id)s
          and d.endpoint_id = asked.id
          and d.seq > %(after)s
          and d.seq <= %(through)s
          and d.type <> 'webhook_endpoint.test'
         join events.event as e
           on e.book_id = %(book_id)s
          and e.seq = d.seq
          and e.at > asked.created_at
       union all
       select asked.id, e.at, true
         from asked
        cross join lateral (
                  select seq, at, type
                    from events.event
                   where book_id = %(book_id)s
                     and seq > greatest(asked.through_seq, %(after)s)
                     and seq <= %(through)s
                   order by seq
                   limit 1000
              ) as e
        where e.at > asked.created_at
          and e.type <> 'webhook_endpoint.test'
          and exists (select
                        from unnest(asked.types) as wanted(type)
                       where e.type like replace(replace(wanted.type, '_', '\_'), '*', '%%'))
          and not exists (select
                            from delivery.delivery as d
                           where d.book_id = %(book_id)s
                             and d.endpoint_id = asked.id
                             and d.seq = e.seq)
       ),
     counted as materialized (
       select id, date_trunc('minute', at + %(within)s, 'UTC') as minute, count(*) as total,
              count(*) filter (where late) as late
         from due
        group by 1, 2
       ),
     its_own as materialized (
       select behind.id
         from (select distinct id from counted where late > 0) as behind
        where exists (
                  select
                    from (
                         select at, status, duration_ms
                           from delivery.attempt
                          where book_id = %(book_id)s
                            and endpoint_id = behind.id
                            and seq <= %(through)s
                          order by seq desc
                          limit 10000
                         ) as latest
                   where latest.at >= %(since)s - interval '10 minutes'
                     and (latest.status is null
                          or latest.status not between 200 and 299
                          or latest.duration_ms >= 1000)
              )
       )
select minute, sum(total)::bigint, sum(late)::bigint
  from counted
 where id not in (select id from its_own)
 group by minute
"""

ATTEMPT_UNKNOWN: Final[LiteralString] = """
select exists (
       select
         from payments.attempt
        where book_id = %(book_id)s
          and state in ('submitting', 'unknown')
          and updated_at < %(before)s
          and data ->> 'asked_at' is null
       )
"""


async def through(connection: Connection, book_id: int) -> dict[Measure, dt.datetime]:
    """How far each measure has come."""
    cursor = await connection.execute(THROUGH, {"book_id": book_id})
    return {Measure(Indicator(name), within): at for name, within, at in await cursor.fetchall()}


async def advance(connection: Connection, book_id: int, reached: Mapping[Measure, dt.datetime]) -> None:
    """Note how far measures have come."""
    if reached:
        await connection.execute(
            _ADVANCE,
            {
                "book_id": book_id,
                "indicators": arrays.texts([measure.indicator.value for measure in reached]),
                "withins": arrays.integers([measure.within_ms for measure in reached]),
                "throughs": arrays.timestamps(list(reached.values())),
            },
        )


async def payments_ended(
    connection: Connection, book_id: int, within: dt.timedelta, *, after: int, through: int
) -> dict[dt.datetime, Counts]:
    """Payments that were begun by the events behind `after` and up to `through`, by minute."""
    return await _counted(
        connection,
        PAYMENT_ENDS,
        {"book_id": book_id, "within": within, "after": after, "through": through},
    )


async def webhooks_delivered(
    connection: Connection,
    book_id: int,
    within: dt.timedelta,
    *,
    after: int,
    through: int,
    since: dt.datetime,
) -> dict[dt.datetime, Counts]:
    """Deliveries of the events behind `after`, told from `since`, and up to `through`, by minute."""
    return await _counted(
        connection,
        WEBHOOK_DELIVERED,
        {"book_id": book_id, "within": within, "after": after, "through": through, "since": since},
    )


async def webhooks_applied(
    connection: Connection, book_id: int, within: dt.timedelta, *, since: dt.datetime, until: dt.datetime
) -> dict[dt.datetime, Counts]:
    """Partners' webhooks that came from `since` to before `until`, by minute."""
    values = {
        "book_id": book_id,
        "within": within,
        "first": ids.uuid7(since, bytes),
        "last": ids.uuid7(until, bytes),
    }
    return await _counted(connection, WEBHOOK_IN_APPLIED, values)


async def attempt_unknown(connection: Connection, book_id: int, *, before: dt.datetime) -> bool:
    """Whether a call to a partner has had no outcome since before a moment, and nobody has been asked."""
    cursor = await connection.execute(ATTEMPT_UNKNOWN, {"book_id": book_id, "before": before})
    ((found,),) = await cursor.fetchall()
    return bool(found)


async def _counted(
    connection: Connection, statement: LiteralString, values: Mapping[str, Any]
) -> dict[dt.datetime, Counts]:
    cursor = await connection.execute(statement, values)
    return {minute: Counts(total, bad) for minute, total, bad in await cursor.fetchall()}
