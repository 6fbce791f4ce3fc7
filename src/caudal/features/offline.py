"""Features of the past, as SQL: what a decision would have seen, for many moments at once.

The same text runs on DuckDB (over exported Parquet) and on PostgreSQL. It gives exact integers; `value` makes
the features of them with the function that serves them online, so that both have the same bits.

A window is not searched event by event. Of all that was known at the moment (running sums in the order in
which things became known) is taken off what had happened by the window's beginning (running sums in the order
in which they happened). What had happened by then but was not known yet was not in the first, and is put
back: events that were late by more than the window, found by their lateness.
"""

import datetime as dt
import enum
from collections.abc import Iterator, Sequence
from typing import Final

from caudal.features import rules
from caudal.features.types import Aggregate, Feature, Filter, Kind, Series, Sums, Value

_MICROSECONDS: Final = 1_000_000
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Dialect(enum.Enum):
    """Whose SQL."""

    DUCKDB = "duckdb"
    POSTGRESQL = "postgresql"


def query(feature: Feature, dialect: Dialect, *, events: str, asked: str) -> str:
    """The statement that finds what a feature is made of.

    `events` is a relation of `ordinal`, `source`, `event_us`, `known_us` (microseconds since 1970) and the
    JSON objects `entities`, `tags`, `vals`; `asked` one of `n`, `known` (the ordinal of the newest event that
    was known), `as_of_us`, `entities`, `tags`. The result has a row for each `n` whose entities are there:
    `n`, then `events`, `total`, `squares`, `last_us` for sums; `value` for the others.
    """
    series = rules.series_of(feature)
    words = _Words(dialect)
    ctes = [
        f"e as (\n{words.events(series, events)}\n)",
        f"a as (\n{words.asked(feature, series, asked)}\n)",
    ]
    match series.kind:
        case Kind.SUMS:
            return _with([*ctes, *_sums(feature, words)]) + _sums_result(feature)
        case Kind.EXTREMES:
            return _with(ctes) + _extremes(feature, series, words)
        case Kind.MEMBERS:
            return _with(ctes) + _MEMBERS


def summed_series(feature: Feature) -> Series | None:
    """What features have in common whose sums `series_sums` reads from one set of tables; None: no sums."""
    series = rules.series_of(feature)
    return series if series.kind is Kind.SUMS else None


def series_tables(feature: Feature, *, events: str, asked: str) -> list[str]:
    """For DuckDB: statements that make the temporary tables from which `series_sums` reads a series.

    Relations as for `query`. What is searched for each window is then a running sum, and not all events
    again: a window costs two joins by time (ASOF), however many events there are of a key.
    """
    series = rules.series_of(feature)
    words = _Words(Dialect.DUCKDB)
    key, relation = words.key(series, "x"), asked
    running = "over (partition by key order by place rows unbounded preceding)"
    sums = f"sum(c) {running} as c, sum(s) {running} as s, sum(q) {running} as q"
    return [
        f"create temp table series_text as {words.events(series, events)}",
        "create temp table series_keys as select row_number() over () as key, key as text\n"
        "  from (select distinct key from series_text)",
        "create temp table series_events as\n"
        "select k.key, t.ordinal, t.event_us, t.known_us, cast(t.v as hugeint) as v\n"
        "  from series_text t\n  join series_keys k\n    on k.text = t.key",
        "drop table series_text",
        "create temp table series_asked as\n"
        f"select k.key, x.n, x.known, x.as_of_us\n  from {relation} x\n"
        f"  left join series_keys k\n    on k.text = {key}\n where {key} is not null",
        f"create temp table series_known as\nselect key, place, {sums}, max(event_us) {running} as last_us\n"
        "  from (select key, ordinal as place, 1 as c, v as s, v * v as q, event_us\n"
        "          from series_events) each_event",
        f"create temp table series_happened as\nselect key, place, {sums}\n"
        "  from (select key, event_us as place, count(*) as c, sum(v) as s, sum(v * v) as q\n"
        "          from series_events\n         group by 1, 2) each_moment",
    ]


DROP_SERIES_TABLES: Final = tuple(
    f"drop table if exists series_{name}" for name in ("text", "keys", "events", "asked", "known", "happened")
)
"""Statements that throw away what `series_tables` has made."""


