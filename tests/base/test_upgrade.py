"""A data directory of an older major version moves to ours whole, or not at all."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psycopg
import pytest

from caudal_base.backup import BackupError, back_up
from caudal_base.embedded import DirectoryInUse, EmbeddedPostgres, VersionMismatch, process
from caudal_base.embedded.fingerprint import fingerprint
from caudal_base.embedded.identity import Identity, server_major
from caudal_base.embedded.layout import Layout, write_json
from caudal_base.embedded.server import Role, connection_string, make_socket_dir
from caudal_base.embedded.tuning import PORT
from caudal_base.upgrade import UpgradeError, upgrade

from .conftest import QUICK, SERVER_UID, StartOwner, copied, eventually

OLD_BIN = Path("/usr/lib/postgresql/15/bin")

if not OLD_BIN.exists():  # in CI the package is installed, and its absence a fault
    if os.environ.get("CI") == "true":
        raise RuntimeError(f"PostgreSQL 15 is not installed in {OLD_BIN}: install postgresql-15")
    pytest.skip(f"PostgreSQL 15 is not installed in {OLD_BIN}", allow_module_level=True)

IDENTITY = Identity(SERVER_UID, SERVER_UID) if os.geteuid() == 0 else Identity(os.geteuid(), os.getegid())
PASSWORDS = {"postgres": "the-superusers", "caudal": "the-services"}

UPGRADE = """
import sys
from pathlib import Path
from caudal_base.upgrade import upgrade
upgrade(Path(sys.argv[1]))
"""

CONTENT = """
create schema ledger;
create type ledger.side as enum ('debit', 'credit');
create table ledger.book (id integer generated always as identity, name text not null unique);
create table ledger.transfer (
    book_id integer not null,
    id bigint generated always as identity,
    side ledger.side not null default 'debit',
    amount numeric(20, 2) not null check (amount > 0),
    rate double precision,
    at timestamptz not null default '2026-11-22 13:15:00.123456+00',
    details jsonb not null default '{}',
    leaf bytea not null default '\\x00ff'
);
alter table ledger.transfer add constraint transfer_key primary key (book_id, id);
create index transfer_details on ledger.transfer using gin (details);
create view ledger.total as select book_id, sum(amount) from ledger.transfer group by 1;
create function ledger.answer() returns integer language sql return 42;
insert into ledger.book (name) values ('Zürich'), ('Äpfel'), ('zebra'), ('Ängström');
insert into ledger.transfer (book_id, amount, rate, details)
    select n % 4 + 1, n, n / 7.0, jsonb_build_object('n', n) from generate_series(1, 5000) as n;
"""


def server_of(directory: Path, cluster: Path) -> subprocess.Popen[bytes]:
    sockets = make_socket_dir(Layout.of(directory), IDENTITY)
    log = directory / "server.log"
    settings = {"listen_addresses": "", "port": str(PORT)}
    server = process.launch(
        OLD_BIN, cluster, socket_dir=sockets, identity=IDENTITY, settings=settings, log=log
    )
    process.await_ready(server, cluster, log=log, log_start=0)
    return server


def dsn_of(directory: Path, dbname: str, role: Role = "postgres") -> str:
    layout = Layout.of(directory)
    return connection_string(layout, make_socket_dir(layout, IDENTITY), dbname=dbname, role=role)


@pytest.fixture(scope="session")
def made_old_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a Caudal that brought PostgreSQL 15 would have left: a stopped cluster with a ledger's rows."""
    directory = tmp_path_factory.mktemp("old") / "data"
    cluster = directory / "postgres-15"
    cluster.mkdir(parents=True, mode=0o700)
    directory.chmod(0o711)
    IDENTITY.own(cluster)
    write_json(directory / "passwords.json", PASSWORDS)
    with tempfile.NamedTemporaryFile("w", dir="/tmp") as password_file:
        password_file.write(PASSWORDS["postgres"])
        password_file.flush()
        IDENTITY.own(Path(password_file.name))
        home = os.open(cluster, os.O_PATH)
        command: list[str | Path] = [OLD_BIN / "initdb", "-D", f"/proc/self/fd/{home}"]
        command += ["--username=postgres", f"--pwfile={password_file.name}", "--auth=scram-sha-256"]
        command += ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en"]
        subprocess.run(
            [*command, "--no-sync"],
            cwd="/",
            stdout=subprocess.DEVNULL,
            pass_fds=(home,),
            check=True,
            **IDENTITY.popen(),
        )
        os.close(home)
    server = server_of(directory, cluster)
    with psycopg.connect(dsn_of(directory, "postgres"), autocommit=True) as connection:
        connection.execute(f"create role caudal login password '{PASSWORDS['caudal']}'")
        connection.execute("create role auditor")
        connection.execute("create database caudal owner caudal")
        connection.execute("alter database caudal set work_mem = '7MB'")
    with psycopg.connect(dsn_of(directory, "caudal", "caudal"), autocommit=True) as connection:
        connection.execute(CONTENT)
        connection.execute("grant usage on schema ledger to auditor")
    process.stop(server)
    return directory


@pytest.fixture
def old_directory(made_old_directory: Path, tmp_path: Path) -> Path:
    return copied(made_old_directory, tmp_path / "data")


def content_of_old(directory: Path) -> object:
    server = server_of(directory, directory / "postgres-15")
    try:
        return fingerprint(dsn_of(directory, "caudal"))
    finally:
        process.stop(server)


