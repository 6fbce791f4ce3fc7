"""Starting, watching and ending the processes of one cluster."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from caudal_base.embedded.errors import DirectoryUnusable, ServerFailed
from caudal_base.embedded.identity import Identity
from caudal_base.embedded.layout import open_private
from caudal_base.embedded.locks import POLL_S

ENVIRONMENT: Mapping[str, str] = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/local/bin:/usr/bin:/bin"}
"""All that PostgreSQL sees of our environment: PG… variables of the caller must not reach it."""

STOP_TIMEOUT_S = 120.0
"""A fast shutdown writes a checkpoint; past this the server goes at once, and recovers later."""
LOG_LIMIT_BYTES = 16 * 1024 * 1024

_PR_SET_PDEATHSIG = 1

_CAUSES = (
    ("No space left on device", "no space is left on its disk. Free some and start again; nothing is lost."),
    ("Read-only file system", "its file system is mounted read-only."),
    ("Permission denied", "permission was denied. Its files must belong to the user that runs the server."),
    ("could not map anonymous shared memory", "there is too little memory for its shared buffers."),
    (
        "could not look up effective user ID",
        "PostgreSQL makes a cluster only for a user that has a name, and this one is not in /etc/passwd. "
        "In a container, run as root or as a user of the image, such as nobody.",
    ),
    ("database files are incompatible", "the data was written by another version of PostgreSQL."),
)


def dying_with_parent() -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends SIGINT (PostgreSQL's fast shutdown) when the calling thread ends.

    It runs after the change of user, which would clear it. Raises RuntimeError outside the main thread,
    since the server would then end with that thread.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("PostgreSQL must be started from the main thread: it ends with its starter")
    parent = os.getpid()
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def arrange() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
        if os.getppid() != parent:  # it died before the kernel was told
            os._exit(1)

    return arrange


@contextlib.contextmanager
def _held(cluster: Path) -> Iterator[int]:
    """A descriptor of the cluster's directory, with a lock on it that nothing else holds.

    Programs that are started inherit the descriptor and with it the lock: it is free again when the last of
    them, and of their children, has died, in whichever way. So whoever gets it knows that nothing of an
    earlier, killed owner still works on the cluster. A postmaster whose owner was killed is shutting down
    already; it is told once more, and waited for. Raises ServerFailed or OSError.
    """
    descriptor = os.open(cluster, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + STOP_TIMEOUT_S
        told = False
        while not _try_lock(descriptor):
            if not told:
                told = True
                _tell_postmaster(cluster)
            if time.monotonic() >= deadline:
                raise ServerFailed(
                    f"An earlier server of {cluster} does not stop. Its postmaster is, or was, process "
                    f"{_first_line(cluster / 'postmaster.pid')}: look at what holds it up, then start again."
                )
            time.sleep(POLL_S)
        yield descriptor
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _tell_postmaster(cluster: Path) -> None:
    pid = _first_line(cluster / "postmaster.pid")
    with contextlib.suppress(OSError):
        if pid is not None and Path(f"/proc/{pid}/comm").read_text().strip() == "postgres":
            os.kill(pid, signal.SIGINT)


def _first_line(pid_file: Path) -> int | None:
    try:
        return int(pid_file.read_text().split("\n", 1)[0])
    except (FileNotFoundError, ValueError):
        return None


def launch(
    binaries: Path,
    cluster: Path,
    *,
    socket_dir: Path,
    identity: Identity,
    settings: Mapping[str, str],
    log: Path,
) -> subprocess.Popen[bytes]:
    """Starts the postmaster of the cluster; it is not ready yet. Raises ServerFailed or OSError.

    Call it with the directory's lock held; it waits for the end of what a killed owner left running.
    """
    # A sibling is reached relative to the server's working directory, which is its cluster.
    near = socket_dir.parent == cluster.parent
    place = f"../{socket_dir.name}" if near else str(socket_dir)
    with contextlib.ExitStack() as stack:
        home = stack.enter_context(_held(cluster))
        # With nobody behind them, their numbers may by now belong to strangers, and PostgreSQL would give up.
        for path in (cluster / "postmaster.pid", *socket_dir.iterdir()):
            path.unlink(missing_ok=True)
        said = open_private(log, os.O_WRONLY | os.O_APPEND)
        stack.callback(os.close, said)
        # By the descriptor, another user's server needs no access to the directories above its own. (Its
        # working directory would do, but before version 16 PostgreSQL insists on leaving that.)
        where = f"/proc/self/fd/{home}" if identity.dropped else str(cluster)
        arguments: list[str | Path] = [binaries / "postgres", "-D", where]
        for name, value in {**settings, "unix_socket_directories": place}.items():
            arguments += ["-c", f"{name}={value}"]
        return subprocess.Popen(  # noqa: S603
            arguments,
            cwd="/",
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            pass_fds=(home,),
            start_new_session=True,
            preexec_fn=dying_with_parent(),
            **identity.popen(),
        )


def run(command: Sequence[str | Path], *, cluster: Path, identity: Identity) -> None:
    """Runs one of PostgreSQL's programs on a cluster that nothing serves, in that directory, to its end.

    Raises ServerFailed or DirectoryUnusable, quoting what the program said.
    """
    with _held(cluster) as home:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=cluster,
            env=ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            pass_fds=(home,),
            preexec_fn=dying_with_parent(),
            **identity.popen(),
        )
    if done.returncode != 0:
        raise failure(
            f"{Path(command[0]).name} failed in {cluster}", done.stderr.strip() or done.stdout.strip()
        )


def failure(what: str, said: str) -> ServerFailed | DirectoryUnusable:
    """The error for a program of PostgreSQL's that failed, with a known cause put in words."""
    for sign, cause in _CAUSES:
        if sign in said:
            return DirectoryUnusable(f"{what}: {cause}\n{said}")
    return ServerFailed(f"{what}:\n{said}")


