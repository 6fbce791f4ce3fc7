"""Running PostgreSQL's own programs against a server: `pg_basebackup`, `pg_dump`, `psql`, …"""

import contextlib
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from psycopg.conninfo import conninfo_to_dict

from caudal_base.embedded.identity import installation
from caudal_base.embedded.process import ENVIRONMENT

Stream = IO[bytes] | IO[str] | int | None


def command(program: str, dsn: str, *arguments: str) -> list[str | Path]:
    """The command line of a program that connects to a server; the password goes by `environment`."""
    parts = conninfo_to_dict(dsn)
    connection = [f"--host={parts['host']}", f"--port={parts['port']}", f"--username={parts['user']}"]
    return [installation() / "bin" / program, *connection, "--no-password", *arguments]


def environment(dsn: str) -> dict[str, str]:
    """What a program sees of our environment: the password, which never is an argument, and little else."""
    return {**ENVIRONMENT, "PGPASSWORD": str(conninfo_to_dict(dsn)["password"])}


@contextlib.contextmanager
def running(
    arguments: Sequence[str | Path],
    dsn: str,
    *,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = subprocess.DEVNULL,
    stderr: Stream,
) -> Iterator[subprocess.Popen[str]]:
    """A program that is waited for at the block's end, and ended where the block raises."""
    with subprocess.Popen(  # noqa: S603
        arguments,
        cwd="/",
        env=environment(dsn),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
    ) as process:
        try:
            yield process
        except BaseException:
            process.terminate()
            process.wait()
            raise


def output(program: str, dsn: str, *arguments: str, script: str = "") -> tuple[int, str, str]:
    """Runs a program on a script to its end: its exit code, what it wrote, and what it complained of."""
    done = subprocess.run(  # noqa: S603
        command(program, dsn, *arguments),
        cwd="/",
        env=environment(dsn),
        input=script,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr.strip()
