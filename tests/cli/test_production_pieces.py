"""The API and the worker on their own, by DSN, and what the worker does unasked."""

import asyncio
import json
import signal
import socket
import subprocess
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from caudal import idempotency, jobs
from caudal.cli.exits import Exit
from caudal.idempotency import Answer, Claim
from caudal.ledger import BookMode, create_book
from caudal.worker import build
from caudal_base.clock import SystemClock
from caudal_base.database import Database
from caudal_base.ids import IdSource
from support.processes import CAUDAL, ENVIRONMENT, wait_for
from support.stored_answers import keep


def start(dsn: str, log: Path, *arguments: str, **settings: str) -> "subprocess.Popen[str]":
    with log.open("w") as errors:
        return subprocess.Popen(
            [*CAUDAL, *arguments],
            env={**ENVIRONMENT, "CAUDAL_DATABASE_URL": dsn, **settings},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_the_api_and_the_worker_run_by_themselves_and_stop_when_told(dsn: str, tmp_path: Path) -> None:
    port = free_port()
    worker = start(dsn, tmp_path / "worker.log", "worker", "--json", CAUDAL_WORKER_METRICS_PORT=str(port))
    api = start(dsn, tmp_path / "api.log", "api", "--processes", "2", "--json")
    assert api.stdout is not None
    assert worker.stdout is not None
    url = json.loads(api.stdout.readline())["url"]
    wait_for(lambda: httpx.get(f"{url}/health/ready", timeout=20).status_code == 200)
    wait_for(lambda: "worker_started" in (tmp_path / "worker.log").read_text())
    measured = httpx.get(f"http://127.0.0.1:{port}/metrics").text

    for process in (api, worker):
        process.send_signal(signal.SIGTERM)
    codes = [process.wait(40) for process in (api, worker)]

    assert codes == [0, 0]
    assert "\ncaudal_jobs_in_work 0.0\n" in measured
    assert json.loads(worker.stdout.read()) == {"stopped": True}
    for process in (api, worker):
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize("command", ["api", "worker", "up"])
def test_nothing_serves_with_a_partner_whose_connector_is_not_there(
    dsn: str, tmp_path: Path, command: str
) -> None:
    partner = {"connector": "paypal", "book": "main", "api_key": "nothing"}

    ended = start(dsn, tmp_path / "errors", command, CAUDAL_PARTNERS=json.dumps({"acme": partner}))

    assert ended.communicate(timeout=30)[0] == ""
    assert ended.returncode == Exit.USAGE
    told = (tmp_path / "errors").read_text()
    assert told.startswith("Error: partner acme: connector paypal cannot be imported")


async def test_the_worker_forgets_answers_whose_time_is_over_and_keeps_the_others(database: Database) -> None:
    clock = SystemClock()
    now = clock.now()
    old, young = (Claim(UUID(int=1), key, bytes(32)) for key in ("old", "young"))
    answer = Answer(201, (), b"{}")
    async with database.transaction() as connection:
        book = await create_book(
            connection, id=IdSource(clock).new(), name="main", mode=BookMode.TEST, now=now
        )
        number = book.book_id
        over = now - idempotency.RETENTION - timedelta(minutes=1)
        await keep(connection, number, [(old, answer)], at=over)
        await keep(connection, number, [(young, answer)], at=now)

    worker = build(database, clock, options=jobs.Options(upkeep_s=0.05))
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(30):
        while (await _found(database, number, [old, young]))[0]:
            await asyncio.sleep(0.02)
    worker.stop()
    await running

    assert await _found(database, number, [old, young]) == [False, True]


async def _found(database: Database, book_id: int, claims: list[Claim]) -> list[bool]:
    async with database.connection() as connection:
        return [one is not None for one in await idempotency.lookup(connection, book_id, claims)]