def await_ready(server: subprocess.Popen[bytes], cluster: Path, *, log: Path, log_start: int) -> None:
    """Returns when the postmaster accepts connections. Raises ServerFailed or DirectoryUnusable.

    A server that recovers, from a crash or a backup, is waited for as long as it lives: that may take
    minutes, and giving up would not make it faster.
    """
    while not _is_ready(server.pid, cluster):
        if server.poll() is not None:
            raise failure("PostgreSQL did not start", log_since(log, log_start))
        time.sleep(POLL_S / 2)


def _is_ready(pid: int, cluster: Path) -> bool:
    """The postmaster writes its state into line 8 of its pid file, as `pg_ctl` reads it."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"


def log_since(log: Path, start: int, limit_bytes: int = 4000) -> str:
    """What the log got since it was `start` bytes long, at most its last `limit_bytes`."""
    with log.open("rb") as file:
        file.seek(max(start, file.seek(0, os.SEEK_END) - limit_bytes))
        return file.read().decode(errors="replace").strip()


def stop(server: subprocess.Popen[bytes]) -> None:
    """Fast shutdown: open transactions are rolled back, a checkpoint is written. Returns at its end."""
    for sign, patience_s in ((signal.SIGINT, STOP_TIMEOUT_S), (signal.SIGQUIT, STOP_TIMEOUT_S)):
        if server.poll() is None:
            server.send_signal(sign)
        try:
            server.wait(patience_s)
        except subprocess.TimeoutExpired:
            continue
        return
    raise ServerFailed(f"PostgreSQL (process {server.pid}) does not stop, not even at once")


def remove_leftovers(folder: Path) -> None:
    """Removes a folder in which a killed process made a cluster, once nothing works in it any more.

    Call it with the directory's lock held. Raises OSError or ServerFailed.
    """
    if folder.exists():
        for inside in folder.iterdir():
            if inside.is_dir():
                with _held(inside):
                    pass
        shutil.rmtree(folder)


def bound_log(log: Path) -> None:
    """Keeps the log and one before it, each at most LOG_LIMIT_BYTES (and what one look later adds)."""
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        older = log.with_suffix(".log.1")
        older.unlink(missing_ok=True)
        source = os.open(log, os.O_RDONLY | os.O_NOFOLLOW)
        target = open_private(older, os.O_WRONLY | os.O_TRUNC)
        try:
            while chunk := os.read(source, 1 << 20):
                os.write(target, chunk)
        finally:
            os.close(source)
            os.close(target)
        os.truncate(log, 0)  # PostgreSQL appends, so it goes on at the new end
