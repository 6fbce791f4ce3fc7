"""What cannot work is refused before anything is touched, in words that say what to do."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from caudal_base import sealing
from caudal_base.embedded import DirectoryUnusable, EmbeddedPostgres, ServerFailed, VersionMismatch
from caudal_base.embedded.identity import server_major
from caudal_base.embedded.layout import Layout, write_json

from .conftest import NAMELESS_UID, ORDINARY_UID, QUICK, StartOwner, copied

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can prepare this")


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*")}


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("important")

    with pytest.raises(DirectoryUnusable, match="holds other files"):
        EmbeddedPostgres(tmp_path).start()

    assert files(tmp_path) == {"thesis.txt"}


def test_a_sealing_key_that_was_there_before_is_not_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / sealing.FILE).write_text("of an API whose database is elsewhere")
    assert not Layout(tmp_path).is_foreign()

    (tmp_path / "thesis.txt").write_text("important")
    assert Layout(tmp_path).is_foreign()


def test_another_programs_postgresql_directory_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("15\n")

    with pytest.raises(DirectoryUnusable, match="is a PostgreSQL data directory itself"):
        EmbeddedPostgres(tmp_path).start()

    assert files(tmp_path) == {"PG_VERSION"}


def test_a_file_in_the_way_is_explained(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(DirectoryUnusable, match="a file stands in the way"):
        EmbeddedPostgres(tmp_path / "data").start()


def directory_of_version(path: Path, major: int, *, folder: str | None = None) -> Path:
    """As much of a data directory as is looked at before its version is known."""
    cluster = path / (folder or f"postgres-{major}")
    cluster.mkdir(parents=True)
    (cluster / "PG_VERSION").write_text(f"{major}\n")
    return path


@pytest.mark.parametrize("difference", [-3, -1])
def test_an_older_directory_says_how_to_upgrade_it(tmp_path: Path, difference: int) -> None:
    found = server_major() + difference
    directory = directory_of_version(tmp_path / "data", found)
    before = files(directory)

    with pytest.raises(VersionMismatch, match=f"PostgreSQL {found}.*caudal db upgrade") as caught:
        EmbeddedPostgres(directory).start()

    assert (caught.value.found, caught.value.expected) == (found, server_major())
    assert files(directory) - before <= {"caudal.lock"}


def test_the_version_is_what_the_files_say_not_what_the_folder_is_called(tmp_path: Path) -> None:
    directory = directory_of_version(tmp_path / "data", 16, folder=f"postgres-{server_major()}")

    with pytest.raises(VersionMismatch, match="PostgreSQL 16"):
        EmbeddedPostgres(directory).start()


def test_a_newer_directory_is_refused_also_beside_one_of_ours(tmp_path: Path) -> None:
    directory = directory_of_version(tmp_path / "data", server_major())
    directory_of_version(directory, server_major() + 1)

    with pytest.raises(VersionMismatch, match="Use the newer Caudal"):
        EmbeddedPostgres(directory).start()


def test_a_database_that_has_lost_its_version_is_not_made_anew(tmp_path: Path) -> None:
    (tmp_path / f"postgres-{server_major()}" / "base").mkdir(parents=True)

    with pytest.raises(DirectoryUnusable, match="holds a damaged database"):
        EmbeddedPostgres(tmp_path).start()


@pytest.fixture
def passwords_file(data_directory: Path) -> Iterator[Path]:
    """To be broken; whole again afterwards."""
    path = data_directory / "passwords.json"
    content = path.read_bytes()
    yield path
    path.write_bytes(content)
    path.chmod(0o600)


def test_passwords_that_do_not_fit_are_explained(passwords_file: Path, data_directory: Path) -> None:
    write_json(passwords_file, {"postgres": "other", "caudal": "other"})
    server = EmbeddedPostgres(data_directory, settings=QUICK)

    with pytest.raises(ServerFailed, match=r"refuses its superuser(.|\n)*password authentication failed"):
        server.start()

    assert server.pid is None


@pytest.mark.parametrize(("leftover", "command"), [(".restoring", "restore"), (".upgrading", "db upgrade")])
def test_an_unfinished_restore_or_upgrade_is_never_taken_for_a_new_directory(
    tmp_path: Path, leftover: str, command: str
) -> None:
    (tmp_path / leftover).mkdir()

    with pytest.raises(DirectoryUnusable, match=f"`caudal {command}`.*was interrupted"):
        EmbeddedPostgres(tmp_path).start()


def test_missing_passwords_are_explained(passwords_file: Path, data_directory: Path) -> None:
    passwords_file.unlink()

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
    (open_place / "data").mkdir(mode=0o711)
    (open_place / "data" / "passwords.json").touch(mode=0o600)

    owner = start_owner(open_place / "data", uid=ORDINARY_UID)

    said = owner.last_words()
    assert owner.process.returncode != 0
    assert "permission denied" in said


@needs_root
def test_a_user_without_a_name_is_explained(open_place: Path, start_owner: StartOwner) -> None:
    owner = start_owner(open_place / "data", uid=NAMELESS_UID)

    said = owner.last_words()
    assert owner.process.returncode != 0
    assert "this one is not in /etc/passwd" in said
    assert not list((open_place / "data").glob("postgres-*"))


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
    copied(data_directory, small_disk / "data")
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
    copied(data_directory, small_disk / "data")
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

    sockets.unlink()
