"""What the simulation reads from the database of a run, and the one thing that it changes there."""

import asyncio
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from psycopg import Error

from caudal import jobs, routing
from caudal.payments import Attempt, Capture, Dispute, Payment, Refund
from caudal.routing import Figures, Version
from caudal_base.clock import SystemClock
from caudal_base.database import Connection, Database

T = TypeVar("T")

_AGAIN_S: Final = 0.05

# Nobody holds these claims any more: their worker has been killed. In real time the lease would run out.
# A claim of the moment of its death ends a lease later.
_END_CLAIMS: Final = """
update jobs.job
   set claimed_until = %(now)s
 where book_id = %(book_id)s
   and state = 'running'
   and claimed_until <= %(until)s
"""

# Pauses between tries grow to minutes where the machine was slow. When something was sent stays what it is.
_HURRY: Final = """
update jobs.job
   set run_at = %(now)s
 where book_id = %(book_id)s
   and queue = any(%(queues)s)
   and state = 'ready'
   and run_at > %(now)s
"""

# Whatever is still to be done at once. What waits for its time (timers, the next look at a partner) is not.
_UNREST: Final = """
select 'attempts that are ' || state, count(*)
  from payments.attempt
 where book_id = %(book_id)s
   and state in ('created', 'submitting', 'unknown')
 group by state
 union all
select 'webhooks that are received', count(*)
  from webhooks.inbound
 where book_id = %(book_id)s
   and state = 'received'
having count(*) > 0
 union all
select 'jobs of ' || queue || ' that are ' || state, count(*)
  from jobs.job
 where book_id = %(book_id)s
   and queue = any(%(queues)s)
   and (state in ('parked', 'running') or state = 'ready' and run_at <= %(soon)s)
 group by queue, state
"""

_ENDED: Final = """
select (
           select count(*)
             from payments.attempt
            where book_id = %(book_id)s
              and state not in ('created', 'submitting', 'unknown')
       ) + (
           select count(*)
             from webhooks.inbound
            where book_id = %(book_id)s
              and state <> 'received'
       )
"""

_STATES: Final = """
select state, count(*)
  from payments.payment
 where book_id = %(book_id)s
 group by state
"""

_PAYMENTS: Final = "select data::text from payments.payment where book_id = %(book_id)s order by id"
_ATTEMPTS: Final = "select data::text from payments.attempt where book_id = %(book_id)s order by id"
_CAPTURES: Final = "select data::text from payments.capture where book_id = %(book_id)s order by id"
_REFUNDS: Final = "select data::text from payments.refund where book_id = %(book_id)s order by id"
_DISPUTES: Final = "select data::text from payments.dispute where book_id = %(book_id)s order by id"

_ACCOUNTS: Final = """
select a.reference, a.currency, s.debits_posted, s.credits_posted, s.debits_pending, s.credits_pending
  from ledger.account as a
  join ledger.account_state as s on s.book_id = a.book_id and s.account_no = a.account_no
 where a.book_id = %(book_id)s
   and s.book_id = %(book_id)s
   and a.reference is not null
"""

_JOBS: Final = """
select queue, kind, state, run_at, payload::text, last_error
  from jobs.job
 where book_id = %(book_id)s
 order by seq
"""

_WEBHOOKS: Final = """
select state, partner, type, event_id, reason
  from webhooks.inbound
 where book_id = %(book_id)s
   and state in ('received', 'parked')
 order by id
"""

_REVIEWS: Final = """
select id
  from payments.payment
 where book_id = %(book_id)s
   and state = 'review'
 order by id
"""

_TABLES: Final = """
select n.nspname, c.relname
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
 where c.relkind = 'r'
   and n.nspname not in ('pg_catalog', 'information_schema')
 order by 1, 2
"""


class Balance(msgspec.Struct, frozen=True):
    """An account's counters."""

    reference: str
    currency: str
    debits: int
    """Posted."""
    credits: int
    debits_pending: int
    credits_pending: int

    @property
    def net_debit(self) -> int:
        """Posted debits less posted credits."""
        return self.debits - self.credits


class Job(msgspec.Struct, frozen=True):
    """A job that is in the table."""

    queue: str
    kind: str
    state: str
    run_at: dt.datetime
    payload: dict[str, Any]
    error: str | None


class Unsettled(msgspec.Struct, frozen=True):
    """A webhook that has not been applied."""

    state: str
    partner: str
    type: str
    event_id: str
    reason: str | None


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What the database of a run holds."""

    payments: dict[str, Payment]
    attempts: dict[str, Attempt]
    captures: dict[str, Capture]
    refunds: dict[str, Refund]
    disputes: dict[str, Dispute]
    balances: dict[str, Balance]
    """By the account's reference."""
    jobs: list[Job]
    webhooks: list[Unsettled]
    versions: Mapping[int, Version] = {}
    """The rule sets of routing."""
    figures: Sequence[Figures] = ()
    """What routing keeps of each lane."""


