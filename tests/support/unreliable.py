"""A network between a client and the application that fails as a test says."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import httpx

from support.documented import Contract

Fault = Callable[[httpx.Request, "Network"], Awaitable[httpx.Response]]


@dataclass(frozen=True)
class Seen:
    """An attempt as it left the client."""

    operation: str
    key: str | None
    body: bytes
    headers: httpx.Headers


@dataclass
class Network(httpx.AsyncBaseTransport):
    """Takes requests to the application, but for the faults that wait in line; each is used once."""

    application: httpx.AsyncBaseTransport
    contract: Contract
    faults: list[Fault] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    must_be_documented: bool = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """One attempt. What the document does not allow fails the test, unless that is the test's point."""
        body = await request.aread()
        operation = self.contract.check(request, body) if self.must_be_documented else request.url.path
        self.seen.append(Seen(operation, request.headers.get("idempotency-key"), body, request.headers))
        if self.faults:
            return await self.faults.pop(0)(request, self)
        return await self.application.handle_async_request(request)


async def lost_answer(request: httpx.Request, network: Network) -> httpx.Response:
    """The application does its work; then the connection breaks."""
    response = await network.application.handle_async_request(request)
    await response.aread()
    raise httpx.ReadError("", request=request)


async def late_answer(request: httpx.Request, network: Network) -> httpx.Response:
    """The application does its work, and the client does not wait long enough."""
    response = await network.application.handle_async_request(request)
    await response.aread()
    raise httpx.ReadTimeout("", request=request)


async def unreachable(request: httpx.Request, _: Network) -> httpx.Response:
    """Nobody listens."""
    raise httpx.ConnectError("", request=request)


async def silence(_: httpx.Request, __: Network) -> httpx.Response:
    """Nothing comes, ever."""
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def answers(status: int, content: bytes = b"", **headers: str) -> Fault:
    """Something on the way answers, and the application hears nothing."""

    async def answer(request: httpx.Request, _: Network) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.Response(status, content=content, headers=named, request=request)

    return answer


def answers_after(status: int) -> Fault:
    """The application does its work; then something on the way answers in its place."""

    async def answer(request: httpx.Request, network: Network) -> httpx.Response:
        response = await network.application.handle_async_request(request)
        await response.aread()
        return httpx.Response(status, request=request)

    return answer
