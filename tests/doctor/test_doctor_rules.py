"""What the doctor concludes from figures that no test can have: full disks, lost slots, ids that run out."""

import datetime as dt
import inspect
import re
from typing import Any

import psycopg
import pytest
import typer

from caudal.cli.root import COMMANDS
from caudal.doctor import Severity, rules, rules_server
from caudal.doctor.types import Clocks, Disk, Index, Settings, Slot, Work
from caudal.migrations import MIGRATIONS
from caudal_base.migrate import read_migrations

GIB = 1024**3


def told(found: Any) -> list[tuple[str, Severity]]:
    return [(one.code, one.severity) for one in found]


def test_the_indexes_that_the_migrations_make_are_those_that_a_migrated_database_has(dsn: str) -> None:
    expected = rules_server.expected_indexes([one.sql for one in read_migrations(MIGRATIONS)])

    with psycopg.connect(dsn) as connection:
        rows = connection.execute(
            """
            select n.nspname || '.' || c.relname
              from pg_index i
              join pg_class c on c.oid = i.indexrelid
              join pg_namespace n on n.oid = c.relnamespace
             where n.nspname not in ('pg_catalog', 'pg_toast', 'migration')
            """
        ).fetchall()

    assert set(expected) == {name for (name,) in rows}


def test_an_index_that_a_later_migration_drops_is_not_expected() -> None:
    made = """
    create table a.b (book_id integer not null);
    alter table a.b add constraint b_pkey primary key (book_id); -- create index not_one on a.b (x);
    create unique index b_x_key on a.b (book_id, x) where x > 0;
    create index b_y_idx on a.b (book_id, y);
    """
    later = "drop index a.b_y_idx; alter table a.b drop constraint b_pkey;"

    assert set(rules_server.expected_indexes([made])) == {"a.b_pkey", "a.b_x_key", "a.b_y_idx"}
    assert rules_server.expected_indexes([made, later]) == {
        "a.b_x_key": Index(
            name="a.b_x_key",
            table="a.b",
            statement="create unique index concurrently b_x_key on a.b (book_id, x) where x > 0",
        )
    }


@pytest.mark.parametrize(
    ("free", "found"),
    [
        (16, []),
        (14, [("disk_nearly_full", Severity.WARNING)]),
        (4, [("disk_nearly_full", Severity.CRITICAL)]),
    ],
)
def test_a_disk_is_nearly_full_below_15_percent_and_critical_below_5(free: int, found: Any) -> None:
    assert told(rules_server.disk(Disk(path="/data", total=100 * GIB, free=free * GIB))) == found


@pytest.mark.parametrize(
    ("active", "held", "lost", "found"),
    [
        (True, 90 * GIB, False, []),
        (False, GIB, False, []),
        (False, GIB + 1, False, [("slot_unread", Severity.CRITICAL)]),
        (True, 0, True, [("slot_lost", Severity.CRITICAL)]),
    ],
)
def test_a_slot_that_nobody_reads_or_that_is_lost_is_found(
    active: bool, held: int, lost: bool, found: Any
) -> None:
    slot = Slot(name="standby", active=active, held_bytes=held, lost=lost)

    assert told(rules_server.slots([slot])) == found


@pytest.mark.parametrize(
    ("age", "found"),
    [
        (400_000_000, []),
        (400_000_001, [("freezing_behind", Severity.WARNING)]),
        (1_500_000_001, [("freezing_behind", Severity.CRITICAL)]),
    ],
)
def test_transaction_ids_that_should_have_been_frozen_are_found(age: int, found: Any) -> None:
    assert told(rules_server.frozen(age, 200_000_000)) == found