def series_sums(feature: Feature) -> str:
    """For DuckDB: what `query` gives, from the tables of the feature's series."""
    delay, window = _delay_us(feature), _window_us(feature)
    until = f"a.as_of_us - {delay}"
    known = "a.known" if not delay else until
    parts = [("k", "known" if not delay else "happened", known), ("b", "happened", f"{until} - {window}")]
    joined = "\n".join(
        f"  asof left join series_{table} {name}\n    on {name}.key = a.key\n   and {name}.place <= {bound}"
        for name, table, bound in parts
    )
    late = [("l", f"{until} - {window}", delay + window)] + ([("m", until, delay)] if delay else [])
    ctes = ",\n".join(
        f"late_{name} as (\nselect a.n, count(*) as c, sum(e.v) as s, sum(e.v * e.v) as q\n"
        f"  from series_asked a\n  join series_events e\n    on e.key = a.key\n   and e.ordinal > a.known\n"
        f"   and e.event_us <= {bound}\n   and e.known_us - e.event_us >= {lag}\n group by a.n\n)"
        for name, bound, lag in late
    )
    found = ", ".join(
        f"coalesce(k.{c}, 0) - coalesce(b.{c}, 0) + coalesce(l.{c}, 0)"
        + (f" - coalesce(m.{c}, 0)" if delay else "")
        for c in "csq"
    )
    last = "cast(null as bigint)" if delay else "k.last_us"
    lates = "\n".join(f"  left join late_{name} {name}\n    on {name}.n = a.n" for name, _, _ in late)
    return f"with {ctes}\nselect a.n, {found}, {last}\n  from series_asked a\n{joined}\n{lates}"


def value(feature: Feature, row: Sequence[int | None], as_of: dt.datetime, own: int | None) -> Value:
    """The feature's value, from a row of `query` without its `n`. `own` as for `rules.value_of`."""
    if rules.series_of(feature).kind is not Kind.SUMS:
        return row[0]
    events, total, squares, last_us = row
    last = None if last_us is None else _EPOCH + dt.timedelta(microseconds=last_us)
    sums = Sums(int(events or 0), int(total or 0), int(squares or 0))
    return rules.value_of(feature, sums, last, as_of, own)


class _Words:
    """What the two dialects call things."""

    def __init__(self, dialect: Dialect) -> None:
        self._duckdb = dialect is Dialect.DUCKDB
        self.exact = "hugeint" if self._duckdb else "numeric"

    def text(self, column: str, name: str) -> str:
        """A member of a JSON object as a text."""
        return f"json_extract_string({column}, '$.{name}')" if self._duckdb else f"({column} ->> '{name}')"

    def whole(self, us: str, length_us: int) -> str:
        """The number of a bucket."""
        return f"({us}) {'//' if self._duckdb else '/'} {length_us}"

    def key(self, series: Series, of: str) -> str:
        """The key of a series; null where a part of it is not there."""
        parts = [self.text(f"{of}.entities", entity.value) for entity in series.by]
        parts += [self.text(f"{of}.tags", tag) for tag in series.same]
        return " || ' ' || ".join(f"length({part}) || ':' || {part}" for part in parts)

    def events(self, series: Series, relation: str) -> str:
        """Events of a series: their key, times, value."""
        measured = "0"
        conditions = [f"{self.key(series, 'x')} is not null", *self._conditions(series.of)]
        if series.kind is Kind.MEMBERS:
            name = series.value or ""
            of = "x.entities" if name in rules.ENTITIES else "x.tags"
            measured = self.text(of, name)
            conditions.append(f"coalesce({measured}, '') <> ''")
        elif series.value is not None:
            measured = f"cast({self.text('x.vals', series.value)} as bigint)"
            conditions.append(f"{measured} is not null")
        wanted = "\n   and ".join(conditions)
        return (
            f"select {self.key(series, 'x')} as key, x.ordinal, x.event_us, x.known_us, {measured} as v\n"
            f"  from {relation} x\n where {wanted}"
        )

    def _conditions(self, wanted: Filter) -> Iterator[str]:
        yield f"x.source in ({', '.join(map(_quoted, wanted.source))})"
        for tag, choices in wanted.where.items():
            yield f"{self.text('x.tags', tag)} in ({', '.join(map(_quoted, choices))})"
        for name, bound in wanted.at_least.items():
            yield f"cast({self.text('x.vals', name)} as bigint) >= {int(bound)}"
        for name, bound in wanted.below.items():
            yield f"cast({self.text('x.vals', name)} as bigint) < {int(bound)}"

    def asked(self, feature: Feature, series: Series, relation: str) -> str:
        """What is asked: its key, and the window's ends in microseconds."""
        until = f"x.as_of_us - {_delay_us(feature)}"
        return (
            f"select {self.key(series, 'x')} as key, x.n, x.known,\n"
            f"       {until} - {_window_us(feature)} as after_us, {until} as until_us\n"
            f"  from {relation} x\n where {self.key(series, 'x')} is not null"
        )


