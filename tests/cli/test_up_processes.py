"""`caudal up --processes 2`: two processes serve the API and two workers work, and each comes back."""

import os
import re
import signal
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from caudal.api import described
from support.processes import Up, alive, children, run, running_up, wait_for

_ENDED = re.compile(r'^caudal_jobs_ended_total\{ending="done",kind="payments\.attempt"\} ([0-9.]+)$', re.M)


def _free_ports() -> int:
    """The first of two free ports that follow one another."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except (OSError, OverflowError):
                continue
            return port


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Up, int]]:
    """It, and the port of the first worker's measurements."""
    port = _free_ports()
    directory = tmp_path_factory.mktemp("two") / "data"
    with running_up(directory, "--processes", 2, CAUDAL_WORKER_METRICS_PORT=str(port)) as started:
        yield started, port


def _post(up: Up, path: str, body: dict[str, Any]) -> Any:
    headers = {"Authorization": f"Bearer {up.key}", "Idempotency-Key": str(uuid.uuid4())}
    answer = httpx.post(f"{up.url}{path}", json=body, headers=headers, timeout=30)
    assert answer.status_code == 201, answer.text
    return answer.json()


def _counters(up: Up) -> dict[str, float]:
    """What may only grow, of one scrape: a connection of its own, so that either process may be asked."""
    rows = [line.rpartition(" ") for line in up.get("/metrics").text.splitlines() if line[0] != "#"]
    grows = re.compile(r"_(total|count|sum|bucket)(\{|$)")
    return {name: float(value) for name, _, value in rows if grows.search(name)}


def _worked(port: int) -> float:
    """The jobs of payments that the worker has done."""
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    return sum(float(count) for count in _ENDED.findall(text))


def test_the_greeting_says_how_many_there_are(two: tuple[Up, int]) -> None:
    up, _ = two

    assert up.greeting["processes"] == {"api": 2, "worker": 2}
    assert {"api", "worker", "worker-2"} <= up.pids.keys()
    assert len(children(up.pids["api"])) == 2


def test_either_process_serves_while_the_other_stands_still(two: tuple[Up, int]) -> None:
    up, _ = two
    for still in children(up.pids["api"]):
        os.kill(still, signal.SIGSTOP)
        try:
            assert up.get("/v1/accounts").status_code == 200
        finally:
            os.kill(still, signal.SIGCONT)


def test_both_workers_take_payments_to_their_end(two: tuple[Up, int]) -> None:
    up, port = two
    _post(up, "/v1/products", {"name": "basic", "currencies": ["EUR"]})
    customer = _post(up, "/v1/customers", {"product": "basic", "jurisdiction": "DE", "type": "person"})["id"]
    body = {
        "kind": "pay_in", "customer": customer, "amount": 100, "currency": "EUR",
        "instrument": "pm_card_visa", "partner": "stripe",
    }  # fmt: skip
    made: list[str] = []

    def both_worked() -> bool:
        made.append(_post(up, "/v1/payments", body)["id"])
        return _worked(port) > 0 and _worked(port + 1) > 0

    wait_for(both_worked)
    wait_for(lambda: up.get(f"/v1/payments/{made[0]}").json()["state"] == "succeeded")


def test_what_a_worker_measures_is_what_the_reference_says(two: tuple[Up, int]) -> None:
    _, port = two
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
    there = set(re.findall(r"^# TYPE (\S+) ", text, re.M))

    assert there == {one.name for one in described() if "worker" in one.where}


def test_no_counter_falls_whichever_process_is_asked(two: tuple[Up, int]) -> None:
    up, _ = two
    before = _counters(up)
    for _ in range(10):
        _post(up, "/v1/products", {"name": f"p{uuid.uuid4().hex[:8]}", "currencies": ["EUR"]})
        now = _counters(up)
        assert [name for name, value in before.items() if now.get(name, 0) < value] == []
        before = now
    made = 'caudal_http_requests_total{method="POST",route="/v1/products",status="201"}'
    assert before[made] >= 10


def test_of_each_kind_one_that_is_killed_is_started_again(two: tuple[Up, int]) -> None:
    up, port = two
    counted = _counters(up)
    killed = [children(up.pids["api"])[0], up.pids["worker-2"]]
    for process in killed:
        os.kill(process, signal.SIGKILL)
    wait_for(lambda: not any(alive(process) for process in killed))

    wait_for(lambda: len(children(up.pids["api"])) == 2)
    wait_for(lambda: _answers(port + 1))
    assert up.ready()
    now = _counters(up)
    assert [name for name, value in counted.items() if now.get(name, 0) < value] == []


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


def test_more_than_the_embedded_postgresql_has_connections_for_are_refused(tmp_path: Path) -> None:
    refused = run("up", "--data", tmp_path / "data", "--processes", 5, "--json")

    assert refused.code == 1
    error = refused.json["error"]
    assert error["code"] == "too_many_connections"
    assert "10 processes with 10 connections each want 100, and there are 90" in error["detail"]
    assert not (tmp_path / "data").exists()