@pytest.mark.parametrize(
    ("ahead", "within", "found"),
    [
        (1.0, 0.0, []),
        (1.5, 0.5, []),
        (-1.1, 0.0, [("clock_skew", Severity.WARNING)]),
        (31.0, 0.0, [("clock_skew", Severity.CRITICAL)]),
    ],
)
def test_clocks_disagree_by_what_the_reading_itself_does_not_explain(
    ahead: float, within: float, found: Any
) -> None:
    clocks = Clocks(other="the database", ahead_s=ahead, within_s=within)

    assert told(rules_server.clocks(clocks)) == found


def test_of_the_deployment_nobody_is_missed_since_what_is_regular_there_is_done_hourly() -> None:
    now = dt.datetime.now(dt.UTC)
    found = Work(periodic_at=now - dt.timedelta(minutes=50))

    assert told(rules.work(found, "", now, running=True)) == []
    assert told(rules.work(found, "main", now, running=True)) == [("worker_absent", Severity.CRITICAL)]


def test_a_server_that_may_lose_data_is_critical_and_missing_checksums_matter_in_production_only() -> None:
    found = Settings(version=18, values={"fsync": "off", "data_checksums": "off", "autovacuum": "on"})

    assert told(rules_server.settings(found, production=False)) == [("setting_dangerous", Severity.CRITICAL)]
    assert told(rules_server.settings(found, production=True)) == [
        ("setting_dangerous", Severity.CRITICAL),
        ("no_checksums", Severity.NOTICE),
    ]
    old = Settings(version=14, values={})
    assert told(rules_server.settings(old, production=False)) == [("server_too_old", Severity.CRITICAL)]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(90, "90 s"), (120, "2 min"), (7_199, "120 min"), (7_200, "2 h"), (172_800, "2 days")],
)
def test_spans_are_told_in_the_unit_that_fits(seconds: int, words: str) -> None:
    assert rules.in_words(dt.timedelta(seconds=seconds)) == words


def test_what_was_counted_no_further_is_told_so() -> None:
    assert rules.quantity(1, "job", "jobs") == "1 job"
    assert rules.quantity(1_000, "job", "jobs") == "1,000 jobs"
    assert rules.quantity(1_001, "job", "jobs") == "more than 1,000 jobs"


def test_every_command_that_a_remedy_names_exists() -> None:
    text = "".join(inspect.getsource(module) for module in (rules, rules_server))
    named = set(re.findall(r"caudal ((?:[a-z-]+ ?)+)", re.sub(r'"\s+f?"', "", text)))
    known = {path for name in COMMANDS for path in _commands(name)}

    assert len(named) > 10
    for words in named:
        first = words.split()
        assert any(" ".join(first[:size]) in known for size in (1, 2, 3)), words


def test_a_command_that_a_remedy_names_in_full_has_the_options_that_it_must_have_and_no_others() -> None:
    text = "".join(inspect.getsource(module) for module in (rules, rules_server))
    known = {path: command for name in COMMANDS for path, command in _commands(name).items()}
    with_options = [
        line.split("caudal ")[-1]
        for line in re.findall(r'caudal [^"]*?--[^";]*', re.sub(r'"\s+f?"', "", text))
    ]

    assert len(with_options) >= 8
    for line in with_options:
        words = line.split()
        path = next(" ".join(words[:size]) for size in (3, 2, 1) if " ".join(words[:size]) in known)
        options = [one for one in known[path].params if one.param_type_name == "option"]
        given = set(re.findall(r"--[a-z-]+", line))
        assert given <= {name for one in options for name in one.opts}, line
        assert all(given & {*one.opts} for one in options if one.required), line


def _commands(name: str) -> dict[str, Any]:
    """A command and all its verbs by their names: `webhooks in list`."""
    import importlib

    command = typer.main.get_command(importlib.import_module(COMMANDS[name][1]).app)
    below: dict[str, Any] = {}
    for verb, found in getattr(command, "commands", {}).items():
        below[f"{name} {verb}"] = found
        below |= {f"{name} {verb} {more}": one for more, one in getattr(found, "commands", {}).items()}
    return below or {name: command}
