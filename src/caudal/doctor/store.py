"""The doctor's SQL: reads of all rooms' tables and of PostgreSQL's own, and no writes.

Each statement reads at most so many rows of each sort, by an index, whatever is there: it must cost little
on the worst of days.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Final, LiteralString
from uuid import UUID

from caudal.doctor.types import (
    MANY,
    Clocks,
    Connections,
    Endpoint,
    Group,
    Indexes,
    Open,
    Outage,
    Settings,
    Slot,
    Table,
    Transaction,
    Work,
)
from caudal_base import ids
from caudal_base.database import Connection

SETTINGS: Final = (
    "autovacuum", "data_checksums", "fsync", "full_page_writes", "synchronous_commit", "track_counts",
)  # fmt: skip

_SETTINGS: Final[LiteralString] = """
select current_setting('server_version_num')::integer / 10000, name, setting
  from pg_settings
 where name = any(%(names)s)
"""

_NOW: Final[LiteralString] = "select clock_timestamp()"

_DEAD: Final[LiteralString] = """
select kind, count(*), min(ended_at)
  from (
       select kind, ended_at
         from jobs.job
        where book_id = %(book_id)s
          and ended_at is not null
          and state = 'dead'
        order by ended_at, id
        limit %(many)s + 1
       ) as dead
 group by kind
 order by kind
"""

# The queues by hops from one to the next, since a list of all jobs grows with what is scheduled.
_OVERDUE: Final[LiteralString] = """
with recursive queue (name) as (
    (
        select queue
          from jobs.job
         where book_id = %(book_id)s
           and state = 'ready'
         order by queue
         limit 1
    )
    union all
    select (
           select job.queue
             from jobs.job as job
            where job.book_id = %(book_id)s
              and job.state = 'ready'
              and job.queue > queue.name
            order by job.queue
            limit 1
           )
      from queue
     where queue.name is not null
)
select queue.name, count(late.run_at), min(late.run_at)
  from queue
 cross join lateral (
       select job.run_at
         from jobs.job as job
        where job.book_id = %(book_id)s
          and job.state = 'ready'
          and job.queue = queue.name
          and job.run_at < %(before)s
        order by job.run_at
        limit %(many)s + 1
       ) as late
 where queue.name is not null
 group by queue.name
 order by queue.name
"""

_PERIODIC: Final[LiteralString] = "select max(started_at) from jobs.period where book_id = %(book_id)s"

_UNSETTLED: Final[LiteralString] = """
select id, partner, state, data ->> 'asked_at' is not null
  from payments.attempt
 where book_id = %(book_id)s
   and state in ('created', 'submitting', 'unknown')
   and updated_at < %(before)s
 order by updated_at
 limit %(many)s + 1
"""

_REVIEWS: Final[LiteralString] = """
select count(*), min(id::text)::uuid
  from (
       select id
         from payments.payment
        where book_id = %(book_id)s
          and state = 'review'
        order by id
        limit %(many)s + 1
       ) as review
"""

_ENDPOINTS: Final[LiteralString] = """
select endpoint.id,
       case when endpoint.status = 'disabled' then endpoint.reason end,
       case
           when endpoint.status = 'disabled' then endpoint.disabled_at
           when drive.failing_since < %(before)s then drive.failing_since
       end,
       case when endpoint.status = 'enabled' then drive.behind_since end
  from delivery.endpoint as endpoint
  join delivery.drive as drive
    on drive.book_id = endpoint.book_id
   and drive.endpoint_id = endpoint.id
 where endpoint.book_id = %(book_id)s
   and (endpoint.status = 'disabled' and endpoint.reason in ('gone', 'failing')
        or endpoint.status = 'enabled'
       and (drive.failing_since < %(before)s or drive.behind_since is not null))
 order by endpoint.id
 limit %(many)s
"""

_OUTAGES: Final[LiteralString] = """
select partner, reason, since
  from routing.outage
 where book_id = %(book_id)s
 order by partner
"""

_DRAINS: Final[LiteralString] = """
select partner, reason, since
  from routing.drain
 where book_id = %(book_id)s
 order by partner
"""

_CLOCKS: Final[LiteralString] = """
select partner, ahead_ms
  from routing.clock
 where book_id = %(book_id)s
   and measured_at > %(since)s
 order by partner
"""

_INDEXES: Final[LiteralString] = """
select n.nspname || '.' || c.relname, i.indisvalid and i.indisready
  from pg_index as i
  join pg_class as c on c.oid = i.indexrelid
  join pg_namespace as n on n.oid = c.relnamespace
 where n.nspname = any(%(schemas)s)
