"""PostgreSQL and the API are killed in mid-batch, again and again, under load; nothing is lost or done twice.

Clients send transfers and repeat none while things die. Afterwards every request without an answer is sent
again under its key, and every one with an answer too: each transfer is in the ledger exactly once, and each
answer is the same as before, byte for byte.
"""

import asyncio
import os
import random
import signal
import socket
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from support.processes import Up, alive, descendants, run_process, running_up, wait_for

CLIENTS = 12
ACCOUNTS = 8
ANSWERS_BETWEEN_KILLS = 80


def new_id(prefix: str, random_: random.Random) -> str:
    digits = f"{random_.getrandbits(128):032x}"
    return f"{prefix}_{digits[:12]}7{digits[13:16]}8{digits[17:]}"


@dataclass
class Request:
    """What a client wants, and the final answer once there is one."""

    path: str
    key: str
    body: bytes
    transfers: list[dict[str, Any]]
    answer: httpx.Response | None = None

    @property
    def is_answered(self) -> bool:
        return self.answer is not None


@dataclass
class Load:
    """Clients that never stop asking."""

    url: str
    headers: dict[str, str]
    accounts: list[str]
    random: random.Random
    requests: list[Request] = field(default_factory=list)
    stopped: bool = False

    def make(self) -> Request:
        """A single transfer, a batch, or an atomic group."""
        kind = self.random.choice(["single", "single", "single", "batch", "atomic"])
        transfers = [self._transfer() for _ in range(1 if kind == "single" else 7)]
        key = new_id("key", self.random)
        if kind == "single":
            return Request("/v1/transfers", key, msgspec.json.encode(transfers[0]), transfers)
        body = msgspec.json.encode({"transfers": transfers, "atomic": kind == "atomic"})
        return Request("/v1/transfers/batch", key, body, transfers)

    def _transfer(self) -> dict[str, Any]:
        debit, credit = self.random.sample(self.accounts, 2)
        return {
            "id": new_id("tr", self.random),
            "debit_account": debit,
            "credit_account": credit,
            "amount": self.random.randrange(1, 1_000),
            "currency": "USD",
        }

    async def client(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, headers=self.headers, timeout=10) as http:
            while not self.stopped:
                request = self.make()
                self.requests.append(request)
                await send(http, request)

    @property
    def answered(self) -> int:
        return sum(request.is_answered for request in self.requests)


async def send(http: httpx.AsyncClient, request: Request) -> None:
    """Send once. A final answer is kept; a 5xx or a dead connection says nothing."""
    headers = {"Idempotency-Key": request.key, "Content-Type": "application/json"}
    try:
        response = await http.post(request.path, content=request.body, headers=headers)
    except httpx.HTTPError:
        await asyncio.sleep(0.01)
        return
    if response.status_code < 500:
        request.answer = response
    else:
        assert response.status_code == 503, response.text


def postmaster(up: Up) -> list[int]:
    return [up.pids["postgres"]]


def backends(up: Up) -> list[int]:
    return [
        pid
        for pid in descendants(up.process.pid)
        if "caudal caudal" in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    ]


def api(up: Up) -> list[int]:
    """The API and its workers, as they are now."""
    return [
        pid
        for pid in descendants(up.process.pid)
        if " api " in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    ]


VICTIMS: list[tuple[str, Callable[[Up], list[int]]]] = [
    ("backend", backends),
    ("API", api),
    ("postmaster", postmaster),
    ("backend", backends),
    ("everything", lambda up: [up.process.pid]),
    ("postmaster", postmaster),
    ("API", api),
]


def kill(up: Up, find: Callable[[Up], list[int]]) -> None:
    for pid in find(up):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
        wait_for(lambda pid=pid: not alive(pid))