def _sums(feature: Feature, words: _Words) -> Iterator[str]:
    """Everything known, less what had happened by the beginning, more what of that was not known yet."""
    exact = words.exact
    ends = ["after"] + (["until"] if _delay_us(feature) else [])
    if len(ends) == 1:
        yield _running("known_at_all", "ordinal", "known", exact)
    for end in ends:
        yield _running(f"by_{end}", "event_us", f"{end}_us", exact)
        lag_us = _delay_us(feature) + (_window_us(feature) if end == "after" else 0)
        yield (
            f"late_{end} as (\n"
            f"select a.n, count(*) as c, sum(cast(e.v as {exact})) as s,\n"
            f"       sum(cast(e.v as {exact}) * e.v) as q\n"
            f"  from a\n  join e on e.key = a.key\n"
            f"   and e.ordinal > a.known\n   and e.event_us <= a.{end}_us\n"
            f"   and e.known_us - e.event_us >= {lag_us}\n group by a.n\n)"
        )


def _running(name: str, order: str, bound: str, exact: str) -> str:
    """Sums up to a bound, for everything that is asked: events and questions in one order, events first."""
    over = "over (partition by key order by place, is_asked rows unbounded preceding)"
    return f"""{name} as (
select n, c, s, q, last_us
  from (select n,
               sum(1 - is_asked) {over} as c,
               sum(v) {over} as s,
               sum(v * v) {over} as q,
               max(event_us) {over} as last_us
          from (select key, {order} as place, 0 as is_asked, null as n, cast(v as {exact}) as v, event_us
                  from e
                union all
                select key, {bound}, 1, n, 0, null
                  from a) both_of_them
       ) running
 where n is not null
)"""


def _sums_result(feature: Feature) -> str:
    """What the parts of the sums come to."""
    if not _delay_us(feature):
        return f"""
select n, {_less("k", "b", "l")}, k.last_us
  from known_at_all k
  join by_after b using (n)
  left join late_after l using (n)"""
    return f"""
select n, {_less("k", "b", "l", minus="m")}, cast(null as bigint)
  from by_until k
  join by_after b using (n)
  left join late_after l using (n)
  left join late_until m using (n)"""


def _less(known: str, before: str, late: str, minus: str | None = None) -> str:
    return ", ".join(
        f"{known}.{c} - {before}.{c} + coalesce({late}.{c}, 0)"
        + ("" if minus is None else f" - coalesce({minus}.{c}, 0)")
        for c in "csq"
    )


def _extremes(feature: Feature, series: Series, words: _Words) -> str:
    """Whole buckets where all of one was known, and else those of its events that were."""
    function = "min" if feature.aggregate is Aggregate.MIN else "max"
    length = series.grain_s * _MICROSECONDS
    inside = f"k.bucket > {words.whole('a.after_us', length)}"
    if _delay_us(feature):
        inside += f"\n           and k.bucket <= {words.whole('a.until_us', length)}"
    return f""",
k as (
select key, {words.whole("event_us", length)} as bucket, {function}(v) as v, max(ordinal) as newest
  from e
 group by 1, 2
)
select n, {function}(v)
  from (select a.n, k.v
          from a
          join k
            on k.key = a.key
           and {inside}
           and k.newest <= a.known
        union all
        select a.n, e.v
          from a
          join k
            on k.key = a.key
           and {inside}
           and k.newest > a.known
          join e
            on e.key = k.key
           and {words.whole("e.event_us", length)} = k.bucket
           and e.ordinal <= a.known) parts
 group by n"""


_MEMBERS: Final = f"""
select a.n, least(count(distinct e.v), {rules.MOST_DISTINCT})
  from a
  left join e
    on e.key = a.key
   and e.event_us > a.after_us
   and e.ordinal <= a.known
 group by a.n"""


def _with(ctes: Sequence[str]) -> str:
    return "with " + ",\n".join(ctes)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _window_us(feature: Feature) -> int:
    return rules.seconds_of(feature.window) * _MICROSECONDS


def _delay_us(feature: Feature) -> int:
    return rules.seconds_of(feature.delay) * _MICROSECONDS