async def end_claims(database: Database, book_id: int, made_before: dt.datetime) -> None:
    """Let the leases of a dead worker's jobs end now and not after a minute: those `made_before` it died."""
    until = made_before + dt.timedelta(seconds=jobs.Options().lease_s)
    while True:
        now = SystemClock().now()
        try:
            async with database.connection() as connection:
                await connection.execute(_END_CLAIMS, {"book_id": book_id, "now": now, "until": until})
        except Error:  # the server may be down as well; it comes back
            await asyncio.sleep(_AGAIN_S)
        else:
            return


async def hurry(connection: Connection, book_id: int, queues: list[str]) -> None:
    """Let what waits for its next try be tried now."""
    await connection.execute(_HURRY, {"book_id": book_id, "queues": queues, "now": SystemClock().now()})


async def unrest(connection: Connection, book_id: int, queues: list[str]) -> dict[str, int]:
    """What is still going on, in words, with how many of it."""
    soon = SystemClock().now() + dt.timedelta(seconds=0.5)
    found = await connection.execute(_UNREST, {"book_id": book_id, "queues": queues, "soon": soon})
    return dict(await found.fetchall())


async def ended(connection: Connection, book_id: int) -> int:
    """How many attempts and webhooks have come to an end."""
    row = await (await connection.execute(_ENDED, {"book_id": book_id})).fetchone()
    return 0 if row is None else int(row[0])


async def states(connection: Connection, book_id: int) -> dict[str, int]:
    """Payments by state."""
    found = await connection.execute(_STATES, {"book_id": book_id})
    return dict(sorted(await found.fetchall()))


async def reviews(connection: Connection, book_id: int) -> list[str]:
    """The ids of payments that wait for a person, in hexadecimal digits."""
    found = await connection.execute(_REVIEWS, {"book_id": book_id})
    return [row[0].hex for row in await found.fetchall()]


async def balances(connection: Connection, book_id: int) -> dict[str, Balance]:
    """The accounts that have a reference."""
    found = await connection.execute(_ACCOUNTS, {"book_id": book_id})
    return {row[0]: Balance(*row) for row in await found.fetchall()}


async def read(connection: Connection, book_id: int) -> Stored:
    """Everything that the invariants are about."""
    jobs = await connection.execute(_JOBS, {"book_id": book_id})
    found = [
        Job(queue, kind, state, run_at, msgspec.json.decode(payload), error)
        for queue, kind, state, run_at, payload, error in await jobs.fetchall()
    ]
    webhooks = await connection.execute(_WEBHOOKS, {"book_id": book_id})
    versions, _ = await routing.list_versions(connection, book_id)
    today = SystemClock().now().date()
    return Stored(
        payments={each.id: each for each in await _all(connection, book_id, _PAYMENTS, Payment)},
        attempts={each.id: each for each in await _all(connection, book_id, _ATTEMPTS, Attempt)},
        captures={each.id: each for each in await _all(connection, book_id, _CAPTURES, Capture)},
        refunds={each.id: each for each in await _all(connection, book_id, _REFUNDS, Refund)},
        disputes={each.id: each for each in await _all(connection, book_id, _DISPUTES, Dispute)},
        balances=await balances(connection, book_id),
        jobs=found,
        webhooks=[Unsettled(*row) for row in await webhooks.fetchall()],
        versions={each.version: each for each in versions},
        figures=await routing.report(connection, book_id, today - dt.timedelta(days=1), today),
    )


async def tables(connection: Connection) -> list[tuple[str, str]]:
    """All tables, by schema and name."""
    return [(row[0], row[1]) for row in await (await connection.execute(_TABLES)).fetchall()]


async def contents(connection: Connection, schema: str, table: str) -> bytes:
    """All rows of a table in PostgreSQL's binary form, in which texts and bytes stand as they are."""
    statement = f'copy "{schema}"."{table}" to stdout (format binary)'.encode()
    async with connection.cursor() as cursor, cursor.copy(statement) as copy:
        return b"".join([bytes(part) async for part in copy])


async def _all(connection: Connection, book_id: int, statement: str, type: type[T]) -> list[T]:
    decoder = msgspec.json.Decoder(type)
    found = await connection.execute(statement.encode(), {"book_id": book_id})
    return [decoder.decode(row[0]) for row in await found.fetchall()]
