"""The sandbox as a process: how it starts and stops, and that a restart goes on where it was."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from caudal_sandbox.store import StateUnreadable, Store
from caudal_sandbox.stripe.types import Event
from support.processes import ENVIRONMENT, alive, wait_for
from support.sandboxes import API_KEY

PAYMENT = {"amount": "1050", "currency": "eur", "confirm": "true", "payment_method": "pm_card_visa"}
PAYMENT["allowed_payment_method_types[0]"] = "card"


class Running:
    """One process, started with some arguments."""

    def __init__(self, *arguments: str, descriptors: tuple[int, ...] = (), **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-m", "caudal_sandbox", "serve", *arguments],
            env={**ENVIRONMENT, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pass_fds=descriptors,
            text=True,
        )
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline() or '{"url": ""}')["url"]
        self.http = httpx.Client(
            base_url=self.url, headers={"Authorization": f"Bearer {API_KEY}"}, trust_env=False
        )

    def pay(self, key: str) -> httpx.Response:
        """One payment."""
        return self.http.post("/v1/payment_intents", data=PAYMENT, headers={"Idempotency-Key": key})

    def book(self) -> Any:
        """The book of effects."""
        return self.http.get("/control/book").json()

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        self.http.close()
        self.process.send_signal(number)
        status = self.process.wait(timeout=20)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return status


@pytest.fixture
def started() -> Iterator[list[Running]]:
    """Processes that end with the test."""
    running: list[Running] = []
    yield running
    for each in running:
        if each.process.poll() is None:
            each.end(signal.SIGKILL)


def test_it_says_where_it_is_serves_and_ends_when_told(started: list[Running]) -> None:
    running = Running("--seed", "7")
    started.append(running)
    health = running.http.get("/control/health").json()
    assert health == {"status": "ok", "partners": ["bank", "meridian", "stripe"]}
    assert running.http.get("/control/stats").json()["seed"] == 7
    assert running.end() == 0


def test_a_restart_goes_on_with_its_state_after_whatever_end(started: list[Running], tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    first = Running("--state", state)
    started.append(first)
    paid = first.pay("k1")
    first.http.post("/control/clock/advance", json={"seconds": 1000})
    first.http.put("/control/faults", json={"stripe": {"search_lag_s": 9}})
    before = first.book()
    assert first.end(signal.SIGKILL) == -signal.SIGKILL
    with Path(state).open("ab") as journal:
        journal.write(b'["stripe.intent","pi_1",{"id":"pi_')  # a line that the crash cut off
    second = Running("--state", state)
    started.append(second)
    assert second.book() == before
    assert second.pay("k1").content == paid.content
    assert second.pay("k2").json()["id"] != paid.json()["id"]
    assert second.http.get("/control/faults").json()["stripe"]["search_lag_s"] == 9
    assert second.http.get("/control/clock").json()["now"] >= before["effects"][0]["at"] + 1000
    assert second.end() == 0


def test_it_takes_a_socket_that_listens_already_and_settings_from_its_environment(
    started: list[Running],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        settings = json.dumps({"faults": {"stripe": {"rate_limited": 1}}})
        running = Running(
            "--listen-fd",
            str(listening.fileno()),
            descriptors=(listening.fileno(),),
            CAUDAL_SANDBOX_SETTINGS=settings,
        )
        started.append(running)
        assert running.url == f"http://127.0.0.1:{listening.getsockname()[1]}"
        assert running.pay("k1").status_code == 429
        assert running.end(signal.SIGINT) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_it_ends_with_its_parent() -> None:
    code = (
        "import os, subprocess, sys;"
        "child = subprocess.Popen([sys.executable, '-P', '-m', 'caudal_sandbox', 'serve',"
        " '--parent', str(os.getpid())], stdout=subprocess.PIPE);"
        "child.stdout.readline(); print(child.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    parent = subprocess.run(
        [sys.executable, "-c", code], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    child = int(parent.stdout)
    wait_for(lambda: not alive(child), within_s=20)


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (("--port", "0"), '{"faults": {"stripe": {"rate_limited": 2}}}'),
        (("--port", "0"), '{"nothing": 1}'),
        (("--port", "0"), "no json"),
        (("--listen-fd", "999"), "{}"),
    ],
)
def test_what_it_cannot_serve_it_says_and_ends(arguments: tuple[str, ...], settings: str) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "caudal_sandbox", "serve", *arguments],
        env={**ENVIRONMENT, "CAUDAL_SANDBOX_SETTINGS": settings},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("The sandbox could not be started: ")


@pytest.mark.parametrize("line", [b'["nobody","a",{"id":"a"}]', b'["event","a",{"id":7}]', b"nonsense"])
def test_a_journal_of_another_version_is_refused(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(line + b"\n")
    store = Store()
    store.table("event", Event)
    with pytest.raises(StateUnreadable, match="line 1"):
        store.open(path)
    assert path.read_bytes() == line + b"\n"
    assert [each.name for each in tmp_path.iterdir()] == ["state"]
