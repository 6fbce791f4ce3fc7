"""Whatever is killed, the next start finds everything that was committed, and nothing in its way."""

import json
import os
import signal
import subprocess
from pathlib import Path

import psycopg
import pytest

from caudal_base.embedded import EmbeddedPostgres

from .conftest import QUICK, StartOwner, alive, eventually


def commit_row(dsn: str, number: int) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("create table if not exists kept (number integer)")
        connection.execute("insert into kept values (%s)", [number])


def cluster(directory: Path) -> Path:
    [path] = directory.glob("postgres-*")
    return path


def test_a_killed_postmaster_leaves_all_commits(data_directory: Path, start_owner: StartOwner) -> None:
    owner = start_owner(data_directory).wait_until_ready()
    commit_row(owner.dsn, 1)
    os.kill(owner.postmaster, signal.SIGKILL)
    assert (cluster(data_directory) / "postmaster.pid").exists()
    owner.kill()

    with (
        EmbeddedPostgres(data_directory, settings=QUICK) as server,
        psycopg.connect(server.dsn()) as connection,
    ):
        assert connection.execute("select number from kept").fetchall() == [(1,)]


@pytest.mark.parametrize("as_user", ["this", "ordinary"])
def test_a_killed_owner_takes_its_server_along_by_a_clean_shutdown(
    ordinary_directory: Path, start_owner: StartOwner, ordinary_uid: int | None, as_user: str
) -> None:
    directory = ordinary_directory
    uid = ordinary_uid if as_user == "ordinary" else None
    owner = start_owner(directory, uid=uid).wait_until_ready()
    commit_row(owner.dsn, 1)

    owner.kill()

    eventually(lambda: not alive(owner.postmaster))
    assert not (cluster(directory) / "postmaster.pid").exists()
    assert "database system is shut down" in (directory / "server.log").read_text().splitlines()[-1]
    restarted = start_owner(directory, uid=uid).wait_until_ready()
    with psycopg.connect(restarted.dsn) as connection:
        assert connection.execute("select number from kept").fetchall() == [(1,)]
    assert restarted.finished() == 0


def test_a_start_waits_for_the_server_of_a_killed_owner(
    data_directory: Path, start_owner: StartOwner
) -> None:
    owner = start_owner(data_directory).wait_until_ready()
    commit_row(owner.dsn, 1)
    # Stopped processes stay: the postmaster cannot act upon its owner's death yet.
    os.kill(owner.postmaster, signal.SIGSTOP)
    owner.kill()
    successor = start_owner(data_directory)
    eventually(lambda: (data_directory / "caudal.lock").read_text() == f"{successor.process.pid}\n")
    assert alive(owner.postmaster)

    os.kill(owner.postmaster, signal.SIGCONT)

    successor.wait_until_ready()
    assert not alive(owner.postmaster)
    assert successor.postmaster != owner.postmaster
    assert successor.finished() == 0


def test_backends_left_by_a_killed_postmaster_are_waited_for(
    data_directory: Path, start_owner: StartOwner
) -> None:
    owner = start_owner(data_directory).wait_until_ready()
    with psycopg.connect(owner.dsn) as connection:
        backend = connection.info.backend_pid
        os.kill(backend, signal.SIGSTOP)
        os.kill(owner.postmaster, signal.SIGKILL)
        owner.kill()
        eventually(lambda: not alive(owner.postmaster))
        successor = start_owner(data_directory)
        eventually(lambda: (data_directory / "caudal.lock").read_text() == f"{successor.process.pid}\n")
        assert alive(backend)
        os.kill(backend, signal.SIGCONT)

        assert successor.wait_until_ready().finished() == 0


def test_a_stale_pid_file_whose_number_is_now_a_strangers_is_no_obstacle(data_directory: Path) -> None:
    stranger = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    try:
        home = cluster(data_directory)
        pid_file = home / "postmaster.pid"
        pid_file.write_text(f"{stranger.pid}\n{home}\n0\n5432\n../socket\n\n 1 1\nready   \n")
        os.chown(pid_file, home.stat().st_uid, home.stat().st_gid)

        with EmbeddedPostgres(data_directory, settings=QUICK) as server:
            psycopg.connect(server.dsn()).close()

        assert stranger.poll() is None
    finally:
        stranger.communicate()


def test_leftovers_of_a_killed_owner_do_not_mislead(data_directory: Path, start_owner: StartOwner) -> None:
    owner = start_owner(data_directory).wait_until_ready()
    owner.kill()
    state = json.loads((data_directory / "server.json").read_text())
    assert state["pid"] == owner.process.pid

    joined = start_owner(data_directory, mode="attach_or_start").wait_until_ready()

    assert joined.said["postmaster"] is not None
    assert joined.finished() == 0


def test_a_first_start_that_was_killed_is_begun_anew(tmp_path: Path) -> None:
    directory = tmp_path / "data"
    half = directory / ".creating" / "cluster"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres(directory, settings=QUICK) as server:
        psycopg.connect(server.dsn()).close()

    assert not (directory / ".creating").exists()


def test_a_first_start_killed_before_its_database_was_made_is_completed(data_directory: Path) -> None:
    with (
        EmbeddedPostgres(data_directory, settings=QUICK) as server,
        psycopg.connect(server.dsn("postgres", role="postgres"), autocommit=True) as connection,
    ):
        connection.execute("drop database caudal")
        connection.execute("drop role caudal")

    with EmbeddedPostgres(data_directory, settings=QUICK) as server:
        psycopg.connect(server.dsn()).close()