"""

_CONNECTIONS: Final[LiteralString] = """
select (select count(*) from pg_stat_activity where datname is not null),
       current_setting('max_connections')::integer
       - current_setting('superuser_reserved_connections')::integer,
       (select count(*) from pg_stat_activity where datname = current_database()),
       (select datconnlimit from pg_database where datname = current_database()),
       (select count(*) from pg_stat_activity where usename = current_user),
       (select rolconnlimit from pg_roles where rolname = current_user)
"""

# Of other roles' sessions the server shows when they began to those in pg_read_all_stats alone.
_TRANSACTION: Final[LiteralString] = """
select pid, name, since
  from (
       select pid, application_name as name, xact_start as since
         from pg_stat_activity
        where datname = current_database()
          and pid <> pg_backend_pid()
          and xact_start is not null
        union all
       select 0, gid, prepared
         from pg_prepared_xacts
        where database = current_database()
       ) as opened
 order by since
 limit 1
"""

# The formula by which autovacuum chooses: PostgreSQL's manual, section "The Autovacuum Daemon".
_TABLES: Final[LiteralString] = """
select stat.schemaname || '.' || stat.relname,
       n_dead_tup,
       (coalesce((options ->> 'autovacuum_vacuum_threshold')::float8,
                 current_setting('autovacuum_vacuum_threshold')::float8)
        + coalesce((options ->> 'autovacuum_vacuum_scale_factor')::float8,
                   current_setting('autovacuum_vacuum_scale_factor')::float8) * n_live_tup)::bigint,
       greatest(last_vacuum, last_autovacuum),
       coalesce((options ->> 'autovacuum_enabled')::boolean, true)
  from pg_stat_user_tables as stat
  join pg_class as c on c.oid = stat.relid
 cross join lateral (
       select coalesce(jsonb_object_agg(option_name, option_value), '{}') as options
         from pg_options_to_table(c.reloptions)
       ) as given
 where n_dead_tup >= %(least)s
    or not coalesce((options ->> 'autovacuum_enabled')::boolean, true)
"""

_FROZEN: Final[LiteralString] = """
select age(datfrozenxid), current_setting('autovacuum_freeze_max_age')::integer
  from pg_database
 where datname = current_database()
"""

_SLOTS: Final[LiteralString] = """
select slot_name,
       active,
       coalesce(pg_wal_lsn_diff(
           case when pg_is_in_recovery() then pg_last_wal_receive_lsn() else pg_current_wal_lsn() end,
           restart_lsn), 0)::bigint,
       coalesce(wal_status in ('lost', 'unreserved'), false)
  from pg_replication_slots
"""


async def settings(connection: Connection) -> Settings:
    """What the server is set to."""
    cursor = await connection.execute(_SETTINGS, {"names": list(SETTINGS)})
    rows = await cursor.fetchall()
    return Settings(version=rows[0][0], values={name: value for _, name, value in rows})


async def now(connection: Connection) -> dt.datetime:
    """The server's clock."""
    row = await (await connection.execute(_NOW)).fetchone()
    found: dt.datetime = (row or (None,))[0]
    return found


async def work(
    connection: Connection, book_id: int, book: str, *, before: dt.datetime, opened_at: dt.datetime | None
) -> Work:
    """A book's dead jobs, and those that were due before `before` and have not begun."""
    values = {"book_id": book_id, "before": before, "many": MANY}
    dead = await _groups(connection, _DEAD, values, book)
    overdue = await _groups(connection, _OVERDUE, values, book)
    row = await (await connection.execute(_PERIODIC, {"book_id": book_id})).fetchone()
    return Work(dead=dead, overdue=overdue, periodic_at=row[0] if row else None, opened_at=opened_at)


async def unsettled(connection: Connection, book_id: int, book: str, *, before: dt.datetime) -> Open:
    """A book's attempts of before `before` that have no outcome. How old one is its id says."""
    cursor = await connection.execute(
        _UNSETTLED, {"book_id": book_id, "before": before, "many": MANY}, binary=True
    )
    found: dict[str, dict[str, list[dt.datetime]]] = {"unknown": {}, "begun": {}, "asked": {}}
    for id, partner, state, asked in await cursor.fetchall():
        sort = "asked" if asked else "unknown" if state == "unknown" else "begun"
        found[sort].setdefault(partner, []).append(_moment(id))
    grouped = {
        sort: tuple(
            Group(book=book, name=partner, count=len(moments), oldest=min(moments))
            for partner, moments in sorted(by_partner.items())
        )
        for sort, by_partner in found.items()
    }
    return Open(**grouped)


