"""Several commands on one data directory: one of them runs the server, the others join it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from caudal_base.embedded import DirectoryInUse, EmbeddedError, EmbeddedPostgres, attach, attach_or_start

from .conftest import QUICK, StartOwner, alive, eventually


def test_alone_a_command_runs_the_server_for_its_own_duration(data_directory: Path) -> None:
    with attach_or_start(data_directory, settings=QUICK) as session:
        assert isinstance(session, EmbeddedPostgres)
        postmaster = session.pid
        psycopg.connect(session.dsn()).close()

    assert postmaster is not None
    assert not alive(postmaster)


def test_a_command_joins_the_running_server_and_leaves_it_running(
    data_directory: Path, start_owner: StartOwner
) -> None:
    owner = start_owner(data_directory).wait_until_ready()

    with attach_or_start(data_directory) as session:
        assert session.dsn() == owner.dsn
        assert session.directory == data_directory
        with psycopg.connect(session.dsn()) as connection:
            assert connection.execute("select 1").fetchone() == (1,)

    assert alive(owner.postmaster)
    psycopg.connect(owner.dsn).close()


def test_of_commands_that_begin_together_one_starts_and_all_work(
    data_directory: Path, start_owner: StartOwner
) -> None:
    owners = [start_owner(data_directory, mode="attach_or_start") for _ in range(4)]

    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda owner: owner.wait_until_ready(), owners))

    starters = [owner for owner in owners if owner.said["postmaster"] is not None]
    assert len(starters) == 1
    assert {owner.dsn for owner in owners} == {starters[0].dsn}
    for owner in owners:
        owner.finish()
    assert [owner.process.wait(20) for owner in owners] == [0, 0, 0, 0]
    assert not alive(starters[0].postmaster)


def test_a_command_that_started_the_server_waits_for_those_that_joined(
    data_directory: Path, start_owner: StartOwner
) -> None:
    starter = start_owner(data_directory, mode="attach_or_start").wait_until_ready()
    joined = start_owner(data_directory, mode="attach_or_start").wait_until_ready()

    starter.finish()
    eventually(lambda: not (data_directory / "server.json").exists())

    with psycopg.connect(joined.dsn) as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    assert starter.process.poll() is None
    assert joined.finished() == 0
    assert starter.process.wait(20) == 0
    assert not alive(starter.postmaster)


def test_a_newcomer_does_not_join_a_server_that_is_leaving(
    data_directory: Path, start_owner: StartOwner
) -> None:
    starter = start_owner(data_directory, mode="attach_or_start").wait_until_ready()
    joined = start_owner(data_directory, mode="attach_or_start").wait_until_ready()
    starter.finish()
    eventually(lambda: not (data_directory / "server.json").exists())

    newcomer = start_owner(data_directory, mode="attach_or_start")
    assert joined.finished() == 0

    newcomer.wait_until_ready()
    assert newcomer.said["postmaster"] not in (None, starter.postmaster)
    assert newcomer.finished() == 0


def test_a_directory_in_use_is_explained(data_directory: Path, start_owner: StartOwner) -> None:
    owner = start_owner(data_directory).wait_until_ready()

    with pytest.raises(DirectoryInUse, match=rf"in use by process {owner.process.pid}\b") as caught:
        EmbeddedPostgres(data_directory).start()

    assert caught.value.pid == owner.process.pid
    assert alive(owner.postmaster)


def test_a_start_may_wait_for_the_owner_to_leave(data_directory: Path, start_owner: StartOwner) -> None:
    owner = start_owner(data_directory).wait_until_ready()
    owner.finish()
    server = EmbeddedPostgres(data_directory, settings=QUICK)

    server.start(wait_seconds=20)

    assert server.pid != owner.postmaster
    server.stop()


def test_an_error_in_the_block_arrives_as_it_is_and_the_server_stops(data_directory: Path) -> None:
    postmasters = []

    def work() -> None:
        with attach_or_start(data_directory, settings=QUICK) as session:
            postmasters.append(session.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        work()

    assert [alive(pid) for pid in postmasters] == [False]
    assert caught.value.__context__ is None


def test_an_error_in_the_block_of_a_joined_session_arrives_as_it_is(
    data_directory: Path, start_owner: StartOwner
) -> None:
    owner = start_owner(data_directory).wait_until_ready()

    with pytest.raises(ZeroDivisionError) as caught, attach_or_start(data_directory):
        raise ZeroDivisionError

    assert caught.value.__context__ is None
    assert alive(owner.postmaster)


def test_attach_alone_starts_nothing(data_directory: Path) -> None:
    with pytest.raises(EmbeddedError, match="caudal up"), attach(data_directory):
        pass
