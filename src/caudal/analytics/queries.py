"""The SQL of training sets, for DuckDB over an export and for PostgreSQL.

Both begin with relations of the same columns: `feature_events` (`ordinal`, `source`, `id`, `event_us`,
`known_us`, `entities`, `tags`, `vals`), `decided` (`id`, `of`, `subject`, `customer`, `as_of_us`, `ordinal`,
`facts`, `declined`), `told` (`subject`, `name`, `known_us`, `is_word`: what became known of whom, and whether
that says how it came out, or counts only where it is asked for). The rest is one text.
"""

from typing import Final

from caudal.analytics.types import Rows
from caudal.features import Aggregate, Dialect, Feature
from caudal.risk import SubjectOf

EXPORT_RELATIONS: Final = """
create or replace temp view history as
select ordinal, source, id, event_us, known_us, entities, tags, vals
  from feature_events;
create or replace temp view decided as
select id, "of", subject, customer, epoch_us(as_of) as as_of_us, ordinal, facts,
       outcome = 'decline' as declined
  from decisions;
create or replace temp view told as
select id as subject, source as name, known_us, false as is_word
  from feature_events
union all
select subject, kind, known_us, kind not like 'other_dispute%'
  from labels;
"""

EXPORT_FEATURE_SET: Final = """
select declared
  from feature_sets
 where version = ? or ?::bigint is null
 order by version desc
 limit 1
"""

FEATURE_SET: Final = """
select declared::text
  from features.feature_set
 where book_id = %(book_id)s
   and (version = %(version)s or %(version)s::integer is null)
 order by version desc
 limit 1
"""

BOOK: Final = """
select book_id
  from ledger.book
 where name = %(book)s
"""

RELATIONS: Final = """
history as (
select ordinal, source, id,
       (extract(epoch from event_at) * 1000000)::bigint as event_us,
       (extract(epoch from known_at) * 1000000)::bigint as known_us,
       entities, tags, values as vals
  from features.event
 where book_id = %(book_id)s
),
decided as (
select id::text as id, case of when 1 then 'payment' else 'application' end as "of", subject, customer,
       (extract(epoch from (data ->> 'as_of')::timestamptz) * 1000000)::bigint as as_of_us,
       (data ->> 'ordinal')::bigint as ordinal,
       (data -> 'served' -> 'facts')::jsonb as facts, outcome = 3 as declined
  from risk.decision
 where book_id = %(book_id)s
),
told as (
select id as subject, source as name, known_us, false as is_word
  from history
union all
select subject, kind, (extract(epoch from known_at) * 1000000)::bigint, kind not like 'other_dispute%%'
  from risk.label
 where book_id = %(book_id)s
)"""

_PAYMENT: Final = "payment"
_ENTITIES: Final = ("customer", "card", "device", "ip", "merchant")
_TAGS: Final = ("kind", "currency", "method", "country")

COLUMNS: Final = (
    "n", "subject", "as_of_us", "known", "customer", "amount", "currency", "facts", "label", "labelled_us",
)  # fmt: skip
"""Of the rows of a training set, but for what their features go by."""


class Words:
    """What the two dialects call things."""

    def __init__(self, dialect: Dialect) -> None:
        """Of a dialect."""
        self._duckdb = dialect is Dialect.DUCKDB

    def parameter(self, name: str) -> str:
        """A value that comes with the statement; a number."""
        return f"${name}::bigint" if self._duckdb else f"%({name})s::bigint"

    def text(self, column: str, name: str) -> str:
        """A member of a JSON object as a text."""
        return (
            f"json_extract_string({column}, '$.\"{name}\"')" if self._duckdb else f"({column} ->> '{name}')"
        )

    def object(self, column: str, prefix: str, names: tuple[str, ...]) -> str:
        """An object of members of another."""
        pairs = ", ".join(f"'{name}', {self.text(column, prefix + name)}" for name in names)
        return f"{'json_object' if self._duckdb else 'jsonb_build_object'}({pairs})"

    def names(self, parameter: str) -> str:
        """Whether a column is among texts that come with the statement."""
        return f"= any(${parameter}::varchar[])" if self._duckdb else f"= any(%({parameter})s::text[])"


def known_events(rows: Rows) -> str:
    """What features are computed of. Imported history: as if each had been known when it happened."""
    if rows is not Rows.HISTORY:
        return "select * from history"
    return (
        "select row_number() over (order by event_us, ordinal) as ordinal, source, id, event_us,\n"
        "       event_us as known_us, entities, tags, vals\n  from history"
    )


