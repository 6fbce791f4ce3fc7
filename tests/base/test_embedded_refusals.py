"""What cannot work is refused before anything is touched, in words that say what to do."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from caudal_base.embedded import DirectoryUnusable, EmbeddedPostgres, ServerFailed, VersionMismatch
from caudal_base.embedded.identity import server_major

from .conftest import QUICK, StartOwner

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can prepare this")


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("important")

    with pytest.raises(DirectoryUnusable, match="holds other files"):
        EmbeddedPostgres(tmp_path).start()

    assert files(tmp_path) == {"thesis.txt"}


def test_another_programs_postgresql_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("15\n")

    with pytest.raises(DirectoryUnusable, match="is a PostgreSQL data directory itself"):
        EmbeddedPostgres(tmp_path).start()

    assert files(tmp_path) == {"PG_VERSION"}


def test_a_file_in_the_way_is_explained(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(DirectoryUnusable, match="a file stands in the way"):
        EmbeddedPostgres(tmp_path / "data").start()


@pytest.mark.parametrize("difference", [-3, -1])
def test_an_older_directory_says_how_to_upgrade_it(data_directory: Path, difference: int) -> None:
    found = server_major() + difference
    data_directory.joinpath(f"postgres-{server_major()}").rename(data_directory / f"postgres-{found}")
    (data_directory / f"postgres-{found}" / "PG_VERSION").write_text(f"{found}\n")
    before = files(data_directory)

    with pytest.raises(VersionMismatch, match=f"PostgreSQL {found}.*caudal db upgrade") as caught:
        EmbeddedPostgres(data_directory).start()

    assert (caught.value.found, caught.value.expected) == (found, server_major())
    assert files(data_directory) == before


def test_the_version_is_what_the_files_say_not_what_the_folder_is_called(data_directory: Path) -> None:
    (data_directory / f"postgres-{server_major()}" / "PG_VERSION").write_text("16\n")

    with pytest.raises(VersionMismatch, match="PostgreSQL 16"):
        EmbeddedPostgres(data_directory).start()


def test_a_newer_directory_is_refused_also_beside_one_of_ours(data_directory: Path) -> None:
    newer = data_directory / f"postgres-{server_major() + 1}"
    newer.mkdir()
    (newer / "PG_VERSION").write_text(f"{server_major() + 1}\n")

    with pytest.raises(VersionMismatch, match="Use the newer Caudal"):
        EmbeddedPostgres(data_directory).start()


@pytest.mark.parametrize(("leftover", "command"), [(".restoring", "restore"), (".upgrading", "db upgrade")])
def test_an_unfinished_restore_or_upgrade_is_never_taken_for_a_new_directory(
    tmp_path: Path, leftover: str, command: str
) -> None:
    (tmp_path / leftover).mkdir()

    with pytest.raises(DirectoryUnusable, match=f"`caudal {command}`.*was interrupted"):
        EmbeddedPostgres(tmp_path).start()


def test_missing_passwords_are_explained(data_directory: Path) -> None:
    (data_directory / "passwords.json").unlink()

    with pytest.raises(DirectoryUnusable, match=r"passwords\.json is missing or damaged"):
        EmbeddedPostgres(data_directory, settings=QUICK).start()


def test_a_directory_that_this_user_may_not_write_to_is_explained(
    open_place: Path, start_owner: StartOwner, ordinary_uid: int | None
) -> None:
    closed = open_place / "closed"
    closed.mkdir(mode=0o555)

    owner = start_owner(closed / "data", uid=ordinary_uid)

    said = owner.last_words()
    assert owner.process.returncode != 0
    assert "Cannot use" in said
    assert "permission denied. Use a directory that this user may write to" in said


@needs_root
def test_a_directory_of_another_user_is_explained(open_place: Path, start_owner: StartOwner) -> None:
    start_owner(open_place / "data").wait_until_ready().finished()

    owner = start_owner(open_place / "data", uid=65534)

    said = owner.last_words()
    assert owner.process.returncode != 0
    assert "permission denied" in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, with room for a data directory but not for much more."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=60m", "tmpfs", str(place)], capture_output=True, check=False
    )
    if done.returncode != 0:
        pytest.skip("file systems cannot be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@needs_root
def test_a_full_disk_is_explained_and_costs_nothing(data_directory: Path, small_disk: Path) -> None:
    subprocess.run(["cp", "-a", str(data_directory), str(small_disk / "data")], check=True)
    ballast = small_disk / "ballast"
    while (free := shutil.disk_usage(small_disk).free) > 0:
        with ballast.open("ab") as file:
            file.write(bytes(free))

    with pytest.raises(DirectoryUnusable, match="no space is left on"):
        EmbeddedPostgres(small_disk / "data", settings=QUICK).start()

    ballast.unlink()
    with EmbeddedPostgres(small_disk / "data", settings=QUICK) as server:
        assert server.pid is not None


@needs_root
def test_a_disk_too_small_for_a_new_directory_is_explained_and_left_clean(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=10m", str(small_disk)], check=True)

    with pytest.raises(DirectoryUnusable, match="no space is left on"):
        EmbeddedPostgres(small_disk / "data", settings=QUICK).start()

    assert not (small_disk / "data" / ".creating").exists()
    assert not list((small_disk / "data").glob("postgres-*"))


@needs_root
def test_a_read_only_disk_is_explained(data_directory: Path, small_disk: Path) -> None:
    subprocess.run(["cp", "-a", str(data_directory), str(small_disk / "data")], check=True)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    with pytest.raises(DirectoryUnusable, match="mounted read-only"):
        EmbeddedPostgres(small_disk / "data", settings=QUICK).start()


def test_a_setting_that_postgresql_refuses_is_quoted_and_nothing_is_left_running(
    data_directory: Path,
) -> None:
    server = EmbeddedPostgres(data_directory, settings={"shared_buffers": "plenty"})

    with pytest.raises(ServerFailed, match='invalid value for parameter "shared_buffers": "plenty"'):
        server.start()

    assert server.pid is None
    with EmbeddedPostgres(data_directory, settings=QUICK):
        pass


def test_a_start_outside_the_main_thread_is_refused(data_directory: Path) -> None:
    caught: list[BaseException] = []

    def start() -> None:
        try:
            EmbeddedPostgres(data_directory).start()
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert ["main thread" in str(error) for error in caught] == [True]


def test_a_socket_directory_of_a_stranger_is_refused(data_directory: Path) -> None:
    sockets = data_directory / "socket"
    shutil.rmtree(sockets)
    sockets.symlink_to("/tmp")

    with pytest.raises(DirectoryUnusable, match="another user's"):
        EmbeddedPostgres(data_directory).start()
