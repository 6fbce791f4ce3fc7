"""What a database holds, in a form that two servers of different versions can be compared by."""

import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import TupleRow

_USER_SCHEMAS = "n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg\\_toast%'"

_TABLES = f"""
select n.nspname, c.relname
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
 where c.relkind in ('r', 'm')
   and c.relpersistence <> 't'
   and {_USER_SCHEMAS}
 order by 1, 2
"""

_SEQUENCES = f"""
select n.nspname, c.relname
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
 where c.relkind = 'S'
   and {_USER_SCHEMAS}
 order by 1, 2
"""

# Constraints of type n (not null) have rows of their own since PostgreSQL 18 only.
_OBJECTS = f"""
select 'relation ' || c.relkind::text, count(*)
  from pg_class as c
  join pg_namespace as n on n.oid = c.relnamespace
 where {_USER_SCHEMAS}
 group by 1
 union all
select 'constraint ' || c.contype::text, count(*)
  from pg_constraint as c
  join pg_namespace as n on n.oid = c.connamespace
 where c.contype <> 'n'
   and {_USER_SCHEMAS}
 group by 1
 union all
select 'function', count(*)
  from pg_proc as p
  join pg_namespace as n on n.oid = p.pronamespace
 where {_USER_SCHEMAS}
 union all
select 'trigger', count(*)
  from pg_trigger
 where not tgisinternal
 union all
select 'large object', count(*)
  from pg_largeobject_metadata
"""

# md5 gives the same on every version; the sum does not care in which order the rows come.
_ROWS = """
select count(*), coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0)::text
  from only {} as t
"""

_SAME_TEXT = """
set timezone = 'UTC';
set datestyle = 'ISO, YMD';
set intervalstyle = 'postgres';
set bytea_output = 'hex';
set extra_float_digits = 1;
set xmloption = 'content';
"""
"""Settings that decide how values print."""


class Fingerprint(msgspec.Struct, frozen=True):
    """Per table its count of rows and the sum of their digests; sequences' states; counts of objects."""

    tables: dict[str, tuple[int, str]]
    sequences: dict[str, tuple[int, bool]]
    objects: dict[str, int]

    def diff(self, other: "Fingerprint") -> str:
        """The names of what differs, for people."""
        differing = []
        for mine, theirs in (
            (self.tables, other.tables),
            (self.sequences, other.sequences),
            (self.objects, other.objects),
        ):
            differing += [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]
        return ", ".join(sorted(differing))


def fingerprint(dsn: str) -> Fingerprint:
    """Reads every row of one database. Raises psycopg.Error."""
    with psycopg.connect(dsn) as connection:
        connection.execute(_SAME_TEXT)
        return Fingerprint(
            tables={
                f"{schema}.{name}": _one(connection, _ROWS, schema, name)
                for schema, name in connection.execute(_TABLES).fetchall()
            },
            sequences={
                f"{schema}.{name}": _one(connection, "select last_value, is_called from {}", schema, name)
                for schema, name in connection.execute(_SEQUENCES).fetchall()
            },
            objects=dict(connection.execute(_OBJECTS).fetchall()),
        )


def _one(connection: psycopg.Connection[TupleRow], statement: str, schema: str, name: str) -> TupleRow:
    row = connection.execute(sql.SQL(statement).format(sql.Identifier(schema, name))).fetchone()
    return row or ()
