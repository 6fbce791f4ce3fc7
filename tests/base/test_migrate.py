import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from caudal.migrations import MIGRATIONS
from caudal_base.errors import Unavailable
from caudal_base.migrate import (
    ADVISORY_LOCK,
    MigrationRefused,
    Standing,
    inspect,
    migrate,
    read_migrations,
)

FIRST = "create schema shop; create table shop.item (price integer not null default 7 % 4);"
SECOND = "alter table shop.item add column name text;"


@pytest.fixture
def empty(server: Any) -> Iterator[str]:
    """The DSN of a database without any migration."""
    name = server.create_database()
    yield server.dsn(name)
    server.drop_database(name)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    (path / "__init__.py").touch()
    (path / "0001_shop.sql").write_text(FIRST)
    (path / "0002_name.sql").write_text(SECOND)
    return path


def query(dsn: str, statement: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(statement).fetchall()


def recorded(dsn: str) -> list[tuple[int, str]]:
    if not query(dsn, "select 1 from pg_tables where schemaname = 'migration'"):
        return []
    return [
        (number, name) for number, name in query(dsn, "select number, name from migration.applied order by 1")
    ]


def columns(dsn: str) -> list[str]:
    return [
        name
        for (name,) in query(
            dsn,
            "select column_name::text from information_schema.columns where table_schema = 'shop' order by 1",
        )
    ]


def test_files_are_applied_once_in_order_and_recorded_with_their_hash(empty: str, folder: Path) -> None:
    assert migrate(empty, folder) == ["0001_shop", "0002_name"]
    assert columns(empty) == ["name", "price"]
    assert query(empty, "select number, name, sha256 from migration.applied order by number") == [
        (1, "0001_shop", hashlib.sha256(FIRST.encode()).digest()),
        (2, "0002_name", hashlib.sha256(SECOND.encode()).digest()),
    ]
    assert migrate(empty, folder) == []


def test_only_what_is_new_is_applied(empty: str, folder: Path) -> None:
    migrate(empty, folder)
    (folder / "0003_more.sql").write_text("alter table shop.item add column more text;")
    assert migrate(empty, folder) == ["0003_more"]


def test_a_percent_sign_and_a_comment_are_left_alone(empty: str, folder: Path) -> None:
    (folder / "0003_like.sql").write_text(
        "-- 100 %s\ncreate view shop.v as select price % 2 as x from shop.item;"
    )
    migrate(empty, folder)
    assert query(empty, "select * from shop.v") == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("0004_gap.sql", "0004_gap: number 0003 is expected"),
        ("0002_again.sql", "0002_name: number 0003 is expected"),
        ("0000_zero.sql", "0000_zero: number 0001 is expected"),
        ("3_short.sql", "3_short.sql: a migration is named NNNN_name.sql"),
        ("0003-dash.sql", "0003-dash.sql: a migration is named NNNN_name.sql"),
        ("0003_Caps.sql", "0003_Caps.sql: a migration is named NNNN_name.sql"),
    ],
)
def test_gaps_duplicates_and_odd_names_are_refused_before_anything_is_done(
    empty: str, folder: Path, name: str, message: str
) -> None:
    (folder / name).write_text("select 1")
    with pytest.raises(MigrationRefused, match=message):
        migrate(empty, folder)
    assert recorded(empty) == []
    assert columns(empty) == []


def test_a_file_that_was_changed_after_it_was_applied_is_refused(empty: str, folder: Path) -> None:
    migrate(empty, folder)
    (folder / "0001_shop.sql").write_text(FIRST + "\n")
    (folder / "0003_more.sql").write_text("alter table shop.item add column more text;")
    with pytest.raises(MigrationRefused, match="0001_shop was changed after it was applied"):
        migrate(empty, folder)
    assert columns(empty) == ["name", "price"]


def test_a_file_that_was_renamed_after_it_was_applied_is_refused(empty: str, folder: Path) -> None:
    migrate(empty, folder)
    (folder / "0002_name.sql").rename(folder / "0002_other.sql")
    with pytest.raises(MigrationRefused, match="the database has 0002_name where 0002_other is expected"):
        migrate(empty, folder)


def test_a_file_that_fails_leaves_nothing_and_those_before_it_stay(empty: str, folder: Path) -> None:
    (folder / "0003_bad.sql").write_text("alter table shop.item add column more text;\nselect nonsense;")
    with pytest.raises(MigrationRefused, match='0003_bad: column "nonsense" does not exist'):
        migrate(empty, folder)
    assert recorded(empty) == [(1, "0001_shop"), (2, "0002_name")]
    assert columns(empty) == ["name", "price"]


@pytest.mark.parametrize("sql", ["commit;", "commit; begin;", "rollback; begin; select 1;"])
def test_a_file_that_ends_its_transaction_is_refused(empty: str, folder: Path, sql: str) -> None:
    (folder / "0003_bad.sql").write_text(sql)
    with pytest.raises(MigrationRefused, match="0003_bad must not begin or end transactions"):
        migrate(empty, folder)
    assert recorded(empty) == [(1, "0001_shop"), (2, "0002_name")]


def test_a_file_that_is_not_utf_8_is_refused(empty: str, folder: Path) -> None:
    (folder / "0003_bad.sql").write_bytes(b"select '\xff'")
    with pytest.raises(MigrationRefused, match="not UTF-8"):
        migrate(empty, folder)


def test_older_code_leaves_a_newer_database_alone_and_says_so(empty: str, folder: Path) -> None:
    migrate(empty, folder)
    (folder / "0002_name.sql").unlink()
    with capture_logs() as said:
        assert migrate(empty, folder) == []
    assert said == [{"event": "database_is_ahead", "log_level": "warning", "migrations": ["0002_name"]}]
    assert recorded(empty) == [(1, "0001_shop"), (2, "0002_name")]


