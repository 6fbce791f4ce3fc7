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

# What only one endpoint gets, since somebody tries it, is not promised to the others.
WEBHOOK_DELIVERED: Final[LiteralString] = r"""
select date_trunc('minute', e.at + %(within)s, 'UTC'), count(*),
       count(*) filter (where d.state is distinct from 'delivered' or d.ended_at > e.at + %(within)s)
  from events.event as e
  join delivery.endpoint as p
    on p.book_id = %(book_id)s
   and p.status = 'enabled'
   and p.created_at < e.at
   and exists (select
                 from unnest(p.types) as wanted(type)
                where e.type like replace(replace(wanted.type, '_', '\_'), '*', '%%'))
  left join delivery.delivery as d
    on d.book_id = %(book_id)s
   and d.endpoint_id = p.id
   and d.seq = e.seq
 where e.book_id = %(book_id)s
   and e.seq > %(after)s
   and e.seq <= %(through)s
   and e.type <> 'webhook_endpoint.test'
 group by 1
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
    connection: Connection, book_id: int, within: dt.timedelta, *, after: int, through: int
) -> dict[dt.datetime, Counts]:
    """Deliveries of the events behind `after` and up to `through`, by minute."""
    return await _counted(
        connection,
        WEBHOOK_DELIVERED,
        {"book_id": book_id, "within": within, "after": after, "through": through},
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