def old_place(directory: Path) -> dict[str, Any]:
    """Makes it look as if the old cluster's WAL had been delivered to a place."""
    place = directory.parent / "place"
    place.mkdir()
    write_json(place / "caudal-backup.json", {"key": "k", "system_identifier": "1"})
    archive = {"place": str(place), "key": "k", "deliver": True}
    write_json(directory / "archive.json", archive)
    return archive


def test_everything_moves_and_the_old_data_stays(old_directory: Path) -> None:
    before = content_of_old(old_directory)
    archive = old_place(old_directory)

    report = upgrade(old_directory, old_bin=OLD_BIN)

    assert report is not None
    assert (report.from_major, report.to_major) == (15, server_major())
    assert (report.databases, report.tables, report.rows) == (["caudal", "postgres"], 2, 5004)
    assert report.resorted == ["caudal", "postgres"]
    assert report.kept == str(old_directory / "postgres-15")
    with EmbeddedPostgres(old_directory, settings=QUICK) as server:
        assert fingerprint(server.dsn(role="postgres")) == before
        with psycopg.connect(server.dsn()) as connection:
            facts = connection.execute(
                "select current_user, current_setting('work_mem'), ledger.answer(),"
                "       current_setting('server_version_num')::integer / 10000,"
                "       has_schema_privilege('auditor', 'ledger', 'usage'),"
                "       current_setting('data_checksums'),"
                "       (select array_agg(name order by name) from ledger.book)"
            ).fetchone()
            added = connection.execute(
                "insert into ledger.transfer (book_id, amount) values (1, 1) returning id"
            ).fetchone()
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(server.dsn("postgres"))
    by_code_point = ["Zürich", "zebra", "Ängström", "Äpfel"]
    assert facts == ("caudal", "7MB", 42, server_major(), True, "on", by_code_point)
    assert added == (5001,)
    assert content_of_old(old_directory) == before
    assert not (old_directory / ".upgrading").exists()

    assert not (old_directory / "archive.json").exists()

    shutil.rmtree(old_directory / "postgres-15")
    with EmbeddedPostgres(old_directory, settings=QUICK) as server:
        assert fingerprint(server.dsn(role="postgres")).tables["ledger.transfer"][0] == 5001
        # Also an upgrade that was killed before it removed this mixes no new WAL among the old.
        write_json(old_directory / "archive.json", archive)
        with pytest.raises(BackupError, match="another data directory"):
            back_up(server, Path(archive["place"]))


def test_upgrading_again_changes_nothing(data_directory: Path) -> None:
    assert upgrade(data_directory, old_bin=OLD_BIN) is None


def test_an_upgrade_that_was_killed_leaves_the_old_data_and_runs_again(
    old_directory: Path, start_owner: StartOwner
) -> None:
    before = content_of_old(old_directory)
    running = subprocess.Popen([sys.executable, "-c", UPGRADE, str(old_directory)])
    new_pid_file = old_directory / ".upgrading" / f"postgres-{server_major()}" / "postmaster.pid"
    eventually(new_pid_file.exists)
    running.kill()
    running.wait()

    owner = start_owner(old_directory)
    assert "was written by PostgreSQL 15" in owner.last_words()
    report = upgrade(old_directory, old_bin=OLD_BIN)

    assert report is not None
    assert report.rows == 5004
    assert content_of_old(old_directory) == before


def test_a_copy_that_differs_is_not_taken(old_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lossy(what: str) -> None:
        if what == "comparing caudal":
            with psycopg.connect(dsn_of(old_directory / ".upgrading", "caudal")) as connection:
                connection.execute("update ledger.book set name = 'zebrA' where name = 'zebra'")

    with pytest.raises(UpgradeError, match=r"differs from the original: ledger\.book$"):
        upgrade(old_directory, old_bin=OLD_BIN, progress=lossy)

    assert sorted(path.name for path in old_directory.glob("*postgres*")) == ["postgres-15"]
    assert not (old_directory / ".upgrading").exists()


def test_what_our_postgresql_cannot_hold_is_named(old_directory: Path) -> None:
    server = server_of(old_directory, old_directory / "postgres-15")
    with psycopg.connect(dsn_of(old_directory, "caudal")) as connection:
        connection.execute('create table german (name text collate "de-x-icu")')
    process.stop(server)

    with pytest.raises(UpgradeError, match="de-x-icu"):
        upgrade(old_directory, old_bin=OLD_BIN)


def test_the_old_versions_programs_are_needed(old_directory: Path, tmp_path: Path) -> None:
    with pytest.raises(UpgradeError, match="Only the programs of PostgreSQL 15 can read this data"):
        upgrade(old_directory, old_bin=tmp_path)


def test_programs_of_another_version_are_refused(old_directory: Path) -> None:
    (old_directory / "postgres-15" / "PG_VERSION").write_text("14\n")

    with pytest.raises(UpgradeError, match="holds PostgreSQL 15; the data is of 14"):
        upgrade(old_directory, old_bin=OLD_BIN)


def test_a_newer_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "postgres-99").mkdir()
    (tmp_path / "postgres-99" / "PG_VERSION").write_text("99\n")

    with pytest.raises(VersionMismatch, match="Use the newer Caudal"):
        upgrade(tmp_path)


def test_a_directory_in_use_is_not_upgraded(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory, settings=QUICK), pytest.raises(DirectoryInUse):
        upgrade(data_directory)


def test_a_directory_without_a_database_is_explained(tmp_path: Path) -> None:
    with pytest.raises(UpgradeError, match="holds no database"):
        upgrade(tmp_path)
