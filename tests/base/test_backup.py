"""Backups and what comes back out of them: everything, or the state at a point in time, to the row."""

import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from caudal_base.backup import BackupError, BackupReport, Place, back_up, delivery_status
from caudal_base.embedded import (
    DirectoryInUse,
    DirectoryUnusable,
    EmbeddedPostgres,
    Session,
    VersionMismatch,
    attach,
    attach_or_start,
)
from caudal_base.embedded.layout import read_json, write_json
from caudal_base.restore import restore

from .conftest import QUICK, StartOwner, copied, eventually


def write(dsn: str, number: int) -> datetime:
    """Commits a row, and tells a time after its commit and before any later one."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("create table if not exists written (number integer)")
        connection.execute("insert into written values (%s)", [number])
        row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    return row[0]


def written(directory: Path) -> list[int]:
    with EmbeddedPostgres(directory, settings=QUICK) as server, psycopg.connect(server.dsn()) as connection:
        return [number for (number,) in connection.execute("select number from written order by number")]


def switch_wal(server: Session) -> None:
    """Ends the WAL segment."""
    with psycopg.connect(server.dsn("postgres", role="postgres"), autocommit=True) as connection:
        connection.execute("select pg_logical_emit_message(false, 'test', '')")
        connection.execute("select pg_switch_wal()")


def received_all(server: Session) -> bool:
    """Whether the place has all WAL that there is."""
    status = delivery_status(server)
    return status is not None and status.delivering and status.behind_bytes == 0


def files(directory: Path) -> dict[str, int]:
    return {str(path.relative_to(directory)): path.lstat().st_size for path in directory.rglob("*")}


@pytest.fixture
def running(own_directory: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(own_directory, settings=QUICK) as server:
        yield server


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "place"


@dataclass(frozen=True)
class Delivered:
    """Row 1, a backup, row 2, a noted time, row 3, and all WAL in the place; the original is lost."""

    place: Path
    report: BackupReport
    passwords: bytes
    noted: datetime


@pytest.fixture(scope="session")
def delivered(made_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    """To be read only; tests that break something break a copy."""
    root = tmp_path_factory.mktemp("delivered")
    copied(made_directory, root / "data")
    with EmbeddedPostgres(root / "data", settings=QUICK) as server:
        write(server.dsn(), 1)
        report = back_up(server, root / "place")
        noted = write(server.dsn(), 2)
        for _ in range(2):
            switch_wal(server)
        write(server.dsn(), 3)
    passwords = (root / "data" / "passwords.json").read_bytes()
    shutil.rmtree(root / "data")
    return Delivered(root / "place", report, passwords, noted)


@pytest.fixture
def breakable(delivered: Delivered, place: Path) -> Path:
    """A copy of the delivered place, to remove files of and to replace them, not to write into them."""
    subprocess.run(["cp", "-al", str(delivered.place), str(place)], check=True)
    return place


def test_the_drill(delivered: Delivered, tmp_path: Path) -> None:
    """Write, back up, write, note the time, write, lose all: each restore has exactly its rows."""
    then = restore(delivered.place, tmp_path / "then", at=delivered.noted)
    latest = restore(delivered.place, tmp_path / "latest")

    assert delivered.report.delivering
    assert written(tmp_path / "then") == [1, 2]
    assert written(tmp_path / "latest") == [1, 2, 3]
    assert then.backup == latest.backup == delivered.report.backup
    assert then.last_transaction_at is not None
    assert latest.last_transaction_at is not None
    assert then.last_transaction_at <= delivered.noted < latest.last_transaction_at
    passwords = tmp_path / "latest" / "passwords.json"
    assert passwords.read_bytes() == delivered.passwords
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600


def test_what_a_killed_server_had_delivered_is_restored(
    own_directory: Path, start_owner: StartOwner, place: Path, tmp_path: Path
) -> None:
    with attach_or_start(own_directory, settings=QUICK) as session:
        back_up(session, place)
    owner = start_owner(own_directory).wait_until_ready()
    write(owner.dsn, 1)
    with attach(own_directory) as session:
        eventually(lambda: received_all(session))
    os.kill(owner.postmaster, signal.SIGKILL)
    owner.kill()

    restore(place, tmp_path / "restored")

    assert written(tmp_path / "restored") == [1]


def test_a_copy_alone_is_restored_as_it_was_when_it_ended_while_the_original_runs_on(
    running: EmbeddedPostgres, place: Path, tmp_path: Path
) -> None:
    assert back_up(running, place).delivering
    write(running.dsn(), 1)
    report = back_up(running, place, deliver=False)
    write(running.dsn(), 2)

    restore(place, tmp_path / "restored")
    write(running.dsn(), 3)

    assert not report.delivering
    assert delivery_status(running) is None
    with psycopg.connect(running.dsn("postgres", role="postgres")) as connection:
        assert connection.execute("select count(*) from pg_replication_slots").fetchone() == (0,)
    assert written(tmp_path / "restored") == [1]
    with (
        EmbeddedPostgres(tmp_path / "restored", settings=QUICK) as restored,
        pytest.raises(BackupError, match="another data directory"),
    ):
        back_up(restored, place)


def test_of_several_backups_the_last_before_the_time_is_taken_and_old_ones_can_go(
    running: EmbeddedPostgres, place: Path, tmp_path: Path
) -> None:
    write(running.dsn(), 1)
    first = back_up(running, place)
    between = write(running.dsn(), 2)
    second = back_up(running, place)
    write(running.dsn(), 3)
    eventually(lambda: received_all(running))

    assert restore(place, tmp_path / "then", at=between).backup == first.backup
    assert written(tmp_path / "then") == [1, 2]

    third = back_up(running, place, keep=1)
    running.stop()

    assert third.removed == [first.backup.id, second.backup.id]
    assert Place(place).backups() == [third.backup]
    assert [path.name for path in (place / "base").iterdir()] == [third.backup.id]
    assert min(path.name[:24] for path in (place / "wal").iterdir()) == third.backup.first_wal


def test_a_backup_holds_the_passwords_and_is_for_its_owner_alone(delivered: Delivered) -> None:
    copied = Path(delivered.report.path) / "passwords.json"

    assert copied.read_bytes() == delivered.passwords
    everything = (delivered.place, *delivered.place.rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in everything} == {0}


def test_delivery_goes_on_after_a_crash_without_a_gap(
    running: EmbeddedPostgres, place: Path, tmp_path: Path
) -> None:
    back_up(running, place)
    write(running.dsn(), 1)
    assert running.pid is not None
    os.kill(running.pid, signal.SIGKILL)
    eventually(lambda: running.pid is None)
    running.supervise()
    write(running.dsn(), 2)
    switch_wal(running)
    write(running.dsn(), 3)
    running.stop()

    restore(place, tmp_path / "restored")

    assert written(tmp_path / "restored") == [1, 2, 3]


def test_a_place_that_is_away_keeps_the_wal_waiting(
    running: EmbeddedPostgres, place: Path, tmp_path: Path
) -> None:
    back_up(running, place)
    running.stop()
    place.rename(tmp_path / "unplugged")
    with running:
        write(running.dsn(), 1)
        status = delivery_status(running)
        assert status is not None
        assert not status.delivering
        assert status.behind_bytes is not None
        assert status.behind_bytes > 0
    (tmp_path / "unplugged").rename(place)
    with running:
        eventually(lambda: (status := delivery_status(running)) is not None and status.delivering)

    restore(place, tmp_path / "restored")

    assert written(tmp_path / "restored") == [1]


def test_an_existing_database_is_never_restored_over(delivered: Delivered, data_directory: Path) -> None:
    before = files(data_directory)

    with pytest.raises(BackupError, match="is not empty"):
        restore(delivered.place, data_directory)

    assert files(data_directory) == before


def test_a_time_before_the_first_backup_is_refused(delivered: Delivered, tmp_path: Path) -> None:
    too_early = delivered.report.backup.finished_at - timedelta(microseconds=1)

    with pytest.raises(BackupError, match="nothing earlier can be had"):
        restore(delivered.place, tmp_path / "restored", at=too_early)

    assert not (tmp_path / "restored").exists()


def test_a_time_after_the_last_transaction_is_explained_and_leaves_no_database(
    delivered: Delivered, tmp_path: Path
) -> None:
    with pytest.raises(BackupError, match=r"The delivered WAL ends before .* Without --to all of it"):
        restore(delivered.place, tmp_path / "restored", at=datetime.now(UTC) + timedelta(hours=1))

    assert set(files(tmp_path / "restored")) == {"caudal.lock"}


def test_a_time_without_an_offset_is_refused(delivered: Delivered, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="offset from UTC"):
        restore(delivered.place, tmp_path / "restored", at=datetime(2026, 11, 22))


def test_a_damaged_copy_is_noticed_before_it_is_used(breakable: Path, tmp_path: Path) -> None:
    victim = max((breakable / "base").glob("*/cluster/base/*/*"), key=lambda path: path.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[10_000:10_006] = b"damage"
    victim.unlink()
    victim.write_bytes(content)

    with pytest.raises(BackupError, match=rf"is damaged:(.|\n)*{victim.name}"):
        restore(breakable, tmp_path / "restored")

    assert set(files(tmp_path / "restored")) == {"caudal.lock"}


def test_a_gap_in_the_wal_is_noticed(breakable: Path, tmp_path: Path) -> None:
    segments = sorted((breakable / "wal").iterdir())
    segments[-2].unlink()

    with pytest.raises(BackupError, match=f"has a gap after {segments[-3].name}"):
        restore(breakable, tmp_path / "restored")


def test_wal_that_begins_only_after_the_copy_is_noticed(breakable: Path, tmp_path: Path) -> None:
    *early, _ = sorted((breakable / "wal").iterdir())
    for segment in early:
        segment.unlink()

    with pytest.raises(BackupError, match="has a gap after"):
        restore(breakable, tmp_path / "restored")


def test_a_restore_that_was_killed_is_begun_anew_and_keeps_others_out(
    delivered: Delivered, tmp_path: Path
) -> None:
    half = tmp_path / "restored" / ".restoring" / "postgres-18"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    (tmp_path / "restored" / "passwords.json").write_text("{}")
    with pytest.raises(DirectoryUnusable, match="was interrupted"):
        EmbeddedPostgres(tmp_path / "restored").start()
    told: list[tuple[str, int, int]] = []

    def look(what: str, done: int, total: int) -> None:
        told.append((what, done, total))
        if len(told) == 1:
            with pytest.raises(DirectoryInUse, match=f"in use by process {os.getpid()}"):
                EmbeddedPostgres(tmp_path / "restored").start()

    restore(delivered.place, tmp_path / "restored", progress=look)

    size = delivered.report.backup.size_bytes
    assert [step for step in told if step[0] == "copying"][-1] == ("copying", size, size)
    assert told[-1][0] == "checking the pages"
    assert written(tmp_path / "restored") == [1, 2, 3]


def test_a_backup_of_another_major_version_is_explained(breakable: Path, tmp_path: Path) -> None:
    [description] = breakable.glob("base/*/backup.json")
    write_json(description, {**(read_json(description) or {}), "postgresql": "17.4"})

    with pytest.raises(VersionMismatch, match="is of PostgreSQL 17"):
        restore(breakable, tmp_path / "restored")


def test_a_place_with_other_files_is_left_alone(running: EmbeddedPostgres, place: Path) -> None:
    place.mkdir()
    (place / "thesis.txt").write_text("important")

    with pytest.raises(BackupError, match="holds other files"):
        back_up(running, place)

    assert set(files(place)) == {"thesis.txt"}


def test_a_backup_that_fails_leaves_no_half_copy(
    running: EmbeddedPostgres, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_in_the_middle(_what: str, _done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(running, place, progress=stop_in_the_middle)

    assert Place(place).backups() == []
    assert not list((place / "base").iterdir())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may work in another user's directory")
def test_root_does_not_begin_a_delivery_that_the_servers_user_could_not_go_on_with(
    ordinary_directory: Path, place: Path
) -> None:
    with (
        attach_or_start(ordinary_directory, settings=QUICK) as session,
        pytest.raises(BackupError, match="belongs to another user"),
    ):
        back_up(session, place)

    assert not place.exists()


def test_a_place_inside_the_data_directory_is_refused(running: EmbeddedPostgres) -> None:
    with pytest.raises(BackupError, match="lie in one another"):
        back_up(running, running.directory / "backups")


def test_a_folder_without_backups_is_explained(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="holds no backups"):
        restore(tmp_path, tmp_path / "restored")
