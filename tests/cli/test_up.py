"""`caudal up`: what it starts, what it says, and how it ends."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import httpx
import psycopg
import pytest

from caudal_base.embedded import attach
from support.processes import (
    CAUDAL,
    ENVIRONMENT,
    Up,
    alive,
    children,
    descendants,
    run,
    run_process,
    running_up,
    wait_for,
)


def test_it_serves_the_api_and_its_docs_where_it_says(up: Up) -> None:
    assert httpx.get(f"{up.url}/health/live").status_code == 200
    assert httpx.get(f"{up.url}/health/ready").status_code == 200
    assert httpx.get(up.greeting["docs"], follow_redirects=True).status_code == 200


def test_its_first_key_opens_the_first_book(up: Up) -> None:
    assert up.get("/v1/accounts").status_code == 200
    assert httpx.get(f"{up.url}/v1/accounts").status_code == 401


def test_its_first_key_is_shown_once_and_in_no_log(up: Up) -> None:
    assert up.key.startswith("caudal_test_")
    assert up.key not in up.log.read_text()


def test_postgresql_listens_on_no_port(up: Up) -> None:
    with attach(up.directory) as session, psycopg.connect(session.dsn()) as connection:
        assert connection.execute("show listen_addresses").fetchone() == ("",)
        assert connection.execute("show fsync").fetchone() == ("on",)


def test_a_second_one_in_the_same_directory_is_refused_at_once(up: Up) -> None:
    second = run_process("up", "--json", "--data", up.directory)

    assert second.code == 3
    assert second.json["error"]["code"] == "embedded_unavailable"
    assert str(up.directory) in second.json["error"]["detail"]
    assert up.ready()


def test_a_port_that_was_asked_for_and_is_taken_is_refused(up: Up, tmp_path: Path) -> None:
    port = httpx.URL(up.url).port

    refused = run_process("up", "--data", tmp_path / "other", "--port", port)

    assert refused.code == 1
    assert f"Port {port}" in refused.err
    assert "--port" in refused.err
    assert "Traceback" not in refused.err


def test_a_second_directory_runs_beside_it_and_either_survives_what_is_killed(up: Up, tmp_path: Path) -> None:
    first = up
    with running_up(tmp_path / "data") as up:
        url, key = up.url, up.key
        assert url != first.url
        assert first.ready()
        # The keys of one open nothing in the other.
        strange = httpx.get(f"{url}/v1/accounts", headers={"Authorization": f"Bearer {first.key}"})
        assert strange.status_code == 401

        for name in ("worker", "api", "postgres"):
            os.kill(up.pids[name], signal.SIGKILL)
            wait_for(lambda name=name: not alive(up.pids[name]))
            wait_for(up.ready)
        api = wait_for(lambda: _child(up, b"api"))
        (serving,) = wait_for(lambda: children(api))
        os.kill(serving, signal.SIGKILL)
        wait_for(lambda: not alive(serving))
        wait_for(up.ready)
        os.kill(_backend(up), signal.SIGKILL)
        wait_for(up.ready)
        assert up.get("/v1/accounts").status_code == 200

        everything = descendants(up.process.pid)
        assert len(everything) > 5
        up.process.kill()
        up.process.wait()
        wait_for(lambda: not any(alive(process) for process in everything))

    # The next one recovers by itself, and has no first key any more.
    with running_up(tmp_path / "data", key=key) as again:
        assert again.greeting["api_key"] is None
        assert again.get("/v1/accounts").status_code == 200
        assert again.stop(signal.SIGINT) == 0


def _child(up: Up, word: bytes) -> int | None:
    for pid in children(up.process.pid):
        if word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return pid
    return None


def _backend(up: Up) -> int:
    with attach(up.directory) as session, psycopg.connect(session.dsn()) as connection:
        row = connection.execute(
            "select pid from pg_stat_activity where usename = 'caudal' and pid <> pg_backend_pid() limit 1"
        ).fetchone()
    assert row is not None
    return int(row[0])


def dsn_of(up: Up) -> str:
    with attach(up.directory) as session:
        return session.dsn()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Blocked:
    """A transfer that is being posted and has to wait for the book's lock."""

    def __init__(self, url: str, up: Up) -> None:
        self._url, self._key = url, up.key
        self._accounts = [
            up.caudal("accounts", "open", "--currency", "EUR", "--json").json["id"] for _ in range(2)
        ]
        self.answers: list[int | str] = []
        with attach(up.directory) as session:
            self._lock = psycopg.connect(session.dsn())
        self._lock.execute("select from ledger.book_head for update")
        self._thread = threading.Thread(target=self._post)
        self._thread.start()
        wait_for(self._waits)

    def _post(self) -> None:
        body = {
            "debit_account": self._accounts[0],
            "credit_account": self._accounts[1],
            "amount": 100,
            "currency": "EUR",
        }
        headers = {"Authorization": f"Bearer {self._key}", "Idempotency-Key": "blocked"}
        try:
            answer = httpx.post(f"{self._url}/v1/transfers", json=body, headers=headers, timeout=60)
        except httpx.HTTPError as error:
            self.answers.append(type(error).__name__)
        else:
            self.answers.append(answer.status_code)

    def _waits(self) -> bool:
        row = self._lock.execute(
            "select count(*) from pg_stat_activity where wait_event_type = 'Lock'"
        ).fetchone()
        return row is not None and row[0] > 0

    def let_go(self) -> None:
        self._lock.rollback()
        self.finish()

    def finish(self) -> None:
        self._thread.join(60)
        self._lock.close()


