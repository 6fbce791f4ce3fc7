"""A bank of the sandbox in the test's own event loop, what calls it by hand, and what listens to it."""

import asyncio
import contextlib
import datetime as dt
import itertools
import socket
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec

from caudal_sandbox.bank import BankPartner
from caudal_sandbox.http import Connection
from caudal_sandbox.messages import Request, Response, json_response
from caudal_sandbox.sandbox import Sandbox
from caudal_sandbox.serving import listen, serving
from caudal_sandbox.webhooks import Endpoint

API_KEY = "bk_test_of_the_tests"
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS10ZXN0cy0xMjM0NTY3ODkwMTI="
OLDER_SECRET = "whsec_" + "b2xkZXItc2VjcmV0LW9mLXRoZS10ZXN0cy0xMjM0NTY="

DAY_S = 86_400

Json = dict[str, Any]

_keys = itertools.count()


@dataclass
class BankWorld:
    """A running sandbox, and its bank."""

    sandbox: Sandbox
    url: str
    http: httpx.AsyncClient

    @property
    def partner(self) -> BankPartner:
        """The simulated bank."""
        partner = self.sandbox.partners["bank"]
        assert isinstance(partner, BankPartner)
        return partner

    def advance(self, seconds: float) -> None:
        """Let so much time go by, and what is due happen."""
        self.sandbox.world.clock.advance(seconds)

    def now(self) -> dt.datetime:
        """The time on the sandbox's clock."""
        return dt.datetime.fromtimestamp(self.sandbox.world.clock.now(), dt.UTC)

    def misbehave(self, **faults: Any) -> None:
        """From now on, these faults and no others."""
        self.partner.behave(faults=msgspec.structs.replace(BankPartner.default_faults, **faults))

    def tell(self, url: str, **behaviour: Any) -> None:
        """Send events to `url`, signed with `SECRET`."""
        self.partner.behave(endpoint=Endpoint(url=url, secrets=(SECRET,), **behaviour))

    async def post(self, path: str, body: Json | None = None, *, key: str | None = None) -> httpx.Response:
        """POST to the bank, with a new key where none is given."""
        headers = {"Idempotency-Key": key or f"key-{next(_keys)}"}
        return await self.http.post(f"/bank/v1/{path}", json=body or {}, headers=headers)

    async def get(self, path: str) -> httpx.Response:
        """GET from the bank."""
        return await self.http.get(f"/bank/v1/{path}")

    async def control(self, path: str, body: Json | None = None) -> httpx.Response:
        """POST to the control API."""
        return await self.http.post(f"/control/{path}", json=body or {})

    async def ordered(
        self, path: str, account: str, *, amount: int = 1050, reference: str = "att_1", currency: str = "EUR"
    ) -> Json:
        """The transfer or direct debit as it was answered."""
        answer = await self.post(path, order(account, amount=amount, reference=reference, currency=currency))
        assert answer.status_code == 201, answer.text
        return answer.json()  # type: ignore[no-any-return]

    async def read(self, path: str) -> Json:
        """What a GET answers, which must be a 200."""
        answer = await self.get(path)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    async def book(self) -> Json:
        """The book of effects, of the bank alone."""
        answer = await self.http.get("/control/book?partner=bank")
        return answer.json()  # type: ignore[no-any-return]


def order(account: str, *, amount: int = 1050, reference: str = "att_1", currency: str = "EUR") -> Json:
    """The body of a transfer or a direct debit."""
    return {
        "reference": reference,
        "amount": {"amount": amount, "currency": currency},
        "account": account,
        "remittance": "Invoice 7",
    }


@contextlib.asynccontextmanager
async def bank_world(*, seed: int = 1, state: Path | None = None) -> AsyncIterator[BankWorld]:
    """A sandbox that serves while the block lasts. It begins at noon: midnight comes when asked for."""
    sandbox = Sandbox(seed=seed, state=state)
    clock = sandbox.world.clock
    if clock.now() - time.time() < 1:
        clock.advance(DAY_S + DAY_S / 2 - clock.now() % DAY_S)
    headers = {"Authorization": f"Bearer {API_KEY}"}
    async with (
        serving(sandbox, listen("127.0.0.1", 0)) as url,
        httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, verify=False) as http,
    ):
        yield BankWorld(sandbox, url, http)


@dataclass
class Listener:
    """Takes events as an application does, and keeps them."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)

    def handle(self, request: Request) -> Response:
        """Take one."""
        self.requests.append(request)
        return json_response(200, {})

    @property
    def types(self) -> list[str]:
        """Of the events, in the order in which they came."""
        return [msgspec.json.decode(request.body)["type"] for request in self.requests]


@contextlib.asynccontextmanager
async def listener(taken: Listener | None = None) -> AsyncIterator[Listener]:
    """A listener that is there while the block lasts: `taken`, or a plain one."""
    taken = Listener() if taken is None else taken
    connections: set[Connection] = set()
    listening = socket.create_server(("127.0.0.1", 0))
    taken.url = f"http://127.0.0.1:{listening.getsockname()[1]}/webhooks/in/bank"
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(taken.handle, connections), sock=listening)
    try:
        yield taken
    finally:
        server.close()
        for connection in list(connections):
            connection.abort()