async def reviews(connection: Connection, book_id: int, book: str) -> Group | None:
    """A book's payments that wait for a person's decision; `oldest` is when the first was created."""
    cursor = await connection.execute(_REVIEWS, {"book_id": book_id, "many": MANY})
    count, first = await cursor.fetchone() or (0, None)
    return None if not count else Group(book=book, name="review", count=count, oldest=_moment(first))


async def endpoints(
    connection: Connection, book_id: int, book: str, *, before: dt.datetime
) -> list[Endpoint]:
    """A book's endpoints that were disabled for failing, only failed since `before`, or are behind."""
    cursor = await connection.execute(_ENDPOINTS, {"book_id": book_id, "before": before, "many": MANY})
    return [
        Endpoint(book=book, id=ids.encode(ids.ENDPOINT, id), disabled=disabled, since=at, behind=behind)
        for id, disabled, since, behind_since in await cursor.fetchall()
        for at, behind in ((since, False), (behind_since, True))
        if at is not None
    ]


async def outages(connection: Connection, book_id: int, book: str) -> list[Outage]:
    """The partners that workers could not call when they last tried, and those that an operator drains."""
    found = []
    for statement, drained in ((_OUTAGES, False), (_DRAINS, True)):
        cursor = await connection.execute(statement, {"book_id": book_id})
        found += [
            Outage(book=book, partner=partner, reason=reason, since=since, drained=drained)
            for partner, reason, since in await cursor.fetchall()
        ]
    return found


async def clocks(connection: Connection, book_id: int, book: str, *, since: dt.datetime) -> list[Clocks]:
    """The clocks of partners, as workers have measured them by answers since then."""
    cursor = await connection.execute(_CLOCKS, {"book_id": book_id, "since": since})
    return [
        Clocks(other=f"{book}/{partner}", ahead_s=ahead_ms / 1_000, within_s=0.0)
        for partner, ahead_ms in await cursor.fetchall()
    ]


async def indexes(connection: Connection, schemas: Sequence[str]) -> Indexes:
    """The indexes in these schemas."""
    rows = await (await connection.execute(_INDEXES, {"schemas": list(schemas)})).fetchall()
    return Indexes(
        valid=frozenset(name for name, valid in rows if valid),
        invalid=frozenset(name for name, valid in rows if not valid),
    )


async def connections(connection: Connection) -> list[Connections]:
    """The connections of the server, the database and the role against the limits that there are."""
    row = await (await connection.execute(_CONNECTIONS)).fetchone() or (0, 0, 0, -1, 0, -1)
    found = zip(("server", "database", "role"), row[::2], row[1::2], strict=True)
    return [Connections(used=used, limit=limit, of=of) for of, used, limit in found if limit > 0]


async def oldest_transaction(connection: Connection) -> Transaction | None:
    """The oldest transaction that is open in this database, but our own."""
    row = await (await connection.execute(_TRANSACTION)).fetchone()
    return None if row is None else Transaction(pid=row[0], name=row[1], since=row[2])


async def tables(connection: Connection, *, least: int) -> list[Table]:
    """The tables of at least so many dead rows, and those that autovacuum leaves alone."""
    rows = await (await connection.execute(_TABLES, {"least": least})).fetchall()
    return [
        Table(name=name, dead=dead, allowed=allowed, vacuumed_at=at, enabled=enabled)
        for name, dead, allowed, at, enabled in rows
    ]


async def frozen(connection: Connection) -> tuple[int, int]:
    """The age of the database's oldest transaction id, and the one at which autovacuum must freeze."""
    row = await (await connection.execute(_FROZEN)).fetchone() or (0, 0)
    return row[0], row[1]


async def slots(connection: Connection) -> list[Slot]:
    """The server's replication slots."""
    rows = await (await connection.execute(_SLOTS)).fetchall()
    return [Slot(name=name, active=active, held_bytes=held, lost=lost) for name, active, held, lost in rows]


async def _groups(
    connection: Connection, statement: LiteralString, values: dict[str, object], book: str
) -> tuple[Group, ...]:
    rows = await (await connection.execute(statement, values)).fetchall()
    return tuple(Group(book=book, name=name, count=count, oldest=oldest) for name, count, oldest in rows)


def _moment(id: UUID) -> dt.datetime:
    return dt.datetime.fromtimestamp(ids.milliseconds_of(id) / 1000, dt.UTC)