def test_a_request_in_work_is_finished_before_it_stops(tmp_path: Path, up: Up) -> None:
    own = {"CAUDAL_DATABASE_URL": dsn_of(up), "CAUDAL_DRAIN_NOTICE_S": "3"}
    with running_up(tmp_path / "none", key=up.key, **own) as other:
        blocked = Blocked(other.url, up)

        other.process.send_signal(signal.SIGTERM)
        wait_for(lambda: not other.ready())
        served = other.get("/v1/accounts")
        assert (served.status_code, served.headers["connection"]) == (200, "close")
        wait_for(lambda: _turns_away(other))
        assert other.process.poll() is None
        blocked.let_go()

        assert blocked.answers == [201]
        assert other.process.wait(30) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{other.url}/health/live")


def _turns_away(up: Up) -> bool:
    """Whether who comes now is told that it is the wrong moment."""
    answer = httpx.post(f"{up.url}/v1/payments", content=b"x" * 100_000)
    if answer.status_code != 503:
        return False
    told = answer.json()
    assert (told["code"], told["status"], told["retry_after"]) == ("unavailable", 503, 1)
    assert (answer.headers["connection"], answer.headers["retry-after"]) == ("close", "1")
    return True


def test_a_second_ctrl_c_waits_for_nobody(tmp_path: Path) -> None:
    with running_up(tmp_path / "data") as up:
        blocked = Blocked(up.url, up)
        everything = descendants(up.process.pid)

        up.process.send_signal(signal.SIGINT)
        wait_for(lambda: _turns_away(up))
        assert up.process.poll() is None
        up.process.send_signal(signal.SIGINT)

        assert up.process.wait(20) == 0
        blocked.finish()
        assert blocked.answers != [201]
        assert not any(alive(process) for process in everything)


BECOME_ORDINARY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def _interpreter_for_all() -> tuple[str, dict[str, str]]:
    """A Python that an ordinary user can run, and what it needs in its environment; else skips the test."""
    packages = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for python, environment in ((sys.executable, {}), ("/usr/bin/python3", packages)):
        probe = (
            "import subprocess, sys, psycopg, granian; subprocess.run([sys.executable, '-c', ''], check=True)"
        )
        done = subprocess.run(
            [*BECOME_ORDINARY, python, "-P", "-c", probe],
            env={**ENVIRONMENT, **environment},
            capture_output=True,
            check=False,
        )
        if done.returncode == 0:
            return python, environment
    pytest.skip("no interpreter with the packages is in an ordinary user's reach")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_runs_it_too() -> None:
    python, environment = _interpreter_for_all()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        os.chown(home, 65534, 65534)
        environment = {**environment, "HOME": name}
        with running_up(home / "data", prefix=BECOME_ORDINARY, python=python, **environment) as up:
            assert up.ready()
            assert all(Path(f"/proc/{pid}").stat().st_uid == 65534 for pid in descendants(up.process.pid))
            assert up.stop() == 0


def test_without_a_terminal_the_greeting_is_plain_text(tmp_path: Path, up: Up) -> None:
    process = subprocess.Popen(
        [*CAUDAL, "up", "--data", str(tmp_path / "none")],
        env={**ENVIRONMENT, "CAUDAL_DATABASE_URL": dsn_of(up)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    lines: list[str] = []
    while "accounts list" not in (line := process.stdout.readline()):
        assert line, f"it ended after {lines}"
        lines.append(line)
    process.terminate()
    said = "".join(lines) + process.stdout.read()
    process.stdout.close()

    assert process.wait(60) == 0
    assert "Caudal is up" in said
    assert "/docs" in said
    assert "caudal ledger import berka --sample" in said
    assert "curl" in said
    assert "\x1b" not in said


def test_a_broken_setting_is_explained(tmp_path: Path) -> None:
    wrong = run("up", "--data", tmp_path / "data", environment={"CAUDAL_POOL_SIZ": "5"})

    assert wrong.code == 2
    assert "did you mean CAUDAL_POOL_SIZE" in wrong.err
    assert not (tmp_path / "data").exists()


def test_a_database_of_your_own_is_used_and_none_is_started(tmp_path: Path, up: Up) -> None:
    port = free_port()
    own = {"CAUDAL_DATABASE_URL": dsn_of(up)}
    with running_up(tmp_path / "none", "--port", port, key=up.key, **own) as other:
        assert other.url == f"http://127.0.0.1:{port}"
        assert other.greeting["database"] == "CAUDAL_DATABASE_URL"
        assert other.greeting["api_key"] is None
        assert "postgres" not in other.pids
        assert other.get("/v1/accounts").status_code == 200
        assert not (tmp_path / "none").exists()
        assert other.stop() == 0
    assert up.ready()
