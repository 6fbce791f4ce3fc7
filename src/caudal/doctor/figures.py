"""Figures of a book for its measurements: what waits, what is open, what was told. Reads, and no writes.

As all of the doctor's reads each is bounded and goes by an index: they are made every few seconds.
"""

import datetime as dt
from typing import Final, LiteralString

import msgspec

from caudal import anomalies, cases, events, jobs, risk, routing
from caudal.objectives import Watched, watched
from caudal_base import arrays
from caudal_base.database import Connection

MOST: Final = 10_000
"""What is counted is counted up to here."""

MOST_EVENTS: Final = 20_000
"""Events that one reading counts; what is more is counted by the next ones."""

OPEN_STATES: Final = (
    "authorised", "cancelling", "capturing", "incrementing", "processing", "requires_action", "review",
    "scheduled",
)  # fmt: skip

_OPEN: Final[LiteralString] = """
select s.state,
       (select count(*)
          from (select
                  from payments.payment as p
                 where p.book_id = %(book_id)s
                   and p.state = s.state
                   and p.state <> 'succeeded'
                 limit %(most)s) as counted)
  from unnest(%(states)s) as s(state)
"""

_UNSETTLED: Final[LiteralString] = """
select partner, state, count(*), min(updated_at)
  from (
       select partner, state, updated_at
         from payments.attempt
        where book_id = %(book_id)s
          and state in ('created', 'submitting', 'unknown')
        order by updated_at
        limit %(most)s
       ) as unsettled
 group by partner, state
 order by partner, state
"""

_TOLD: Final[LiteralString] = """
select e.type,
       case when e.object_type = 'payment' then e.data ->> 'kind' end,
       case when e.object_type = 'payment' then e.data ->> 'partner' end,
       case when e.object_type = 'payment' then e.data -> 'failure' ->> 'class' end,
       count(*)
  from events.event as e
 where e.book_id = %(book_id)s
   and e.seq > %(after)s
   and e.seq <= %(through)s
 group by 1, 2, 3, 4
"""


class Unsettled(msgspec.Struct, frozen=True, kw_only=True):
    """Calls to a partner whose outcome is not known: how many, and since when the oldest."""

    partner: str
    state: str
    count: int
    oldest: dt.datetime


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """How many events of a type were told; of payments by kind, partner and class of failure too."""

    type: str
    kind: str | None
    partner: str | None
    failure: str | None
    count: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a book."""

    at: dt.datetime
    jobs: list[jobs.Backlog]
    open_payments: dict[str, int]
    """By state; up to `MOST`."""
    unsettled: list[Unsettled]
    told: list[Told]
    """Since the seq that was asked for."""
    told_through: int
    objectives: list[Watched]
    cases: list[cases.OpenCount]
    """Open ones by kind and severity; of the `MOST` that are due first."""
    anomalies: list[anomalies.Behind]
    """Of each stream that is watched."""
    features: risk.Behind
    """How far features and labels are behind."""
    routed: list[routing.Figures]
    """Of the present day, UTC, by lane."""


async def figures(
    connection: Connection, book_id: int, *, told_after: int | None, now: dt.datetime
) -> Figures:
    """A book's figures; events are those behind the seq `told_after`, or none the first time (None)."""
    head = await (await events.queue_head(connection, book_id)).finish()
    after = head if told_after is None else told_after
    through = min(head, after + MOST_EVENTS)
    states = {"book_id": book_id, "states": arrays.texts(OPEN_STATES), "most": MOST}
    opened = await (await connection.execute(_OPEN, states)).fetchall()
    unsettled = await connection.execute(_UNSETTLED, {"book_id": book_id, "most": MOST})
    rows = await unsettled.fetchall()
    told: list[Told] = []
    if through > after:
        cursor = await connection.execute(_TOLD, {"book_id": book_id, "after": after, "through": through})
        told = [
            Told(type=type_, kind=kind, partner=partner, failure=failure, count=count)
            for type_, kind, partner, failure, count in await cursor.fetchall()
        ]
    return Figures(
        at=now,
        jobs=await jobs.operators.backlog(connection, book_id=book_id),
        open_payments=dict(opened),
        unsettled=[
            Unsettled(partner=partner, state=state, count=count, oldest=oldest)
            for partner, state, count, oldest in rows
        ],
        told=told,
        told_through=through,
        objectives=await watched(connection, book_id),
        cases=await cases.open_counts(connection, book_id, now=now, most=MOST),
        anomalies=await anomalies.behind(connection, book_id),
        features=await risk.behind(connection, book_id),
        routed=await routing.report(connection, book_id, now.date(), now.date()),
    )