def test_how_far_a_database_is_can_be_asked_without_changing_it(empty: str, folder: Path) -> None:
    assert inspect(empty, folder) == Standing(applied=[], missing=["0001_shop", "0002_name"], ahead=[])
    assert recorded(empty) == []
    migrate(empty, folder)
    (folder / "0003_more.sql").write_text("alter table shop.item add column more text;")
    assert inspect(empty, folder) == Standing(
        applied=["0001_shop", "0002_name"], missing=["0003_more"], ahead=[]
    )
    (folder / "0002_name.sql").unlink()
    (folder / "0003_more.sql").unlink()
    assert inspect(empty, folder) == Standing(
        applied=["0001_shop", "0002_name"], missing=[], ahead=["0002_name"]
    )
    (folder / "0001_shop.sql").write_text("edited")
    with pytest.raises(MigrationRefused, match="0001_shop was changed"):
        inspect(empty, folder)


def test_a_migration_that_waits_for_a_lock_gives_way_and_can_be_run_again(
    empty: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caudal_base.migrate._TRANSACTION", "set local lock_timeout = '50ms'")
    migrate(empty, folder)
    (folder / "0003_more.sql").write_text("alter table shop.item add column more text;")
    with psycopg.connect(empty) as busy:
        busy.execute("lock table shop.item in access share mode")
        with pytest.raises(Unavailable, match="try again"):
            migrate(empty, folder)
    assert migrate(empty, folder) == ["0003_more"]


def test_every_file_has_time_outs_of_its_own(empty: str, folder: Path) -> None:
    (folder / "0003_seen.sql").write_text(
        "create table shop.seen as select current_setting('lock_timeout') as lock_timeout,"
        " current_setting('statement_timeout') as statement_timeout;"
    )
    migrate(empty, folder)
    assert query(empty, "select * from shop.seen") == [("5s", "10min")]


def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path, folder: Path) -> None:
    for ask in (migrate, inspect):
        with pytest.raises(Unavailable):
            ask(f"host={tmp_path}", folder)


def test_a_role_that_may_not_create_is_refused_with_a_typed_error(empty: str, folder: Path) -> None:
    read_only = psycopg.conninfo.make_conninfo(empty, options="-c default_transaction_read_only=on")
    with pytest.raises(MigrationRefused, match="cannot be used"):
        migrate(read_only, folder)


def test_runners_that_come_together_apply_each_file_once(empty: str, folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: migrate(empty, folder), range(8)))
    assert sorted(results) == [[]] * 7 + [["0001_shop", "0002_name"]]
    assert recorded(empty) == [(1, "0001_shop"), (2, "0002_name")]


RUNNER = """
import pathlib, sys
from caudal_base.migrate import migrate
migrate(sys.argv[1], pathlib.Path(sys.argv[2]))
"""

# Runs until the gate is opened, in a transaction that has already changed something.
GATED = """
create table shop.half_done ();
do $$ begin
    while not exists (select from gate) loop perform pg_sleep(0.01); end loop;
end $$;
"""


def test_after_a_runner_was_killed_the_next_one_goes_on(empty: str, folder: Path) -> None:
    migrate(empty, folder)
    (folder / "0003_gated.sql").write_text(GATED)
    with psycopg.connect(empty, autocommit=True) as watcher:
        watcher.execute("create table public.gate (opened boolean)")
        runner = subprocess.Popen([sys.executable, "-c", RUNNER, empty, str(folder)])
        try:
            wait_until(watcher, "exists (select from pg_stat_activity where query like '%half_done%' and %s)")
        finally:
            os.kill(runner.pid, signal.SIGKILL)
            runner.wait()
        # The server notices by itself, though the statement is still running.
        wait_until(watcher, "not exists (select from pg_stat_activity where query like '%half_done%' and %s)")
        watcher.execute("insert into public.gate (opened) values (true)")
    assert recorded(empty) == [(1, "0001_shop"), (2, "0002_name")]
    assert migrate(empty, folder) == ["0003_gated"]


def wait_until(connection: psycopg.Connection[Any], condition: str) -> None:
    """Ask the server until `condition` holds; `%s` in it excludes the asking itself."""
    statement = "select " + condition.replace("%s", "pid <> pg_backend_pid()")
    while connection.execute(statement).fetchone() != (True,):
        pass


def test_the_lock_is_held_while_a_runner_works_and_given_back(empty: str, folder: Path) -> None:
    with psycopg.connect(empty, autocommit=True) as watcher:
        watcher.execute("select pg_advisory_lock(%s)", [ADVISORY_LOCK])
        with ThreadPoolExecutor(1) as pool:
            waiting = pool.submit(migrate, empty, folder)
            wait_until(
                watcher, "exists (select from pg_locks where locktype = 'advisory' and not granted and %s)"
            )
            assert recorded(empty) == []
            watcher.execute("select pg_advisory_unlock(%s)", [ADVISORY_LOCK])
            assert waiting.result() == ["0001_shop", "0002_name"]
        # The runner's connection is closed, and its server process gives the lock back as it ends.
        wait_until(watcher, f"pg_try_advisory_lock({ADVISORY_LOCK})")


def test_the_products_own_migrations_are_in_order_and_apply_to_an_empty_database(empty: str) -> None:
    names = [migration.name for migration in read_migrations(MIGRATIONS)]
    assert migrate(empty, MIGRATIONS) == names
    assert migrate(empty, MIGRATIONS) == []