@pytest.mark.timeout(240)
async def test_every_acknowledged_transfer_is_there_exactly_once(tmp_path: Path) -> None:
    directory, chance = tmp_path / "data", random.Random(20_260_310)
    # Not one of the first free ones from 8000 on, which another test may take while ours is down.
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    key, load = "", None
    remaining = list(VICTIMS)
    while True:
        with running_up(directory, "--port", port, key=key) as up:
            key = up.key
            if load is None:
                load = await start(up, chance)
            clients = [asyncio.create_task(load.client()) for _ in range(CLIENTS)]
            try:
                while remaining:
                    name, find = remaining.pop(0)
                    await until(lambda load=load: load.answered, load.answered + ANSWERS_BETWEEN_KILLS)
                    await asyncio.to_thread(kill, up, find)
                    if name == "everything":
                        break
                else:
                    await until(lambda load=load: load.answered, load.answered + ANSWERS_BETWEEN_KILLS)
            finally:
                load.stopped = True
                await asyncio.gather(*clients)
                load.stopped = False
            if alive(up.process.pid):
                await verify(up, load)
                return
            up.process.wait(10)


async def start(up: Up, chance: random.Random) -> Load:
    headers = {"Authorization": f"Bearer {up.key}"}
    accounts = [new_id("acct", chance) for _ in range(ACCOUNTS)]
    async with httpx.AsyncClient(base_url=up.url, headers=headers, timeout=30) as http:
        for account in accounts:
            opened = await http.post(
                "/v1/accounts", json={"id": account, "currency": "USD", "normal_side": "credit"}
            )
            assert opened.status_code == 201, opened.text
    return Load(up.url, headers, accounts, chance)


async def until(measure: Callable[[], int], target: int) -> None:
    async with asyncio.timeout(90):
        while measure() < target:
            await asyncio.sleep(0.01)


async def verify(up: Up, load: Load) -> None:
    unanswered = [request for request in load.requests if not request.is_answered]
    assert unanswered, "the kills hit nothing"
    async with httpx.AsyncClient(base_url=load.url, headers=load.headers, timeout=30) as http:
        async with asyncio.timeout(90):
            for request in unanswered:
                while not request.is_answered:
                    await send(http, request)
        await replay_all(http, load.requests)
        recorded = await journal(http)
    expected = {transfer["id"]: transfer for request in load.requests for transfer in request.transfers}
    assert sorted(row["id"] for row in recorded) == sorted(expected), "lost or twice"
    for row in recorded:
        assert {name: row[name] for name in expected[row["id"]]} == expected[row["id"]]
    checked = await asyncio.to_thread(run_process, "ledger", "check", "--json", "--data", up.directory)
    assert checked.code == 0, checked.out


async def replay_all(http: httpx.AsyncClient, requests: list[Request]) -> None:
    """Everything again, under the same keys: the same answers, and marked as repeated."""
    limit = asyncio.Semaphore(16)

    async def replay(request: Request) -> None:
        first = request.answer
        assert first is not None
        assert first.status_code in (200, 201), first.text
        headers = {"Idempotency-Key": request.key, "Content-Type": "application/json"}
        async with limit:
            again = await http.post(request.path, content=request.body, headers=headers)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["idempotent-replayed"] == "true"

    await asyncio.gather(*(replay(request) for request in requests))


async def journal(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    after, balance = 0, defaultdict(int)
    while True:
        page = (await http.get("/v1/journal", params={"after": after, "limit": 1_000})).json()["data"]
        if not page:
            break
        assert [row["seq"] for row in page] == list(range(after + 1, after + 1 + len(page)))
        after = page[-1]["seq"]
        rows += [row["transfer"] for row in page if row["type"] == "transfer"]
    for row in rows:
        balance[row["debit_account"]] -= row["amount"]
        balance[row["credit_account"]] += row["amount"]
    for account, expected in balance.items():
        stored = (await http.get(f"/v1/accounts/{account}/balance")).json()
        assert stored["credits_posted"] - stored["debits_posted"] == expected
    return rows
