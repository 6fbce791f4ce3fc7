"""The rules of DESIGN.md section 5 ("Many machines"), held over the schema and over every statement.

1. `book_id` is not null, first in every primary key, unique constraint, foreign key and index, and never
   updated; identity columns are bigint.
2. Every statement has `book_id = <parameter>`.
3. READ COMMITTED and ordered row locks; no advisory locks, no NOTIFY.
4. No triggers, no volatile functions in UPDATE; ids are made by the client.
5. Constraints are named and added apart from columns. Every table has a primary key.

What keys, indexes and triggers there are is read from the catalogue of a migrated database, which cannot be
misread; how they were written, from the files; statements, from the literals of the code. Each rule is also
shown to refuse what breaks it.
"""

import importlib
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from caudal.migrations import MIGRATIONS
from caudal_base.database import constraint_errors
from support.sql_reading import Group, Token, cores, is_word, read, words
from support.sql_rules import Rules, modules, statement_breaches, statements

DIRECTORY = {
    "ledger.book": "the map of books, read once and never on the way of a request",
    "access.key": "keys reach several books: read before a book's transaction, never inside one",
}
"""Tables that belong to no book, and why. They need a primary key and names, and no more."""

EXCUSED = {
    ("bench/ledger_reads.py", "ids are made by the client"): "fills a throw-away database with history",
    ("bench/risk_world.py", "table features.cumulative: all books at once"): "of a throw-away database",
    ("ledger/queries_accounts.py", "a table that cannot be read: {source}"): (
        "two constants, both with `where book_id = %(book_id)s`"
    ),
    (
        "ledger/queries_accounts.py",
        "join ledger.account: book_id",
    ): "the other of the two: `using (book_id, …)`",
    (
        "features/offline.py",
        "a table that cannot be read: {relation}",
    ): "one book's events",
    ("ledger/queries_balances.py", "a table that cannot be read: {wanted}"): "`values` or `unnest`, no table",
}
"""Statements that may break a rule: (file, how the complaint begins) and why."""

ROOMS = (
    "access", "analytics", "anomalies", "audit", "cases", "customers", "delivery", "events", "features",
    "idempotency", "jobs", "ledger", "models", "objectives", "payments", "risk", "routing", "rules",
    "webhooks",
)  # fmt: skip


# The schema


def tables_of(connection: psycopg.Connection[Any]) -> list[str]:
    return [
        name
        for (name,) in connection.execute(
            """
            select table_schema || '.' || table_name
              from information_schema.tables
             where table_type = 'BASE TABLE'
               and table_schema not in ('pg_catalog', 'information_schema', 'migration')
             order by 1
            """
        )
    ]


# Each query gives (table, complaint) of every breach.
CATALOGUE_RULES = {
    "book_id is an integer and not null": """
        select c.oid, 'has no book_id integer not null'
          from pg_class c
         where c.relkind in ('r', 'p')
           and not exists (select from pg_attribute a
                            where a.attrelid = c.oid
                              and a.attname = 'book_id'
                              and a.atttypid = 'int4'::regtype
                              and a.attnotnull)
    """,
    "book_id leads every index": """
        select i.indrelid, 'has index ' || i.indexrelid::regclass || ', which book_id does not lead'
          from pg_index i
          left join pg_attribute a
            on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
         where a.attname is distinct from 'book_id'
    """,
    "book_id leads every foreign key": """
        select k.conrelid, 'has foreign key ' || k.conname || ', which book_id does not lead on both sides'
          from pg_constraint k
          join pg_attribute a
            on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
          join pg_attribute b
            on b.attrelid = k.confrelid and b.attnum = k.confkey[1]
         where k.contype = 'f'
           and (a.attname, b.attname) <> ('book_id', 'book_id')
    """,
    "identity columns are bigint": """
        select a.attrelid, 'has identity column ' || a.attname || ', which is no bigint'
          from pg_attribute a
         where a.attidentity <> ''
           and a.atttypid <> 'int8'::regtype
    """,
    "ids are made by the client": """
        select d.adrelid, 'has default ' || pg_get_expr(d.adbin, d.adrelid)
          from pg_attrdef d
         where pg_get_expr(d.adbin, d.adrelid) ~ 'nextval|uuid|random'
    """,
    "no triggers and no rules": """
        select t.tgrelid, 'has trigger ' || t.tgname from pg_trigger t where not t.tgisinternal
         union all
        select r.ev_class, 'has rule ' || r.rulename from pg_rewrite r
    """,
}

