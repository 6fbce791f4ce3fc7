"""An embedded PostgreSQL: who may do what, on whichever path, as whichever user."""

import contextlib
import os
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from caudal_base.database import Database
from caudal_base.embedded import EmbeddedError, EmbeddedPostgres
from caudal_base.embedded.identity import Identity, binaries_for, installation

from .conftest import NAMELESS_UID, ORDINARY_UID, QUICK, SERVER_UID, StartOwner, alive, copied, eventually


def query(dsn: str, statement: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn, autocommit=True) as connection:
        return connection.execute(statement).fetchall()  # type: ignore[call-overload, no-any-return]


async def test_the_tests_database_belongs_to_an_ordinary_role(dsn: str, database: Database) -> None:
    [(role, superuser)] = query(dsn, "select current_user, current_setting('is_superuser')")

    assert (role, superuser) == ("caudal", "off") or "CAUDAL_TEST_DATABASE_URL" in os.environ
    async with database.connection() as connection:
        await connection.execute("select 1")


@pytest.fixture(scope="module")
def running(made_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server that tests look at, and leave as it is but for tables of their own."""
    directory = copied(made_directory, tmp_path_factory.mktemp("running") / "data")
    with EmbeddedPostgres(directory, settings=QUICK) as server:
        yield server
    shutil.rmtree(directory)


@contextlib.contextmanager
def moved(directory: Path, target: Path) -> Iterator[Path]:
    """The directory at another path, for the length of the block."""
    yield directory.rename(target)
    target.rename(directory)


def test_a_new_directory_becomes_a_server_with_a_database(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "new" / "data", settings=QUICK) as server:
        rows = query(server.dsn(), "select current_user, current_database(), pg_encoding_to_char(6)")

    assert rows == [("caudal", "caudal", "UTF8")]


def test_it_is_durable_and_checks_its_pages(running: EmbeddedPostgres) -> None:
    names = ("fsync", "full_page_writes", "synchronous_commit", "data_checksums", "listen_addresses")
    rows = query(running.dsn(), f"select name, setting from pg_settings where name in {names}")

    assert dict(rows) == {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
    }


def test_rows_survive_a_restart(data_directory: Path) -> None:
    server = EmbeddedPostgres(data_directory, settings=QUICK)
    server.start()
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("create table kept as select 42 as answer")
    server.stop()

    with server:
        assert query(server.dsn(), "select answer from kept") == [(42,)]


def test_the_service_is_no_superuser_and_stays_in_its_database(running: EmbeddedPostgres) -> None:
    rows = query(
        running.dsn(),
        "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
        "  from pg_roles where rolname = 'caudal'",
    )

    assert rows == [(False, False, False, False, False)]
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(running.dsn("postgres"))


@pytest.mark.parametrize("role", ["caudal", "postgres"])
def test_a_wrong_password_is_refused(running: EmbeddedPostgres, role: str) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(make_conninfo(running.dsn("caudal", role=role), password="guessed"))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(make_conninfo(running.dsn("caudal", role=role), password=""))


def test_passwords_are_generated_and_for_the_owner_alone(running: EmbeddedPostgres) -> None:
    password = str(conninfo_to_dict(running.dsn())["password"])
    path = running.directory / "passwords.json"

    assert len(password) >= 43  # 256 bits in base 64
    assert password in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((running.directory / "socket").stat().st_mode) == 0o700


def test_secrets_and_statements_stay_out_of_the_log(running: EmbeddedPostgres) -> None:
    with psycopg.connect(running.dsn(), autocommit=True) as connection:
        connection.execute("create table person (name text constraint person_once unique)")
        connection.execute("insert into person values ('Rosalind')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("insert into person values ('Rosalind')")

    log = (running.directory / "server.log").read_text()

    assert "person_once" in log
    assert "Rosalind" not in log
    assert str(conninfo_to_dict(running.dsn())["password"]) not in log


def test_settings_of_the_caller_go_over_ours(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory, settings={**QUICK, "work_mem": "5MB"}) as server:
        assert query(server.dsn(), "show work_mem") == [("5MB",)]


def test_two_directories_run_side_by_side_and_know_nothing_of_each_other(
    running: EmbeddedPostgres, tmp_path: Path
) -> None:
    with EmbeddedPostgres(tmp_path / "other", settings=QUICK) as other:
        with psycopg.connect(running.dsn()) as connection:
            connection.execute("create table here (number integer)")

        assert query(other.dsn(), "select to_regclass('here')") == [(None,)]
        mixed = make_conninfo(other.dsn(), password=str(conninfo_to_dict(running.dsn())["password"]))
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(mixed)


def test_a_path_too_long_for_a_socket_works(data_directory: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("a" * 60) / ("ü" * 60)
    deep.mkdir(parents=True)

    with (
        moved(data_directory, deep / "data") as directory,
        EmbeddedPostgres(directory, settings=QUICK) as server,
    ):
        sockets = Path(str(conninfo_to_dict(server.dsn())["host"]))
        assert query(server.dsn(), "select 1") == [(1,)]
        assert not sockets.is_relative_to(deep)
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700

    assert not sockets.exists()


@pytest.mark.parametrize("name", ["it's 100% $HOME", 'mine, "all" mine'])
def test_a_path_with_spaces_quotes_and_commas_works(
    data_directory: Path, open_place: Path, name: str
) -> None:
    with (
        moved(data_directory, open_place / name) as directory,
        EmbeddedPostgres(directory, settings=QUICK) as server,
    ):
        assert query(server.dsn(), "select 1") == [(1,)]


def test_nothing_is_left_running_and_nothing_lies_about(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory, settings=QUICK) as server:
        pid = server.pid
        assert (data_directory / "server.json").exists()

    assert pid is not None
    assert not alive(pid)
    assert server.pid is None
    assert not (data_directory / "server.json").exists()
    assert not list((data_directory / "socket").iterdir())
    with pytest.raises(EmbeddedError, match="is not running"):
        server.dsn()


def test_an_ordinary_user_runs_a_server(
    open_place: Path, start_owner: StartOwner, ordinary_uid: int | None
) -> None:
    owner = start_owner(open_place / "data", uid=ordinary_uid).wait_until_ready()

    assert query(owner.dsn, "select current_user") == [("caudal",)]
    uid = os.geteuid() if ordinary_uid is None else ordinary_uid
    assert Path(f"/proc/{owner.postmaster}").stat().st_uid == uid
    assert (open_place / "data").stat().st_uid == uid
    assert stat.S_IMODE((open_place / "data").stat().st_mode) == 0o700
    assert owner.finished() == 0


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about what root does")


@needs_root
def test_root_runs_the_server_as_another_user_below_a_closed_directory(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    with EmbeddedPostgres(closed / "data", settings=QUICK) as server:
        assert Path(f"/proc/{server.pid}").stat().st_uid == SERVER_UID
        assert query(server.dsn(), "select 1") == [(1,)]

    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert (closed / "data").stat().st_uid == 0
    assert stat.S_IMODE((closed / "data").stat().st_mode) == 0o711


@needs_root
def test_root_runs_a_users_directory_as_that_user_who_keeps_access(
    ordinary_directory: Path, start_owner: StartOwner
) -> None:
    directory = ordinary_directory

    by_root = start_owner(directory).wait_until_ready()
    assert Path(f"/proc/{by_root.postmaster}").stat().st_uid == ORDINARY_UID
    by_root.finished()

    assert start_owner(directory, uid=ORDINARY_UID).wait_until_ready().finished() == 0


@needs_root
def test_root_runs_the_server_of_a_nameless_users_directory_as_its_own_user(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    directory.mkdir(mode=0o700)
    os.chown(directory, NAMELESS_UID, NAMELESS_UID)

    for _ in range(2):
        with EmbeddedPostgres(directory, settings=QUICK) as server:
            assert Path(f"/proc/{server.pid}").stat().st_uid == SERVER_UID


@needs_root
def test_binaries_out_of_reach_are_copied_once_for_the_servers_user(tmp_path: Path, open_place: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    package = installation().parent
    for name in (package.name, f"{package.name}.libs"):
        (closed / name).symlink_to(package.with_name(name))
    closed_install = closed / package.name / "pginstall"
    nobody = Identity(ORDINARY_UID, ORDINARY_UID)

    first = binaries_for(nobody, install=closed_install, cache_dir=open_place / "cache")
    made = first.stat().st_mtime_ns
    second = binaries_for(nobody, install=closed_install, cache_dir=open_place / "cache")

    assert first.is_relative_to(open_place)
    assert (first / "postgres").exists()
    assert (second, second.stat().st_mtime_ns) == (first, made)
    assert binaries_for(nobody) == installation() / "bin"


def test_a_server_that_died_is_started_again(data_directory: Path) -> None:
    with EmbeddedPostgres(data_directory, settings=QUICK) as server:
        assert not server.supervise()
        before = server.pid
        assert before is not None
        os.kill(before, signal.SIGKILL)
        eventually(lambda: server.pid is None)

        assert server.supervise()

        assert server.pid not in (None, before)
        assert query(server.dsn(), "select 1") == [(1,)]