def asked(rows: Rows, words: Words) -> str:
    """The rows of a training set, of the relations and `known_events`.

    What was declined never had a chance to come to a bad end: without a word on it nobody knows its label.
    """
    limit = "(select coalesce(max(known_us), 0) from known_events)"
    if rows in (Rows.DECISIONS, Rows.APPLICATIONS):
        words_end = "(select coalesce(max(known_us), 0) from told)"
        limit = f"greatest({limit}, (select coalesce(max(as_of_us), 0) from decided), {words_end})"
    since, until, as_of = (words.parameter(name) for name in ("since", "until", "as_of"))
    maturity, is_bad = words.parameter("maturity"), words.names("labels")
    return f"""
with found as ({_found(rows, words)}
),
looked as (
select coalesce({as_of}, {limit}) as us
),
old_enough as (
select row_number() over (order by f.as_of_us, f.known, f.subject) as place, f.*, looked.us as looked_us
  from found f
 cross join looked
 where f.as_of_us + {maturity} <= looked.us
   and f.as_of_us >= coalesce({since}, f.as_of_us)
   and ({until} is null or f.as_of_us < {until})
),
words as (
select m.place as of_place, t.known_us, t.name {is_bad} as is_bad,
       row_number() over (partition by m.place order by t.known_us desc, t.name {is_bad} desc) as place
  from old_enough m
  join told t
    on t.subject = m.subject
 where t.known_us <= m.as_of_us + {maturity}
   and t.known_us <= m.looked_us
   and (t.is_word or t.name {is_bad})
)
select row_number() over (order by m.place) - 1 as n,
       m.subject, m.as_of_us, m.known, m.customer, m.amount, m.currency, m.facts, m.entities, m.tags,
       case when w.is_bad then 1 else 0 end as label,
       w.known_us as labelled_us
  from old_enough m
  left join words w
    on w.of_place = m.place
   and w.place = 1
 where not m.declined
    or w.known_us is not null"""


def _found(rows: Rows, words: Words) -> str:
    if rows is Rows.APPLICATIONS:
        return _APPLICATIONS
    return _decisions(words) if rows is Rows.DECISIONS else _payments(words)


_APPLICATIONS: Final = f"""
select d.subject, d.as_of_us, d.ordinal as known, d.customer, cast(null as bigint) as amount,
       cast(null as text) as currency, cast(d.facts as text) as facts, null as entities, null as tags,
       d.declined
  from decided d
 where d."of" = '{SubjectOf.APPLICATION.value}'"""


def _decisions(words: Words) -> str:
    def fact(name: str) -> str:
        return words.text("d.facts", f"payment.{name}")

    return f"""
select d.subject, d.as_of_us, d.ordinal as known, d.customer, cast({fact("amount")} as bigint) as amount,
       {fact("currency")} as currency, cast(null as text) as facts,
       coalesce(e.entities, {words.object("d.facts", "payment.", _ENTITIES)}) as entities,
       coalesce(e.tags, {words.object("d.facts", "payment.", _TAGS)}) as tags, d.declined
  from decided d
  left join history e
    on e.source = '{_PAYMENT}' and e.id = d.subject
 where d."of" = '{SubjectOf.PAYMENT.value}'"""


def _payments(words: Words) -> str:
    return f"""
select k.id as subject, k.known_us as as_of_us, k.ordinal - 1 as known,
       {words.text("k.entities", "customer")} as customer,
       cast({words.text("k.vals", "amount")} as bigint) as amount,
       {words.text("k.tags", "currency")} as currency, cast(null as text) as facts, k.entities, k.tags,
       coalesce({words.text("k.tags", "verdict")} = 'decline', false) as declined
  from known_events k
 where k.source = '{_PAYMENT}'"""


def parts(feature: Feature, found: str) -> str:
    """What `deriving.derived` reads, from the result of `features.query`: integers that floats can hold as
    such, greater ones as texts."""
    if feature.aggregate in (Aggregate.MIN, Aggregate.MAX, Aggregate.DISTINCT):
        return f"select r.n, cast(r.v as bigint) as value\n  from (\n{found}\n) r (n, v)"
    read = _READ[feature.aggregate]
    columns = ",\n       ".join(
        f"{_PARTS[name] if name in read else f'cast(null as {type_})'} as {name}"
        for name, type_ in _TYPES.items()
    )
    return f"""
select r.n, {columns}
  from (
{found}
       ) r (n, c, s, q, last_us)"""


_MOST: Final = 2**53

_PARTS: Final = {
    "events": "cast(r.c as bigint)",
    "total": f"case when abs(r.s) <= {_MOST} then cast(r.s as bigint) end",
    "squares": f"case when r.q <= {_MOST} then cast(r.q as bigint) end",
    "total_text": f"case when abs(r.s) > {_MOST} then cast(r.s as varchar) end",
    "squares_text": f"case when r.q > {_MOST} then cast(r.q as varchar) end",
    "last_us": "cast(r.last_us as bigint)",
}
_TYPES: Final = {
    "events": "bigint", "total": "bigint", "squares": "bigint", "total_text": "varchar",
    "squares_text": "varchar", "last_us": "bigint",
}  # fmt: skip

_TOTAL: Final = frozenset({"total", "total_text"})
_MEAN: Final = _TOTAL | {"events"}

# What nobody reads is not computed: each of them is a walk over all events.
_READ: Final = {
    Aggregate.COUNT: frozenset({"events"}),
    Aggregate.SUM: _TOTAL,
    Aggregate.MEAN: _MEAN,
    Aggregate.RATIO: _MEAN,
    Aggregate.STDDEV: _MEAN | {"squares", "squares_text"},
    Aggregate.SINCE_LAST: frozenset({"events", "last_us"}),
}
