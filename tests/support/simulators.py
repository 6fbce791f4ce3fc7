"""The sandbox's Stripe, as `caudal.connectors.contract` wants a simulator: a process of its own."""

import asyncio
import contextlib
import datetime as dt
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

from caudal.connectors import Direction, Method, Supported
from caudal.connectors.contract import Delivery, Fault, Instrument

SECRET = "whsec_of_the_contract_kit"

INSTRUMENTS = {
    (Direction.PAY_IN, Method.CARD, Instrument.GOOD): "pm_card_visa",
    (Direction.PAY_IN, Method.CARD, Instrument.DECLINED): "pm_card_chargeDeclinedInsufficientFunds",
    (Direction.PAY_IN, Method.BANK_DEBIT, Instrument.GOOD): "pm_success_de",
    (Direction.PAY_IN, Method.BANK_DEBIT, Instrument.DECLINED): "pm_insufficientFunds_de",
}


class SandboxStripe:
    """Stripe of a sandbox at `url`, and where its webhooks arrive."""

    signs_time = True
    signs_bodies = True

    def __init__(self, url: str, control: httpx.AsyncClient) -> None:
        self.url = url
        self._control = control
        self._received: list[Delivery] = []

    def instrument(self, supported: Supported, wanted: Instrument) -> str | None:
        return INSTRUMENTS.get((supported.direction, supported.method, wanted))

    def now(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC)

    def sign(self, body: bytes, *, at: dt.datetime) -> Delivery:
        seconds = int(at.timestamp())
        content = f"{seconds}.".encode() + body
        signature = hmac.new(SECRET.encode(), content, hashlib.sha256).hexdigest()
        return Delivery({"stripe-signature": f"t={seconds},v1={signature}"}, body)

    async def misbehave(self, fault: Fault | None) -> None:
        rates = {kind.value: 1.0 if kind is fault else 0.0 for kind in Fault}
        await self.tell("PUT", "faults", {"stripe": {**rates, "reads": False}})

    async def lag_search(self, lag: dt.timedelta) -> None:
        await self.tell("PUT", "faults", {"stripe": {"search_lag_s": lag.total_seconds()}})

    async def advance(self, step: dt.timedelta) -> None:
        await self.tell("POST", "clock/advance", {"seconds": step.total_seconds()})

    async def effects(self, attempt_id: str) -> int:
        book = (await self._control.get("/control/book?partner=stripe")).json()
        return int(book["attempts"].get(attempt_id, 0))

    async def deliveries(self) -> Sequence[Delivery]:
        await self.tell("POST", "webhooks/flush", {})
        received, self._received = self._received, []
        return received

    async def settle(self) -> None:
        await self.advance(dt.timedelta(days=7))
        await self.tell("POST", "settle", {"partner": "stripe"})
        await self.advance(dt.timedelta(days=7))

    async def tell(self, method: str, path: str, body: dict[str, Any]) -> Any:
        """One request to the control API, which must answer 200."""
        answer = await self._control.request(method, f"/control/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take webhooks, and keep them."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                lines = (line.partition(": ") for line in head[1:] if line)
                headers = {name.lower(): value for name, _, value in lines}
                body = await reader.readexactly(int(headers["content-length"]))
                self._received.append(Delivery(headers, body))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        writer.close()


@contextlib.contextmanager
def sandbox_process() -> Iterator[str]:
    """The address of a sandbox that runs in a process of its own while the block lasts."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "caudal_sandbox", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


@asynccontextmanager
async def sandbox_stripe(url: str) -> AsyncIterator[SandboxStripe]:
    """The Stripe of the sandbox at `url`, as it is after a reset."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as control:
        simulator = SandboxStripe(url, control)
        await simulator.tell("POST", "reset", {})
        server = await asyncio.start_server(simulator.receive, "127.0.0.1", 0)
        hook = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        await simulator.tell("PUT", "webhooks", {"stripe": {"url": hook, "secrets": [SECRET]}})
        await simulator.misbehave(None)
        try:
            yield simulator
        finally:
            await simulator.tell("PUT", "webhooks", {"stripe": {"url": None}})
            server.close()
            await server.wait_closed()