EVERYWHERE = {
    "every table has a primary key": """
        select c.oid, 'has no primary key'
          from pg_class c
         where c.relkind in ('r', 'p')
           and not exists (select from pg_index i where i.indrelid = c.oid and i.indisprimary)
    """,
}


def schema_breaches(connection: psycopg.Connection[Any], directory: Iterable[str]) -> list[str]:
    """What the tables of a migrated database have against the rules; `directory` is exempt from most."""
    tables = tables_of(connection)
    found = []
    for rules, bound in ((CATALOGUE_RULES, set(tables) - set(directory)), (EVERYWHERE, set(tables))):
        for query in rules.values():
            rows = connection.execute(
                "select n.nspname || '.' || c.relname, breach.complaint"
                f"  from ({query}) as breach (table_id, complaint)"
                "  join pg_class c on c.oid = breach.table_id"
                "  join pg_namespace n on n.oid = c.relnamespace"
                " order by 1, 2"
            )
            found += [f"{table} {complaint}" for table, complaint in rows if table in bound]
    return found


def test_the_schema_keeps_the_rules(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        tables = tables_of(connection)
        assert {table.partition(".")[0] for table in tables} == set(ROOMS)
        assert set(DIRECTORY) <= set(tables)
        assert schema_breaches(connection, DIRECTORY) == []


SOUND = """
    create schema shop;
    create table shop.item (
        book_id integer not null, id uuid not null, seq bigint not null generated always as identity
    );
    alter table shop.item add constraint item_pkey primary key (book_id, id);
"""


@pytest.mark.parametrize(
    ("ddl", "breach"),
    [
        ("alter table shop.item drop constraint item_pkey", "shop.item has no primary key"),
        (
            "alter table shop.item drop constraint item_pkey, alter column book_id drop not null",
            "shop.item has no book_id integer not null",
        ),
        (
            "alter table shop.item alter column book_id type bigint",
            "shop.item has no book_id integer not null",
        ),
        ("create table shop.other (id integer primary key)", "shop.other has no book_id integer not null"),
        (
            "create index item_seq on shop.item (seq, book_id)",
            "shop.item has index shop.item_seq, which book_id does not lead",
        ),
        (
            "alter table shop.item add constraint item_key unique (id)",
            "shop.item has index shop.item_key, which book_id does not lead",
        ),
        (
            "create index item_expression on shop.item ((book_id + 1))",
            "shop.item has index shop.item_expression, which book_id does not lead",
        ),
        (
            "alter table shop.item add column parent uuid, add constraint item_fkey"
            " foreign key (parent, book_id) references shop.item (id, book_id)",
            "shop.item has foreign key item_fkey, which book_id does not lead on both sides",
        ),
        (
            "alter table shop.item alter column seq drop identity, alter column seq type integer;"
            "alter table shop.item alter column seq add generated always as identity",
            "shop.item has identity column seq, which is no bigint",
        ),
        ("alter table shop.item add column n bigserial", "shop.item has default nextval"),
        (
            "alter table shop.item alter column id set default gen_random_uuid()",
            "shop.item has default gen_random_uuid()",
        ),
        (
            "create trigger t before update on shop.item for each row"
            " execute function suppress_redundant_updates_trigger()",
            "shop.item has trigger t",
        ),
        ("create rule r as on delete to shop.item do instead nothing", "shop.item has rule r"),
    ],
)
def test_a_schema_that_breaks_a_rule_is_refused(server: Any, ddl: str, breach: str) -> None:
    name = server.create_database()
    try:
        with psycopg.connect(server.dsn(name)) as connection:
            connection.execute(SOUND)
            assert schema_breaches(connection, []) == []
            if "foreign key" in ddl:
                connection.execute("create unique index item_reversed on shop.item (id, book_id)")
            connection.execute(ddl)
            assert any(said.startswith(breach) for said in schema_breaches(connection, []))
    finally:
        server.drop_database(name)


def test_a_directory_table_is_exempt_by_name_alone_but_needs_a_primary_key(server: Any) -> None:
    name = server.create_database()
    try:
        with psycopg.connect(server.dsn(name)) as connection:
            connection.execute("create schema shop; create table shop.map (id integer)")
            assert schema_breaches(connection, ["shop.map"]) == ["shop.map has no primary key"]
    finally:
        server.drop_database(name)


# How the schema is written


INLINE = ("primary", "unique", "check", "references", "constraint", "exclude")


def ddl_breaches(sql: str) -> Iterator[str]:
    """Constraints without a name or within a column's definition, and what makes triggers."""
    statement: list[Token | Group] = []
    for node in [*read(sql).nodes, Token("other", ";")]:
        if isinstance(node, Token) and node.text == ";":
            yield from _ddl_statement_breaches(statement)
            statement = []
        else:
            statement.append(node)


def _ddl_statement_breaches(nodes: list[Token | Group]) -> Iterator[str]:
    text = " ".join(node.text for node in nodes[:3] if isinstance(node, Token))
    if is_word(nodes[0] if nodes else None, "create"):
        if text.startswith("create table"):
            inline = {word for word in words(Group(nodes)) if word in INLINE}
            yield from (f"{text}: {word} within the table" for word in sorted(inline))
        if is_word(nodes[1], "trigger", "rule") or any(is_word(node, "trigger") for node in nodes):
            yield f"{text}: triggers and rules"
        if any(is_word(node, "index") and is_word(after, "on") for node, after in pairwise(nodes)):
            yield f"{text}: an index without a name"
    if text.startswith("alter table"):
        for node, after in pairwise([*nodes, None]):
            if is_word(node, "add") and not is_word(after, "constraint", "column"):
                yield f"{text}: a constraint without a name"
        if any(is_word(node, "column") for node in nodes):
            inline = {word for word in words(Group(nodes)) if word in INLINE}
            yield from (f"{text}: {word} within a column" for word in sorted(inline))


def test_constraints_are_named_and_added_apart_from_columns() -> None:
    files = [file for file in MIGRATIONS.iterdir() if file.name.endswith(".sql")]
    assert len(files) >= len(ROOMS)
    assert {file.name: list(ddl_breaches(file.read_text())) for file in files} == {
        file.name: [] for file in files
    }


@pytest.mark.parametrize(
    ("ddl", "breach"),
    [
        ("create table a.b (id integer primary key)", "create table a.b: primary within the table"),
        ("create table a.b (id integer unique)", "create table a.b: unique within the table"),
        ("create table a.b (id integer check (id > 0))", "create table a.b: check within the table"),
        ("create table a.b (id integer references a.c)", "create table a.b: references within the table"),
        (
            "create table a.b (id integer, constraint b_pkey primary key (id))",
            "create table a.b: constraint within the table",
        ),
        ("alter table a.b add primary key (id)", "alter table a.b: a constraint without a name"),
        ("alter table a.b add check (id > 0)", "alter table a.b: a constraint without a name"),
        ("alter table a.b add column c integer unique", "alter table a.b: unique within a column"),
        ("create index on a.b (c)", "create index on: an index without a name"),
        (
            "create or replace trigger t after insert on a.b execute function f()",
            "create or replace: triggers and rules",
        ),
        ("create rule r as on delete to a.b do nothing", "create rule r: triggers and rules"),
    ],
)
def test_a_file_that_breaks_a_rule_is_refused(ddl: str, breach: str) -> None:
    assert breach in list(ddl_breaches(f"select 1; -- primary key\n{ddl};"))


def ambiguous(connection: psycopg.Connection[Any], names: Iterable[str]) -> list[str]:
    """Those of `names` that are not the name of exactly one constraint."""
    rows = connection.execute("select conname::text from pg_constraint").fetchall()
    known = [name for (name,) in rows]
    return [name for name in names if known.count(name) != 1]


def test_every_constraint_that_has_a_typed_error_exists_and_is_the_only_one_of_its_name(dsn: str) -> None:
    for name, _ in modules():
        importlib.import_module(name)
    # Tests register constraints of their own.
    ours = [name for name, make in constraint_errors.items() if make.__module__.startswith("caudal.")]
    with psycopg.connect(dsn) as connection:
        assert ambiguous(connection, ours) == []
        assert ambiguous(connection, ["record_pkey", "no_such", "period_pkey"]) == ["no_such", "period_pkey"]


# The statements


@pytest.fixture(scope="module")
def rules(server: Any, migrated_template: str) -> Rules:
    with psycopg.connect(server.dsn(migrated_template)) as connection:
        tables = frozenset(tables_of(connection)) - set(DIRECTORY)
        rows = connection.execute(
            "select proname::text from pg_proc"
            " where provolatile = 'v' and pronamespace = 'pg_catalog'::regnamespace"
        )
        return Rules(tables, frozenset(name for (name,) in rows))


def is_excused(file: str, breach: str, excuse: tuple[str, str]) -> bool:
    return file == excuse[0] and breach.startswith(excuse[1])


def test_every_statement_keeps_the_rules(rules: Rules) -> None:
    found = [
        (file, line, breach)
        for file, line, text in statements()
        for breach in statement_breaches(text, rules)
    ]
    assert [
        f"{file}:{line}: {breach}"
        for file, line, breach in found
        if not any(is_excused(file, breach, excuse) for excuse in EXCUSED)
    ] == []
    # No excuse outlives its statement.
    assert [
        excuse for excuse in EXCUSED if not any(is_excused(file, breach, excuse) for file, _, breach in found)
    ] == []


@pytest.mark.parametrize(
    "sql",
    [
        "select seq from ledger.transfer where book_id = %(book_id)s and id = %(id)s",
        "select t.seq from ledger.transfer t where %s = t.book_id",
        "select from ledger.transfer t join ledger.hold as h on (h.book_id = t.book_id) where t.book_id = %s",
        "select from ledger.book where id = %(id)s",
        "select from ledger.hold h where h.book_id = %s and exists (select from ledger.transfer t"
        " where t.book_id = h.book_id and t.seq = h.seq)",
        "select from ledger.hold where book_id = %s union all select from ledger.hold h where book_id = %s",
        "  join ledger.account d on d.book_id = t.book_id and d.account_no = t.debit_account_no",
        "with due as (select seq from ledger.hold where book_id = %s order by seq for update)"
        " delete from ledger.hold h using due where h.book_id = %s and h.seq = due.seq",
        "insert into ledger.hold as h (book_id, seq) select %(book_id)s, u.seq from unnest(%(seqs)s) u(seq)"
        " on conflict (book_id, seq) do update set state = excluded.state",
        "insert into ledger.reversal (book_id, amount) values (%s, %s)",
        "copy ledger.transfer (book_id, seq) from stdin (format binary)",
        "update ledger.hold set state = 2, resolved_seq = coalesce(%s, 0) where book_id = %s",
        "select from ledger.book_head where book_id = %s for no key update",
        "select id from jobs.job where book_id = %s for update skip locked",
        "the books that we listen to; notify: nobody",
    ],
)
def test_a_statement_that_keeps_the_rules_is_accepted(rules: Rules, sql: str) -> None:
    assert list(statement_breaches(sql, rules)) == []


@pytest.mark.parametrize(
    ("sql", "breach"),
    [
        ("select from ledger.transfer where id = %s", "from ledger.transfer: book_id is no parameter"),
        ("select from ledger.transfer where book_id > %s", "from ledger.transfer: book_id is no parameter"),
        (
            "select from ledger.transfer where book_id = 1 + %s",
            "from ledger.transfer: book_id is no parameter",
        ),
        ("select '; where book_id = %s' from ledger.hold", "from ledger.hold: book_id is no parameter"),
        ("select from ledger.hold -- where book_id = %s", "from ledger.hold: book_id is no parameter"),
        (
            "select from ledger.transfer t join ledger.hold h on h.seq = t.seq where t.book_id = %s",
            "join ledger.hold: book_id is no parameter",
        ),
        (
            "select from ledger.transfer t join ledger.hold h on h.book_id = t.book_id",
            "from ledger.transfer: book_id is no parameter",
        ),
        (
            "select from ledger.transfer t, ledger.hold h where t.book_id = %s",
            "from ledger.hold: book_id is no parameter",
        ),
        (
            "select from ledger.hold h where h.book_id = %s"
            " and exists (select from ledger.transfer t where t.seq = h.seq)",
            "from ledger.transfer: book_id is no parameter",
        ),
        (
            "select from ledger.hold where book_id = %s union select from ledger.transfer",
            "from ledger.transfer: book_id is no parameter",
        ),
        (
            "with all_of as (select from ledger.hold) select from all_of",
            "from ledger.hold: book_id is no parameter",
        ),
        ("update ledger.hold set state = 2", "update ledger.hold: book_id is no parameter"),
        (
            "update ledger.hold h set state = 2 from ledger.transfer t"
            " where t.book_id = %s and h.book_id = t.book_id",
            "update ledger.hold: book_id is no parameter of the statement itself",
        ),
        ("delete from ledger.hold where seq = %s", "from ledger.hold: book_id is no parameter"),
        ("update ledger.hold set book_id = %s where book_id = %s", "book_id is updated"),
        ("update ledger.hold set state = 2, book_id = 3 where book_id = %s", "book_id is updated"),
        ("update ledger.hold set (seq, book_id) = (1, 2) where book_id = %s", "book_id is updated"),
        (
            "update jobs.job set run_at = clock_timestamp() where book_id = %s",
            "volatile in UPDATE: clock_timestamp",
        ),
        (
            "update jobs.job set attempts = (random() * 5)::int where book_id = %s",
            "volatile in UPDATE: random",
        ),
        (
            "insert into ledger.hold (seq, book_id) values (%s, %s)",
            "into ledger.hold: book_id is not the first column",
        ),
        (
            "insert into ledger.hold values (%s, %s)",
            "into ledger.hold: book_id is not the first column",
        ),
        (
            "insert into ledger.hold (book_id) select u.book_id from u",
            "into ledger.hold: book_id is no parameter",
        ),
        (
            "insert into jobs.job (book_id, id) values (%s, gen_random_uuid())",
            "ids are made by the client: gen_random_uuid",
        ),
        (
            "copy ledger.transfer (seq, book_id) from stdin",
            "into ledger.transfer: book_id is not the first column",
        ),
        ("truncate ledger.hold", "truncate ledger.hold: all books at once"),
        ("lock table ledger.hold in exclusive mode", "lock ledger.hold: all books at once"),
        (
            "select from ledger.account_state where book_id = %s for no key update",
            "rows are locked in no order",
        ),
        ("select from ledger.account_state where book_id = %s for share", "rows are locked in no order"),
        ("select pg_advisory_xact_lock(1)", "must not rest on pg_advisory_xact_lock"),
        ("select pg_notify('jobs', '')", "must not rest on pg_notify"),
        ("notify jobs", "must not rest on notify"),
        ("listen jobs", "must not rest on listen"),
        ("set transaction isolation level serializable", "must not rest on serializable"),
        ("select from {source} where book_id = %s", "a table that cannot be read: {source}"),
    ],
)
def test_a_statement_that_breaks_a_rule_is_refused(rules: Rules, sql: str, breach: str) -> None:
    assert breach in list(statement_breaches(sql, rules))


def test_there_are_statements_on_every_table_or_the_reading_of_them_is_broken(rules: Rules) -> None:
    used = {
        use.table
        for _, _, text in statements()
        for core in cores(read(text), rules.tables)
        for use in core.uses
    }
    assert used == rules.tables
